"""A champion whose stored verdicts do not compare is judged again by its stored weights, by the real program."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from judgeforge.base.miniature import build_miniature, build_tokenizer
from judgeforge.benchmarks import load_benchmark
from judgeforge.engines.protocol import build_generation
from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json, write_json_lines
from judgeforge.grading.templates import write_template
from judgeforge.params import Params
from judgeforge.promote.candidate import Conditions
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.registry import Registry
from judgeforge.promote.standing import load_standing
from judgeforge.verdicts import VerdictRow, load_verdicts
from tests.evaluations import build_rows, write_rows

NAME = "test-judge"
MANIFEST = """\
name: d
layout: direct
file: d.jsonl
rubric:
  criteria: Is it right?
  levels: [No., Hardly., Half., Nearly., Yes.]
"""


@pytest.fixture
def project(store: Any, params: Params, tmp_path: Path) -> Params:
    """Write a benchmark of a few items of its own, and params.yaml."""
    rows = [
        {"instruction": f"Add {n} and 1.", "response": str(n), "gold": 1 + n % 5, "item_id": f"i{n}"} for n in range(5)
    ]
    write_json_lines(tmp_path / "d.jsonl", rows)
    (tmp_path / "d.yaml").write_text(MANIFEST)
    document = params.model_dump(mode="json")
    document["evaluate"] |= {"benchmarks": ["d.yaml"], "max_new_tokens": 4, "dtype": "float32", "batch_size": 8}
    write_json(tmp_path / "params.yaml", document)  # JSON is YAML
    return Params.model_validate(document)


@pytest.fixture
def register(project: Params, tmp_path: Path) -> Any:
    """Register a judge with the verdicts given, as one of the name given."""

    def call(model: Path, rows: list[VerdictRow], judge: Any = "merged", base: Path | None = None, **facts: Any) -> Any:
        write_rows(tmp_path / "evaluation", rows, project.evaluate, **facts)
        metrics = load_json(tmp_path / "evaluation/metrics.json")["benchmarks"]
        write_json(tmp_path / "metrics.json", {judge: metrics, "differences": {}})
        (tmp_path / "report.html").write_text("<html>")
        evidence = Evidence(
            judge=judge,
            model=model,
            base=base,
            metrics=tmp_path / "metrics.json",
            page=tmp_path / "report.html",
            verdicts=tmp_path / "evaluation",
        )
        section = project.promote.model_copy(update={"model_name": NAME})
        registry = Registry(NAME)
        return registry, registry.register(evidence, section, project.evaluate)

    return call


@pytest.fixture
def model(template: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "merged"
    folder.mkdir()
    build_miniature(folder, "float32", 1)
    write_template(template, folder)
    return folder


@pytest.fixture
def champion(register: Any, model: Path) -> Any:
    """Register a judge whose evidence is of other items."""
    return register(model, build_rows("merged", seen={"d": range(13)}))


@pytest.fixture
def wanted(project: Params, template: Any, tmp_path: Path) -> Any:
    """Say what the challenger was asked: the items of today's benchmark."""
    contents = load_benchmark("d.yaml", tmp_path / "none", None).compute_digest()
    generation = build_generation(project.evaluate).model_dump()
    engine = f"{project.evaluate.engine} in float32"
    return Conditions({"d": contents}, {"d": 5}, "clean", generation, template.compute_digest(), engine)


def test_stored_verdicts_of_other_items_are_given_again_once(champion: Any, wanted: Any, tmp_path: Path) -> None:
    registry, version = champion
    found, note = load_standing(registry, version, "the champion", wanted, ())
    assert note == (
        "The champion (version 1) was evaluated again, since its stored verdicts do not compare: d holds other items."
    )
    assert found.conditions == wanted, "the evaluation says what its benchmark held"
    assert sorted(found.select("d")["item_id"]) == [f"i{number}" for number in range(5)]
    assert found.barred == {"d"}, "its training sets still hold what they held"
    places = list((tmp_path / ".judgeforge/standing").iterdir())
    assert len(places) == 1
    assert set(load_verdicts(places[0])["judge"]) == {"merged"}
    written = (places[0] / "metrics.json").stat().st_mtime_ns
    again, _ = load_standing(registry, version, "the champion", wanted, ())
    assert again.judged.equals(found.judged)
    assert (places[0] / "metrics.json").stat().st_mtime_ns == written


