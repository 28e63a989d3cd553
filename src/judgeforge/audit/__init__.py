"""Stage ``audit``: which benchmark items stand in the training sets. Apart from ``prepare``: it changes no row."""
