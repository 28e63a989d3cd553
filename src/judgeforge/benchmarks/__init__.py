"""Benchmarks: typed loaders of the embedded and the real ones, below the stages."""

from judgeforge.benchmarks.loaders import load_benchmark, select_prompts
from judgeforge.benchmarks.records import Benchmark, BenchmarkItem

__all__ = ["Benchmark", "BenchmarkItem", "load_benchmark", "select_prompts"]
