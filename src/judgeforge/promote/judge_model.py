"""The judge as an MLflow model: a data frame of items in, a data frame of verdicts out.

MLflow stores this file beside the weights and runs it on loading ("models from code"), so nothing is pickled.
"""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from judgeforge.grading.templates import load_template
from judgeforge.promote.frames import build_items
from judgeforge.promote.materialising import open_weights


class JudgeModel(PythonModel):
    """Grade each row: by ``response`` directly, by ``response_a`` and ``response_b`` pairwise."""

    def load_context(self, context: Any) -> None:
        """Load the weights and the template that travels with them, by the engine that the model's settings name.

        Raises:
            InputError: the weights are not those that were registered.
            EnvironmentFault: it is vLLM, and that is not installed; or the weights lie elsewhere, out of reach now.
        """
        from judgeforge.engines.protocol import Generation  # noqa: PLC0415 - torch takes seconds

        folder = open_weights(Path(context.artifacts["judge"]))
        base = context.artifacts.get("base")
        self._template = load_template(folder)
        settings = dict(context.model_config)
        # Versions that were registered before there was a choice name neither.
        engine, machine = settings.pop("engine", "transformers"), settings.pop("vllm", None)
        settings |= {
            "template": self._template,
            "base_folder": open_weights(Path(base)) if base else None,
            "generation": Generation.model_validate(settings["generation"]),
        }
        self._engine = _load_engine(engine, machine, folder, settings)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return the columns feedback, score (direct), choice (pairwise) and raw_text, with the input's index.

        Raises:
            InputError: a column is missing, or a row is neither a direct nor a pairwise item.
        """
        from judgeforge.engines.grading import grade_items  # noqa: PLC0415

        graded = grade_items(self._engine, build_items(model_input, any_scale=self._template.any_scale), self._template)
        columns = {
            "feedback": [verdict.feedback for verdict, _ in graded],
            "score": pd.array([verdict.score for verdict, _ in graded], dtype="Int64"),
            "choice": [verdict.choice for verdict, _ in graded],
            "raw_text": [completion.text for _, completion in graded],
        }
        return pd.DataFrame(columns, index=model_input.index)


def _load_engine(engine: str, machine: Any, folder: Path, settings: dict[str, Any]) -> Any:
    if engine == "vllm":
        from judgeforge.engines.vllm import VllmEngine  # noqa: PLC0415 - it is an extra
        from judgeforge.params import VllmParams  # noqa: PLC0415

        return VllmEngine(folder, machine=VllmParams.model_validate(machine), **settings)
    from judgeforge.engines.transformers import TransformersEngine  # noqa: PLC0415

    return TransformersEngine(folder, **settings)


set_model(JudgeModel())
