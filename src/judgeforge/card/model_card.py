"""The model card within the bill of materials (CycloneDX 1.6, ``modelCard``): task, data, figures with intervals."""

from collections.abc import Sequence
from typing import Any

from judgeforge.card.facts import Facts
from judgeforge.report.figures import find_figure
from judgeforge.statistics import MAIN_MEASURE

_ALSO = ("swap_consistency", "position_bias", "length_bias")


def build_model_card(facts: Facts, data: Sequence[str]) -> dict[str, Any]:
    """Build it.

    Args:
        facts: of the judge.
        data: references of the components that are data sets.
    """
    parameters: dict[str, Any] = {
        "approach": {"type": "supervised"},
        "task": "text-generation",
        "datasets": [{"ref": reference} for reference in data],
        "inputs": [{"format": "text"}],
        "outputs": [{"format": "text"}],
    }
    if kinds := facts.config.get("architectures"):
        parameters["modelArchitecture"] = ", ".join(kinds)
    card: dict[str, Any] = {"modelParameters": parameters}
    if figures := _list_figures(facts):
        card["quantitativeAnalysis"] = {"performanceMetrics": figures}
    return card


def _list_figures(facts: Facts) -> list[dict[str, Any]]:
    found = []
    for name, entry in facts.evaluation.metrics.items() if facts.evaluation else ():
        for measure in (MAIN_MEASURE[entry["format"]], *_ALSO):
            if facts.evaluation is None or measure not in entry["metrics"]:
                continue
            figure = find_figure(facts.evaluation, name, measure)
            if figure.value is None:
                continue
            shown: dict[str, Any] = {"type": measure, "value": repr(figure.value), "slice": name}
            if figure.low is not None and figure.high is not None:
                shown["confidenceInterval"] = {"lowerBound": repr(figure.low), "upperBound": repr(figure.high)}
            found.append(shown)
    return found