def test_evidence_that_is_gone_is_made_again(champion: Any, wanted: Any, store: Any) -> None:
    registry, version = champion
    artifacts = Path(store.get_run(version.run_id).info.artifact_uri.removeprefix("file://")) / "evidence/verdicts"
    for path in artifacts.iterdir():
        path.unlink()
    artifacts.rmdir()
    found, note = load_standing(registry, version, "the champion", wanted, ())
    assert "they cannot be read (The evidence of version 1 has no verdicts)" in note
    assert note.endswith("What it was trained on is not known.")
    assert found.select("d").height == 5 and not found.barred


def test_evidence_that_somebody_changed_in_the_store_is_made_again(champion: Any, wanted: Any, store: Any) -> None:
    registry, version = champion
    root = Path(store.get_run(version.run_id).info.artifact_uri.removeprefix("file://")) / "evidence"
    metrics = load_json(root / "verdicts/metrics.json")
    write_json(root / "verdicts/metrics.json", metrics | {"contents": wanted.contents})
    _, note = load_standing(registry, version, "the champion", wanted, ())
    assert "they cannot be read (The evidence of version 1 is not what was registered)" in note


def test_a_challenger_that_was_asked_otherwise_than_today_is_told_so(champion: Any, wanted: Any) -> None:
    registry, version = champion
    with pytest.raises(InputError, match="the mode was clean, not paper") as caught:
        load_standing(registry, version, "the champion", replace(wanted, mode="paper"), ())
    assert "dvc repro" in caught.value.remedy


def test_an_evaluation_that_fails_stops_the_promotion(champion: Any, wanted: Any, tmp_path: Path) -> None:
    registry, version = champion
    (tmp_path / "d.jsonl").unlink()
    with pytest.raises(InputError, match=r"The champion \(version 1\) could not be evaluated again: exit status 2"):
        load_standing(registry, version, "the champion", wanted, ())


def test_stored_verdicts_of_another_engine_are_taken_and_the_decision_says_so(
    register: Any, model: Path, wanted: Any
) -> None:
    rows = [row for row in build_rows("merged") if row.benchmark == "d"][:5]
    engine = {"name": "vllm", "dtype": "bfloat16"}
    registry, version = register(model, rows, contents=wanted.contents, engine=engine)
    _, note = load_standing(registry, version, "the champion", wanted, ())
    assert note == (
        "The verdicts of the champion (version 1) are those of its stored evidence. They were given by vllm in "
        f"bfloat16, the challenger's by {wanted.engine}, which changes few verdicts."
    )
    _, note = load_standing(registry, version, "the champion", replace(wanted, engine=None), ())
    assert note.endswith("stored evidence.")


def test_stored_verdicts_of_a_judge_of_another_name_are_not_taken(register: Any, model: Path, wanted: Any) -> None:
    registry, version = register(model, build_rows("direct"))
    _, note = load_standing(registry, version, "the champion", wanted, ())
    assert "they are those of direct" in note


def test_an_adapter_is_judged_again_on_the_base_that_is_stored_with_it(
    register: Any, model: Path, template: Any, wanted: Any, tmp_path: Path
) -> None:
    adapter = tmp_path / "direct"
    torch.manual_seed(1)
    lora = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(model), lora).save_pretrained(adapter)
    build_tokenizer().save_pretrained(adapter)
    write_template(template, adapter)
    registry, version = register(adapter, build_rows("direct"), "direct", base=model)
    shutil.rmtree(adapter)
    shutil.rmtree(model)
    found, note = load_standing(registry, version, "the champion", wanted, ())
    assert "d holds other items" in note
    assert set(found.judged["judge"]) == {"direct"}
    assert found.conditions == wanted
