"""Statistics of verdicts, below the stages: correlations, measures of a verdict table, cluster-bootstrap intervals."""

from judgeforge.statistics.bootstrap import Interval, cluster_bootstrap
from judgeforge.statistics.judged import JUDGED_SCHEMA, build_judged_items, select_main
from judgeforge.statistics.measure import Measure, compute
from judgeforge.statistics.measures import CHANCE, MAIN_MEASURE, MEASURES, build_columns
from judgeforge.statistics.paired import compute_difference

__all__ = [
    "CHANCE",
    "JUDGED_SCHEMA",
    "MAIN_MEASURE",
    "MEASURES",
    "Interval",
    "Measure",
    "build_columns",
    "build_judged_items",
    "cluster_bootstrap",
    "compute",
    "compute_difference",
    "select_main",
]
