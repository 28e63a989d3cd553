"""The report's figures as CSV, for spreadsheets and `dvc plots`."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from judgeforge.report.figures import find_figure, find_main, list_measures
from judgeforge.report.published import TOGETHER, load_published
from judgeforge.report.sources import Evaluation, Sources
from judgeforge.report.words import name_benchmark
from judgeforge.statistics import MAIN_MEASURE

_SHARED = ("format", "mode", "items", "prompts", "contaminated", "barred", "unparsable_rate")
_COLUMNS = (
    *("judge", "origin", "source", "benchmark", "part", "format", "mode", "measure", "value", "low", "high", "state"),
    *("items", "prompts", "contaminated", "barred", "unparsable_rate"),
)
_MAIN_COLUMNS = ("row", "judge", "benchmark", "measure", "value", "low", "high")


def write_figures(sources: Sources) -> str:
    """Write every figure as CSV.

    A row a judge, benchmark and measure; then the main measure of each part, what gold graders leave to be reached (of
    no judge), and what was published on the same benchmarks. ``origin`` tells them apart: ``model``, ``endpoint``,
    ``recorded`` and ``reference`` were scored here, ``graders`` and ``published`` are not judges of this report.
    ``state`` is ``measured`` or ``undefined``; what was not measured has no row.
    """
    rows: list[dict[str, Any]] = []
    for each in sources.evaluations:
        for benchmark in each.metrics:
            rows += [*_list_measured(each, benchmark), *_list_parts(each, benchmark)]
    for benchmark in sources.names:
        rows += _list_ceiling(sources, benchmark)
    return _write(_COLUMNS, [*rows, *_list_published(sources)])


def write_main_figures(sources: Sources) -> str:
    """Write the main measures alone, for `dvc plots`: ``row`` is a name that no two figures share.

    Bars of equal names are stacked there, and a judge stands on several benchmarks.
    """
    rows = []
    for benchmark in sources.names:
        kind = sources.find_entry(benchmark)["format"]
        for each in sources.list_judging(benchmark):
            figure = find_main(each, benchmark, kind)
            if figure.value is not None:
                ends = {"value": figure.value, "low": figure.low, "high": figure.high}
                named = {"row": f"{name_benchmark(benchmark)}: {each.judge}", "judge": each.judge}
                rows.append(named | {"benchmark": benchmark, "measure": MAIN_MEASURE[kind]} | ends)
    return _write(_MAIN_COLUMNS, rows)


def _list_measured(evaluation: Evaluation, benchmark: str) -> Iterator[dict[str, Any]]:
    entry = evaluation.metrics[benchmark]
    for measure in list_measures(entry):
        figure = find_figure(evaluation, benchmark, measure)
        if figure.state != "absent":
            ends = {"value": figure.value, "low": figure.low, "high": figure.high, "state": figure.state}
            yield _share(evaluation, benchmark) | {"measure": measure} | ends


def _list_parts(evaluation: Evaluation, benchmark: str) -> Iterator[dict[str, Any]]:
    entry = evaluation.metrics[benchmark]
    facts = _share(evaluation, benchmark) | {"measure": MAIN_MEASURE[entry["format"]]}
    for part, found in entry["groups"].items():
        if part:
            own = {"part": part, "items": found["items"], "prompts": "", "contaminated": "", "unparsable_rate": ""}
            yield facts | own | {"value": found["value"], "state": _state(found["value"])}


def _list_ceiling(sources: Sources, benchmark: str) -> Iterator[dict[str, Any]]:
    entry = sources.find_entry(benchmark)
    for measure in ("agreement", "ceiling"):
        key = "value" if measure == "ceiling" else measure
        if entry["ceiling"] and key in entry["ceiling"]:
            value = entry["ceiling"][key]
            facts = {name: entry[name] for name in _SHARED if name != "unparsable_rate"}
            yield facts | {
                "origin": "graders",
                "benchmark": benchmark,
                "measure": measure,
                "value": value,
                "state": _state(value),
            }


def _list_published(sources: Sources) -> Iterator[dict[str, Any]]:
    seen = set()
    for row in load_published():
        source = ", ".join(part for part in (row.source, row.place) if part)
        for benchmark, value in row.values.items():
            whole = TOGETHER.get((benchmark, row.measure), (benchmark,))
            key = row.model, source, benchmark, row.measure
            if key not in seen and any(name in sources.names for name in whole):
                seen.add(key)
                facts = {"judge": row.model, "origin": "published", "source": source, "benchmark": benchmark}
                yield facts | {"measure": row.measure, "value": value, "state": "measured"}


def _share(evaluation: Evaluation, benchmark: str) -> dict[str, Any]:
    entry = evaluation.metrics[benchmark]
    named = {"judge": evaluation.judge, "origin": evaluation.origin, "benchmark": benchmark}
    return named | {name: entry[name] for name in _SHARED}


def _state(value: float | None) -> str:
    return "undefined" if value is None else "measured"


def _write(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
