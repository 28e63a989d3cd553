"""Stage 0: the base model, from wherever it comes, as a folder of safetensors that all other stages read."""
