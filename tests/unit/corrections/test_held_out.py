import json
from pathlib import Path

import pytest
import yaml

from judgeforge.corrections.held_out import load_held_out
from judgeforge.corrections.run import update_collection
from judgeforge.errors import InputError
from judgeforge.params import Params, load_params

ROOT = Path(__file__).parents[3]
RUBRIC = {"criteria": "Is it right?", "levels": ["no", "hardly", "half", "nearly", "yes"]}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Work in a folder whose params.yaml names a benchmark of one's own alone."""
    monkeypatch.chdir(tmp_path)
    write_exam("exam", "Name a prime.")
    text = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("[embedded_direct, embedded_pairwise]", "[exam.yaml]"))
    return load_params()


def write_exam(name: str, instruction: str) -> None:
    Path(f"{name}.jsonl").write_text(json.dumps({"instruction": instruction, "response": "7", "gold": 5}) + "\n")
    document = {"name": name, "layout": "direct", "file": f"{name}.jsonl", "rubric": RUBRIC}
    Path(f"{name}.yaml").write_text(yaml.safe_dump(document))


def test_benchmarks_of_evaluation_of_the_overlap_check_and_of_the_call_are_held_out(params: Params) -> None:
    write_exam("clean", "Name a river.")
    write_exam("fresh", "Name a lake.")
    overlap = params.prepare.quality.overlap.model_copy(update={"drop_overlap_with": ("clean.yaml",)})
    quality = params.prepare.quality.model_copy(update={"overlap": overlap})
    prepare = params.prepare.model_copy(update={"quality": quality})
    found = load_held_out(params.evaluate, prepare, ["fresh.yaml"])
    assert found == {"exam": ["Name a prime."], "fresh": ["Name a lake."], "clean": ["Name a river."]}


def test_a_benchmark_that_cannot_be_read_lets_nothing_pass(params: Params) -> None:
    for missing in ("embedded_direct", "nowhere.yaml"):
        evaluate = params.evaluate.model_copy(update={"benchmarks": (missing,)})
        with pytest.raises(InputError):
            load_held_out(evaluate, params.prepare)


def test_the_embedded_benchmarks_are_found_where_prepare_wrote_them(params: Params) -> None:
    item = {"item_id": "1", "prompt_id": "1", "instruction": "Add 1 and 1.", "response": "2", "rubric": RUBRIC}
    place = Path("data/benchmarks")
    place.mkdir(parents=True)
    (place / "embedded_direct.jsonl").write_text(json.dumps({"item": item, "gold": 5.0}) + "\n")
    lock = {"stages": {"prepare": {"outs": [{"path": "data/train"}, {"path": str(place)}]}}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))
    evaluate = params.evaluate.model_copy(update={"benchmarks": ("embedded_direct",)})
    assert load_held_out(evaluate, params.prepare) == {"embedded_direct": ["Add 1 and 1."]}


def test_a_collection_that_prepare_does_not_read_is_told(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    item = {"instruction": "Add 1 and 1.", "response": "3", "rubric": RUBRIC}
    row = {"item": item, "score": 1, "feedback": "It is 2.", "who": "bea", "when": "2026-01-02T03:04:05Z"}
    Path("inbox.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row | {"score": 9}) + "\n")
    update_collection(Path("inbox.jsonl"))
    said = capsys.readouterr().err
    assert "collections/corrections: 1 rows, 1 of them new" in said
    assert "1 rows were refused; .judgeforge/corrections-refused.jsonl says why." in said
    assert "prepare does not read collections/corrections/direct.jsonl yet" in said
    columns = {name: name for name in ("id", "instruction", "response", "reference", "criteria", "levels", "feedback")}
    source = {"name": "corrections", "kind": "file", "path": "collections/corrections", "weight": 1.0}
    document = yaml.safe_load(Path("params.yaml").read_text())
    document["prepare"]["sources"].append(source | {"columns": columns | {"score": "score"}})
    Path("params.yaml").write_text(yaml.safe_dump(document))
    update_collection(Path("inbox.jsonl"))
    assert "does not read" not in capsys.readouterr().err


def test_a_collection_that_a_benchmark_has_emptied_is_told_before_prepare_refuses_it(
    params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    item = {"instruction": "Add 1 and 1.", "response": "3", "rubric": RUBRIC}
    row = {"item": item, "score": 1, "feedback": "It is 2.", "who": "bea", "when": "2026-01-02T03:04:05Z"}
    Path("inbox.jsonl").write_text(json.dumps(row) + "\n")
    write_exam("sums", "Add 1 and 1.")
    update_collection(Path("inbox.jsonl"), held_out=["sums.yaml"])
    assert "does not read" not in capsys.readouterr().err
    update_collection(Path("inbox.jsonl"))
    columns = {name: name for name in ("id", "instruction", "response", "reference", "criteria", "levels", "feedback")}
    source = {"name": "corrections", "kind": "file", "path": "collections/corrections", "weight": 1.0}
    source |= {"columns": columns | {"score": "score"}}
    document = yaml.safe_load(Path("params.yaml").read_text())
    sources = document["prepare"]["sources"]
    for more, told in (({}, True), ({"may_be_empty": True}, False)):
        document["prepare"]["sources"] = [*sources, source | more]
        Path("params.yaml").write_text(yaml.safe_dump(document))
        capsys.readouterr()
        update_collection(Path("inbox.jsonl"), held_out=["sums.yaml"])
        said = capsys.readouterr().err
        assert ("direct.jsonl has no row any more" in said) == told
        assert "1 rows were refused" in said


def test_without_an_inbox_the_remedy_is_named(params: Params) -> None:
    with pytest.raises(InputError, match="There is no nowhere"):
        update_collection(Path("nowhere"))
