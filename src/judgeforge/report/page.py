"""The page a person reads: what each section shows, handed to the template. Equal inputs give equal bytes."""

from typing import Any

from judgeforge.pages import build_environment
from judgeforge.report.captions import describe_basis, describe_merge, describe_origin
from judgeforge.report.charts import build_curve
from judgeforge.report.comparison import check_subject
from judgeforge.report.examples import choose_examples
from judgeforge.report.numbers import format_cell, format_figure, format_interval, format_share
from judgeforge.report.published import build_published_tables, name_column
from judgeforge.report.reliability import build_reliability
from judgeforge.report.searching import build_search
from judgeforge.report.sections import describe_benchmark
from judgeforge.report.sources import Sources
from judgeforge.report.words import (
    GUEST_NOTES,
    JUDGE_NOTES,
    MEASURE_TITLES,
    build_headline,
    describe_silence,
    name_benchmark,
)

_EXCERPT = 700


def render_page(sources: Sources, differences: dict[str, Any]) -> str:
    """Render the whole page as one self-contained HTML document.

    Args:
        sources: what the other stages wrote.
        differences: of ``compute_differences``.
    """
    environment = build_environment("judgeforge.report")
    environment.filters |= {
        "cell": format_cell,
        "number": format_figure,
        "interval": format_interval,
        "share": format_share,
        "excerpt": _cut,
    }
    subject = sources.subject
    checks = {name: check_subject(sources, differences, name) for name in subject.metrics}
    judged = {name: found for name, found in checks.items() if subject.metrics[name]["items"]}
    base = {each.judge: each for each in sources.evaluations}.get("base")
    rates = {} if base is None else {name: entry["unparsable_rate"] for name, entry in base.metrics.items()}
    benchmarks = [describe_benchmark(sources, name, checks.get(name, []), differences) for name in sources.names]
    steady = {each.judge: build_reliability(sources, each) for each in sources.evaluations if not each.is_reference}
    return environment.get_template("report.html.jinja").render(
        headline=build_headline(subject.judge, judged),
        warning=None if base is subject else describe_silence(rates),
        subject=subject.judge,
        mode=sources.mode,
        judges=[_describe_judge(sources, position) for position in range(len(sources.evaluations))],
        benchmarks=benchmarks,
        basis=describe_basis(sources, sources.names),
        bootstrap=next(iter(subject.metrics.values()))["bootstrap"],
        measures=MEASURE_TITLES,
        reliability={judge: plot for judge, plot in steady.items() if plot},
        search=build_search(sources.search),
        curves={kind: build_curve(points) for kind, points in sources.curves.items()},
        examples=[example | {"title": name_benchmark(example["benchmark"])} for example in choose_examples(sources)],
        published=_describe_published(sources),
        statistics=sources.statistics,
        templates=sorted({each.template for each in sources.evaluations if each.template}),
    )


def _describe_judge(sources: Sources, position: int) -> dict[str, Any]:
    evaluation = sources.evaluations[position]
    kind = "reference" if evaluation.is_reference else "subject" if evaluation is sources.subject else "judge"
    note = JUDGE_NOTES.get(evaluation.judge, GUEST_NOTES[evaluation.origin])
    if evaluation.merge:
        note += f": {describe_merge(evaluation).partition(' (')[2].rstrip(')')}"
    return {"name": evaluation.judge, "kind": kind, "note": note, "origin": describe_origin(evaluation)}


def _describe_published(sources: Sources) -> list[dict[str, Any]]:
    """Add to each table its heads (what is above a measure) and what its own figures rest on."""
    tables = []
    for table in build_published_tables(sources):
        heads = [
            {"over": name_column(sources, benchmark, measure), "measure": measure}
            for benchmark, measure in table["columns"]
        ]
        tables.append(table | {"heads": heads, "basis": describe_basis(sources, table["benchmarks"])})
    return tables


def _cut(text: str, length: int = _EXCERPT) -> str:
    """Cut a long text at a space."""
    text = text.strip()
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + " …"
