"""Stage 4: from a judge to verdicts and metrics."""
