"""The contract between training and judging: records, prompt templates, chat rendering, verdict parsing."""
