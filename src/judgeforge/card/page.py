"""The card as a page: the same Markdown rendered, with the intervals drawn as the report draws them."""

import re
from collections.abc import Sequence
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

from judgeforge.card.facts import Facts
from judgeforge.card.markup import Section
from judgeforge.pages import build_environment
from judgeforge.report.charts import build_bias, build_dots
from judgeforge.report.figures import find_figure, find_main
from judgeforge.report.words import MEASURE_TITLES, name_benchmark
from judgeforge.statistics import MAIN_MEASURE

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)


def render_page(facts: Facts, title: str, summary: str, sections: Sequence[Section]) -> str:
    """Render the card as one self-contained HTML document.

    Args:
        facts: of the judge, for the plots.
        title: of the card.
        summary: what the judge was measured to be above, as plain text.
        sections: as in the Markdown.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    kinds = {each.judge: "reference" if each.is_reference else "judge" for each in facts.judges.evaluations}
    return (
        _build_environment()
        .get_template("card.html.jinja")
        .render(
            title=title,
            judge=facts.places.judge,
            summary=summary,
            sections=[(each, _wrap_tables(markdown.render(each.body))) for each in sections],
            plots=_build_plots(facts),
            kinds=kinds | {facts.places.judge: "subject"},
        )
    )


def _build_environment() -> Environment:
    environment = build_environment("judgeforge.card")
    environment.loader = ChoiceLoader([environment.loader, PackageLoader("judgeforge.report")])  # type: ignore[list-item]
    return environment


def _wrap_tables(html: str) -> Markup:
    """Let a wide table be scrolled by itself, by keyboard, too."""
    wrapped = _TABLE.sub(lambda found: f'<div class="scroll" tabindex="0" role="region">{found[0]}</div>', html)
    return Markup(wrapped)  # noqa: S704 - of markdown-it, which was told to escape HTML


def _build_plots(facts: Facts) -> dict[str, list[dict[str, Any]]]:
    """Lay out the plots of each section: main measures beside the other judges', and leanings to the first."""
    found: dict[str, list[dict[str, Any]]] = {"evaluation": [], "consistency": []}
    for name, entry in facts.evaluation.metrics.items() if facts.evaluation else ():
        if not entry["items"]:
            continue
        judging = facts.judges.list_judging(name)
        kind, title = entry["format"], name_benchmark(name)
        figures = {each.judge: find_main(each, name, kind) for each in judging}
        label = f"{title}: {MEASURE_TITLES[MAIN_MEASURE[kind]]}"
        found["evaluation"].append({"title": label, "plot": build_dots(kind, figures), "middle": "chance"})
        if kind == "pairwise":
            leanings = {each.judge: find_figure(each, name, "position_bias") for each in judging}
            label = f"{title}: {MEASURE_TITLES['position_bias']}"
            found["consistency"].append({"title": label, "plot": build_bias(leanings), "middle": "even"})
    return found
