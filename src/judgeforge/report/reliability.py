"""How steady verdicts are: the same in both orders, runs that agree, and beside them graders that agree."""

from typing import Any

from judgeforge.report.captions import title_benchmark
from judgeforge.report.charts import Axis
from judgeforge.report.figures import find_figure
from judgeforge.report.numbers import format_figure
from judgeforge.report.sources import Evaluation, Sources

_AXIS = Axis(0.0, 1.0, 0.25)
_MARKS = {"swap_consistency": "orders", "run_alpha": "runs"}


def build_reliability(sources: Sources, evaluation: Evaluation) -> dict[str, Any] | None:
    """Lay out what is known of a judge's steadiness, a row a benchmark.

    Args:
        sources: of the report.
        evaluation: the judge.

    Returns:
        ``rows`` (``title`` and ``marks``: ``kind``, ``place``, ``text``) and ``ticks``; None where nothing is known
        of the judge itself.
    """
    rows = []
    known = False
    for name in (name for name in sources.names if name in evaluation.metrics):
        marks = [
            _mark(kind, figure.value, measure)
            for measure, kind in _MARKS.items()
            if (figure := find_figure(evaluation, name, measure)).value is not None
        ]
        known |= bool(marks)
        entry = evaluation.metrics[name]
        agreement = (entry["ceiling"] or {}).get("agreement")
        if agreement is not None:
            marks.append(_mark("graders", agreement, "pearson" if entry["format"] == "direct" else "accuracy"))
        if marks:
            rows.append({"title": title_benchmark(sources, name), "marks": marks})
    ticks = [{"place": _AXIS.place(tick), "text": f"{tick:g}"} for tick in _AXIS.ticks]
    return {"rows": rows, "ticks": ticks, "longest": max(len(row["title"]) for row in rows)} if known else None


def _mark(kind: str, value: float, measure: str) -> dict[str, Any]:
    return {"kind": kind, "place": _AXIS.place(value), "text": format_figure(value, measure)}
