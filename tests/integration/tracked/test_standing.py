"""A champion whose stored verdicts do not compare is judged again by its stored weights, by the real program."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from judgeforge.base.miniature import build_miniature
from judgeforge.benchmarks import load_benchmark
from judgeforge.engines.protocol import build_generation
from judgeforge.errors import InputError
from judgeforge.files import write_json, write_json_lines
from judgeforge.grading.templates import write_template
from judgeforge.params import Params
from judgeforge.promote.candidate import Conditions
from judgeforge.promote.evidence import Evidence
from judgeforge.promote.registry import Registry
from judgeforge.promote.standing import load_standing
from judgeforge.verdicts import load_verdicts
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
def champion(project: Params, template: Any, tmp_path: Path) -> Any:
    """Register a judge whose evidence is of other items."""
    model = tmp_path / "merged"
    model.mkdir()
    build_miniature(model, "float32", 1)
    write_template(template, model)
    write_rows(tmp_path / "evaluation", build_rows("merged", seen={"d": range(13)}), project.evaluate)
    write_json(tmp_path / "metrics.json", {"merged": {}})
    (tmp_path / "report.html").write_text("<html>")
    evidence = Evidence(
        judge="merged",
        model=model,
        base=None,
        metrics=tmp_path / "metrics.json",
        page=tmp_path / "report.html",
        verdicts=tmp_path / "evaluation",
    )
    section = project.promote.model_copy(update={"model_name": NAME})
    registry = Registry(NAME)
    return registry, registry.register(evidence, section, project.evaluate)


@pytest.fixture
def wanted(project: Params, template: Any, tmp_path: Path) -> Any:
    """Say what the challenger was asked: the items of today's benchmark."""
    contents = load_benchmark("d.yaml", tmp_path / "none", None).compute_digest()
    generation = build_generation(project.evaluate).model_dump()
    return Conditions({"d": contents}, {"d": 5}, "clean", generation, template.compute_digest())


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
