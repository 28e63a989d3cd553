"""The page a person reads: what each section shows, handed to the template. Equal inputs give equal bytes."""

from typing import Any

from judgeforge.grading.records import Format
from judgeforge.pages import build_environment
from judgeforge.report.breakdown import build_breakdown
from judgeforge.report.charts import build_bias, build_calibration, build_curve, build_dots, build_heatmap
from judgeforge.report.comparison import Check, check_subject
from judgeforge.report.examples import choose_examples
from judgeforge.report.published import build_published_tables
from judgeforge.report.sources import Sources
from judgeforge.report.words import (
    BARRED,
    BENCHMARK_TITLES,
    GUEST_NOTE,
    JUDGE_NOTES,
    MEASURE_TITLES,
    build_headline,
    describe_check,
    describe_silence,
    format_figure,
    format_interval,
    format_share,
    name_benchmark,
)
from judgeforge.statistics import CHANCE, MAIN_MEASURE

_EXCERPT = 700


def render_page(sources: Sources, differences: dict[str, Any]) -> str:
    """Render the whole page as one self-contained HTML document.

    Args:
        sources: what the other stages wrote.
        differences: of ``compute_differences``.
    """
    environment = build_environment("judgeforge.report")
    environment.filters |= {
        "figure": format_figure,
        "interval": format_interval,
        "share": format_share,
        "excerpt": _cut,
    }
    checks = {name: check_subject(sources, differences, name) for name in sources.subject.metrics}
    judged = {name: found for name, found in checks.items() if sources.subject.metrics[name]["items"]}
    base = {each.judge: each for each in sources.evaluations}.get("base")
    rates = {} if base is None else {name: entry["unparsable_rate"] for name, entry in base.metrics.items()}
    return environment.get_template("report.html.jinja").render(
        headline=build_headline(sources.subject.judge, judged),
        warning=None if base is sources.subject else describe_silence(rates),
        subject=sources.subject.judge,
        judges=[_describe_judge(sources, position) for position in range(len(sources.evaluations))],
        benchmarks=[_describe_benchmark(sources, name, checks[name]) for name in checks],
        measures=MEASURE_TITLES,
        barred=BARRED if any(entry["barred"] for entry in sources.subject.metrics.values()) else None,
        curves={kind: build_curve(points) for kind, points in sources.curves.items()},
        examples=[example | {"title": name_benchmark(example["benchmark"])} for example in choose_examples(sources)],
        published=build_published_tables(sources),
        titles=BENCHMARK_TITLES,
        statistics=sources.statistics,
        templates=sorted({each.template for each in sources.evaluations if each.template}),
    )


def _describe_judge(sources: Sources, position: int) -> dict[str, Any]:
    evaluation = sources.evaluations[position]
    kind = "reference" if evaluation.is_reference else "subject" if evaluation is sources.subject else "judge"
    return {"name": evaluation.judge, "kind": kind, "note": JUDGE_NOTES.get(evaluation.judge, GUEST_NOTE)}


def _describe_benchmark(sources: Sources, name: str, checks: list[Check]) -> dict[str, Any]:
    entry = sources.subject.metrics[name]
    kind: Format = entry["format"]
    measure = MAIN_MEASURE[kind]
    metrics = {each.judge: each.metrics[name] for each in sources.evaluations}
    figures = {judge: found["metrics"][measure] for judge, found in metrics.items()}
    real = [figures[each.judge]["value"] for each in sources.evaluations if not each.is_reference]
    prompts = len({each.item.prompt_id for each in sources.benchmarks[name].items})
    notes = list(sources.benchmarks[name].notes)
    judged_prompts = sources.subject.select(name)["prompt_id"].n_unique()
    if judged_prompts < prompts:
        notes.insert(0, f"A subset: {judged_prompts} of {prompts} prompts, drawn by seed with all their items.")
    return {
        "name": name,
        "title": name_benchmark(name) + (f" {BARRED}" if entry["barred"] else ""),
        "format": kind,
        "measure": measure,
        "chance": CHANCE[kind],
        "metrics": metrics,
        "figures": figures,
        "best": max((value for value in real if value is not None), default=None),
        "checks": [{"standing": check.standing, "text": describe_check(check, measure)} for check in checks],
        "dots": build_dots(kind, figures),
        "heatmaps": {judge: build_heatmap(found["confusion"]) for judge, found in metrics.items()}
        if kind == "direct" and entry["items"]
        else {},
        "calibration": {judge: build_calibration(found["confusion"]) for judge, found in metrics.items()}
        if kind == "direct" and entry["items"]
        else {},
        "bias": build_bias({judge: found["metrics"]["position_bias"] for judge, found in metrics.items()})
        if kind == "pairwise" and entry["items"]
        else None,
        "breakdown": build_breakdown(sources, name),
        "notes": notes,
        "entry": entry,
    }


def _cut(text: str, length: int = _EXCERPT) -> str:
    """Cut a long text at a space."""
    text = text.strip()
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " …"
