"""Benchmarks: typed loaders of the embedded and the real ones, below the stages."""
