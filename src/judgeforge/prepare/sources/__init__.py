"""Where graded responses come from: files, folders, the hub or the embedded collection, all read in chunks."""
