"""A registered judge as MLflow shows it to others: an input example of both formats, and the engine by choice."""

import sys
from pathlib import Path
from typing import Any

import pytest

from judgeforge.base.miniature import build_miniature
from judgeforge.grading.templates import load_template, write_template
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.packaging import log_model


@pytest.fixture
def logged(store: Any, tmp_path: Path, params: Any) -> Any:
    """Log a judge of a template and return its address."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")

    def log(template: str) -> str:
        judge = tmp_path / template
        judge.mkdir()
        build_miniature(judge, "float32", seed=2)
        write_template(load_template(template), judge)
        evidence = Evidence(judge="merged", model=judge, base=None, metrics=judge, page=judge, verdicts=judge)
        wanted = {"constrained": True, "max_new_tokens": 24, "dtype": "float32", "cpu_threads": 1}
        with mlflow.start_run():
            return log_model(evidence, params.evaluate.model_copy(update=wanted), params.promote)

    return log


@pytest.mark.parametrize("template", ["judgeforge-1", "judgeforge-2"])
def test_the_input_example_is_graded_in_both_formats(logged: Any, template: str) -> None:
    import mlflow

    address = logged(template)
    model = mlflow.pyfunc.load_model(address)
    example = model.input_example
    assert example["response"].notna().tolist() == [True, False]
    assert example["response_b"].notna().tolist() == [False, True]
    graded = model.predict(example)
    assert graded["score"].notna().tolist() == [True, False]
    assert graded["choice"].notna().tolist() == [False, True]
    sent = mlflow.models.convert_input_example_to_serving_input(example)
    assert mlflow.models.validate_serving_input(address, sent).equals(graded), "as MLflow's own server reads it"


def test_another_engine_is_chosen_on_loading(logged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    from judgeforge.errors import EnvironmentFault

    address = logged("judgeforge-1")
    assert mlflow.models.get_model_info(address).flavors["python_function"]["config"]["engine"] == "transformers"
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(EnvironmentFault, match="vLLM is not installed"):
        mlflow.pyfunc.load_model(address, model_config={"engine": "vllm"})
