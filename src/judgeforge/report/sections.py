"""What the page says of one benchmark: figures, plots, parts and notes, as the template wants them."""

from collections.abc import Mapping
from typing import Any

from judgeforge.grading.records import FIVE_POINTS, Format, Scale
from judgeforge.report.breakdown import build_breakdown
from judgeforge.report.captions import describe_basis, describe_ceiling, describe_items, title_benchmark
from judgeforge.report.charts import build_bias, build_calibration, build_dots, build_forest, build_heatmap
from judgeforge.report.comparison import Check
from judgeforge.report.figures import Figure, find_figure, find_main, list_measures
from judgeforge.report.items import has_other_items
from judgeforge.report.sources import Evaluation, Sources
from judgeforge.report.words import MEASURE_TITLES, describe_check
from judgeforge.statistics import CHANCE, MAIN_MEASURE


def describe_benchmark(
    sources: Sources, name: str, checks: list[Check], differences: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe one benchmark for the page.

    Args:
        sources: of the report.
        name: the benchmark's.
        checks: of ``check_subject``; none where the subject did not judge it.
        differences: of ``compute_differences``.
    """
    entry = sources.find_entry(name)
    kind: Format = entry["format"]
    measure = MAIN_MEASURE[kind]
    figures = {each.judge: find_main(each, name, kind) for each in sources.evaluations}
    judged = {each.judge: figures[each.judge] for each in sources.list_judging(name)}
    known = [measure for measure in MEASURE_TITLES if measure in list_measures(entry)]
    every = {each.judge: {one: find_figure(each, name, one) for one in known} for each in sources.list_judging(name)}
    kept = [
        one for one in known if one in entry["metrics"] or any(row[one].state != "absent" for row in every.values())
    ]
    return {
        "name": name,
        "title": title_benchmark(sources, name),
        "format": kind,
        "measure": measure,
        "chance": CHANCE[kind],
        "entry": entry,
        "items": describe_items(entry),
        "basis": describe_basis(sources, [name]),
        "ceiling": describe_ceiling(entry),
        "figures": figures,
        "best": choose_best(sources, name, figures),
        "marks": {each.judge: list_marks(sources, each, name) for each in sources.evaluations},
        "unparsable": {each.judge: each.metrics[name]["unparsable_rate"] for each in sources.list_judging(name)},
        "measures": kept,
        "every": every,
        "checks": [{"standing": check.standing, "text": describe_check(check, measure)} for check in checks],
        "dots": build_dots(kind, judged),
        "forest": _lay_out_forest(kind, name, differences),
        "notes": _list_notes(sources, name),
        "breakdown": build_breakdown(sources, name),
    } | _build_format_plots(sources, name, kind)


def choose_best(sources: Sources, name: str, figures: Mapping[str, Figure]) -> list[str]:
    """Choose the judges with the best main measure, among those on the same items; trivial ones never are."""
    rivals = {
        each.judge: value
        for each in sources.list_judging(name)
        if not each.is_reference
        and not has_other_items(sources, each, name)
        and (value := figures[each.judge].value) is not None
    }
    return [judge for judge, value in rivals.items() if value == max(rivals.values())]


def list_marks(sources: Sources, evaluation: Evaluation, name: str) -> list[str]:
    """List what sets a judge's figures on a benchmark apart from the others'."""
    if name not in evaluation.metrics:
        return []
    marks = []
    if sources.mode == "clean" and evaluation.asked_in_one_order(name):
        marks.append("one order only")
    if has_other_items(sources, evaluation, name):
        marks.append("on other items")
    return marks


def _lay_out_forest(kind: Format, name: str, differences: Mapping[str, Any]) -> dict[str, Any] | None:
    found = {
        judge: Figure(each["value"], each["low"], each["high"], "undefined" if each["value"] is None else "measured")
        for judge, own in differences.items()
        if (each := own.get(name)) is not None
    }
    return build_forest(kind, found) if any(each.value is not None for each in found.values()) else None


def _build_format_plots(sources: Sources, name: str, kind: Format) -> dict[str, Any]:
    scale = Scale(*sources.find_entry(name).get("scale", FIVE_POINTS))
    found: dict[str, Any] = {"heatmaps": {}, "calibration": {}, "bias": None, "scale": scale}
    judging = sources.list_judging(name)
    if not sources.find_entry(name)["items"]:
        return found
    if kind == "pairwise":
        return found | {"bias": build_bias({each.judge: find_figure(each, name, "position_bias") for each in judging})}
    tables = {each.judge: each.metrics[name]["confusion"] for each in judging}
    return found | {
        "heatmaps": {judge: build_heatmap(table) for judge, table in tables.items()},
        "calibration": {judge: build_calibration(table, scale.lowest) for judge, table in tables.items()},
    }


def _list_notes(sources: Sources, name: str) -> list[str]:
    if name not in sources.benchmarks:
        return []
    benchmark = sources.benchmarks[name]
    whole = len({each.item.prompt_id for each in benchmark.items})
    judged = sources.find_leader(name).select(name)["prompt_id"].n_unique()
    subset = [f"A subset: {judged} of {whole} prompts, drawn by seed with all their items."] if judged < whole else []
    return [*subset, *benchmark.notes]
