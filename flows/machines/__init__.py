"""Machines for the stages of one run: raised, paid for, and ended whatever happens to it. Knows nothing of Prefect."""
