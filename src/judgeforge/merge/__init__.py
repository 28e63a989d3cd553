"""Stage 3: from the two judges to one, by merging their weights (paper, section 4.3)."""
