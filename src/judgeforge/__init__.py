"""judgeforge: train, merge, evaluate and promote open LLM judges (recipe of Prometheus 2, arXiv 2405.01535)."""

__version__ = "0.1.0"
