"""The model card: what a judge is, how it was made and what it was measured to do, written from the stages' files."""
