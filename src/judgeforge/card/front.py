"""The front matter: what the Hugging Face hub reads of a model card, the measured results included."""

from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from judgeforge.card.facts import Facts
from judgeforge.card.words import list_languages
from judgeforge.report.figures import find_figure
from judgeforge.report.words import MEASURE_TITLES, name_benchmark

_TYPES = {
    "pearson": "pearsonr",
    "spearman": "spearmanr",
    "kendall": "kendalltau",
    "mae": "mae",
    "exact_agreement": "exact_agreement",
    "accuracy": "accuracy",
    "accuracy_both_orders": "accuracy_both_orders",
    "swap_consistency": "swap_consistency",
}
"""Measures that are shown there, and what the hub calls them, where it knows them."""
_DIGITS = 4


def render_front_matter(facts: Facts) -> str:
    """Render the YAML block; what is not known is left out, and an unstated licence is ``unknown``."""
    base = facts.base.name if facts.base.source == "hub" else None
    relation: dict[str, Any] = {"base_model_relation": "adapter" if facts.adapter else "finetune"} if base else {}
    tags = ["judgeforge", "llm-as-a-judge", "evaluation"]
    tags += (["merge"] if facts.merge is not None else []) + (["lora"] if facts.adapter else [])
    data = ModelCardData(
        license=(facts.promote.licence or "unknown").lower(),
        base_model=base,
        datasets=[each.repository for each in facts.data if each.kind == "hub"] or None,
        language=list_languages(facts.statistics) or None,
        library_name="peft" if facts.adapter else "transformers",
        pipeline_tag="text-generation",
        tags=tags,
        model_name=facts.name,
        eval_results=_list_results(facts) or None,
        **relation,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _list_results(facts: Facts) -> list[EvalResult]:
    """List what was measured; a benchmark that too much was trained on measures nothing."""
    evaluation = facts.evaluation
    results = []
    for name, entry in evaluation.metrics.items() if evaluation else ():
        for measure, kind in _TYPES.items():
            if evaluation is None or measure not in entry["metrics"] or entry.get("barred"):
                continue
            figure = find_figure(evaluation, name, measure)
            if figure.value is None:
                continue
            confidence = f"{100 * entry['bootstrap']['confidence']:g}%"
            ends = "" if figure.low is None else f" ({confidence} interval {figure.low:.3f} to {figure.high:.3f})"
            results.append(
                EvalResult(
                    task_type="text-generation",
                    task_name=f"LLM as a judge, {entry['format']}",
                    dataset_type=name,
                    dataset_name=name_benchmark(name),
                    metric_type=kind,
                    metric_name=MEASURE_TITLES[measure] + ends,
                    metric_value=round(figure.value, _DIGITS),
                )
            )
    return results
