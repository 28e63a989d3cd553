"""Benchmarks: typed loaders of the embedded and the real ones, below the stages."""

from judgeforge.benchmarks.loaders import load_benchmark, read_name, select_prompts
from judgeforge.benchmarks.records import Benchmark, BenchmarkItem

__all__ = ["Benchmark", "BenchmarkItem", "load_benchmark", "read_name", "select_prompts"]
