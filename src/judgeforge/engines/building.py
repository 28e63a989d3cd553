"""Which engine runs a judge's weights, by the section ``evaluate``."""

from pathlib import Path

from judgeforge.engines.protocol import LocalEngine, build_generation
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.params import EvaluateParams


def build_engine(params: EvaluateParams, model: Path, base: Path | None, template: JudgeTemplate) -> LocalEngine:
    """Load a judge into the engine that ``params`` names.

    Args:
        params: the section ``evaluate``.
        model: the judge's folder: full weights or an adapter.
        base: the base model of an adapter; None: the one that the adapter names.
        template: the judge's own.
    """
    options = {
        "template": template,
        "base_folder": base,
        "generation": build_generation(params),
        **params.model_dump(include={"batch_size", "dtype", "cpu_threads"}),
    }
    if params.engine == "vllm":
        from judgeforge.engines.vllm import VllmEngine  # noqa: PLC0415 - it is an extra

        return VllmEngine(model, machine=params.vllm, **options)
    from judgeforge.engines.transformers import TransformersEngine  # noqa: PLC0415 - torch takes seconds

    return TransformersEngine(model, **options)
