"""Weights of judges in files: where they lie, how a merge computes with them, and how its result is written."""
