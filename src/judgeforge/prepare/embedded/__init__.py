"""The embedded collection: a small generated feedback collection, so that the whole job runs with nothing at hand."""
