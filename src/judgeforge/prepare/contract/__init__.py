"""The prompt contract: recover upstream's template from its rows, check every row, keep to a number of tokens."""
