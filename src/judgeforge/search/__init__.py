"""Between training and merging: which merge does best on a validation set that no benchmark touches."""
