"""Stage 1: from a raw collection to training sets in chat format, and the embedded benchmarks."""
