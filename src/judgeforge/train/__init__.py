"""Stage 2: from a training set to a judge."""
