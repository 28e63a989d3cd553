"""Verdict files of judges that never ran here, through the real program: the document's own example first."""

import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from judgeforge.benchmarks import load_benchmark
from judgeforge.errors import InputError
from judgeforge.evaluate.recorded import answer_from_file
from judgeforge.grading.templates import load_template

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "docs"


def read_block(document: str, after: str) -> str:
    text = (DOCUMENTS / document).read_text("utf-8")
    return re.search(rf"{re.escape(after)}.*?```\w+\n(.*?)```", text, re.DOTALL)[1]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with params.yaml and the benchmark of docs/benchmarks.md."""
    for name in ("support.yaml", "support.jsonl"):
        (tmp_path / name).write_text(read_block("benchmarks.md", f"`{name}`:"))
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    params["evaluate"] |= {"benchmarks": ["support.yaml"], "bootstrap_resamples": 50}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def call(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "judgeforge.cli", *arguments]
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db", "PATH": "/usr/bin:/bin", "HOME": str(place)}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def evaluate(place: Path, rows: list[dict] | str) -> subprocess.CompletedProcess[str]:
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    (place / "theirs.jsonl").write_text(text)
    return call(place, "evaluate", "--judge", "theirs", "--recorded", "theirs.jsonl")


def read_metrics(place: Path, judge: str = "theirs") -> dict:
    return json.loads((place / "evaluation" / judge / "metrics.json").read_text())["benchmarks"]["support"]


def answer(number: int, **more) -> dict:
    return {"benchmark": "support", "item_id": f"support-{number}"} | more


def test_the_documents_example_is_scored_as_it_stands(place):
    done = evaluate(place, read_block("recorded-verdicts.md", "one answer a line:"))
    assert done.returncode == 0, done.stderr
    entry = read_metrics(place)
    assert (entry["items"], entry["ties"], entry["unparsable_rate"]) == (3, 1, 0)
    assert entry["metrics"]["accuracy"]["value"] == 1.0
    assert entry["metrics"]["swap_consistency"]["value"] is None, "one order says nothing of the other"
    assert "accuracy" in done.stderr and "1.000" in done.stderr


def test_questions_answered_elsewhere_come_back_with_their_fingerprints(place):
    assert call(place, "questions", "questions.jsonl").returncode == 0
    rows = [json.loads(line) for line in (place / "questions.jsonl").read_text().splitlines()]
    assert len(rows) == 3 * 2 and "gold" not in json.dumps(rows)
    done = evaluate(place, [row | {"text": "Good. [RESULT] A"} for row in rows])
    assert done.returncode == 0, done.stderr
    metrics = read_metrics(place)["metrics"]
    assert metrics["position_bias"]["value"] == 0.5 and metrics["swap_consistency"]["value"] == 0.0
    other = [row | {"text": "Good. [RESULT] A", "messages": []} for row in rows]
    other[2]["question"] = "0" * 64
    refused = evaluate(place, other)
    assert refused.returncode == 2 and "given to another question" in refused.stderr


def test_the_documents_commands_work_beside_params_of_other_benchmarks(place):
    """A stranger's first try: params.yaml is the demo's, and nothing was ever prepared or trained."""
    params = yaml.safe_load((place / "params.yaml").read_text())
    params["evaluate"]["benchmarks"] = ["embedded_direct"]
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    (place / "theirs.jsonl").write_text(read_block("recorded-verdicts.md", "one answer a line:"))
    commands = re.findall(r"^judgeforge (.*)$", (DOCUMENTS / "recorded-verdicts.md").read_text("utf-8"), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        done = call(place, *command.split())
        assert done.returncode == 0, done.stderr
    assert "judgeforge evaluate --judge NAME --recorded questions.jsonl --benchmark support.yaml" in " ".join(
        done.stderr.split()
    )
    assert read_metrics(place)["items"] == 3
    refused = call(place, "evaluate", "--judge", "theirs", "--recorded", "theirs.jsonl")
    assert refused.returncode == 2 and "names benchmarks that are not known: 'support' (3 rows)" in refused.stderr


@pytest.mark.parametrize(
    ("name", "words"), [("../evil", "cannot be called"), ("merged", "the pipeline makes"), ("longer", "pipeline")]
)
def test_a_name_that_is_no_folder_or_taken_is_refused(place, name, words):
    (place / "theirs.jsonl").write_text(json.dumps(answer(1, choice="A")))
    done = call(place, "evaluate", "--judge", name, "--recorded", "theirs.jsonl")
    assert done.returncode == 2 and words in done.stderr


def test_a_judge_that_is_right_leans_to_neither_side_in_one_order(place):
    rows = [answer(1, choice="A"), answer(2, choice="B"), answer(3, choice="tie")]
    assert evaluate(place, rows).returncode == 0
    assert read_metrics(place)["metrics"]["position_bias"]["value"] == 0
    assert evaluate(place, [answer(n, choice="A") for n in (1, 2, 3)]).returncode == 0
    assert read_metrics(place)["metrics"]["position_bias"]["value"] == pytest.approx(1 - (1 + 0 + 0.5) / 3)


def test_ties_scores_and_samples_count_as_said(place):
    rows = [answer(1, choice="tie"), answer(2, choice="B"), answer(3, choice="tie")]
    assert evaluate(place, rows).returncode == 0
    metrics = read_metrics(place)["metrics"]
    assert metrics["accuracy_with_ties"]["value"] == pytest.approx(2 / 3)
    assert metrics["accuracy"]["value"] == pytest.approx(3 / 4), "a tie is half right"
    verdicts = pl.read_parquet(place / "evaluation" / "theirs" / "verdicts.parquet")
    assert verdicts["choice"].to_list() == ["tie", "B", "tie"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([answer(1, choice="A")], "has no answer to item 'support-2'"),
        ([answer(n, choice="A") for n in (1, 2, 3, 3)], "answers item 'support-3' of support twice"),
        ([answer(n, choice="A") for n in (1, 2, 3, 4)], "'support-4' (given) that support does not have"),
        ([answer(1, choice="C")], "Row 1 of theirs.jsonl: choice"),
        ([answer(1, score="nan")], "score"),
        ([answer(1, score=9)], "score"),
        ([answer(1)], "give one of text, score and choice"),
        ([answer(1, score=3), answer(2, score=3), answer(3, score=3)], "is no pairwise verdict"),
        ([answer(1, choice="A", judge="mine")], "of the judge 'mine', not 'theirs'"),
        ([answer(1, choice="A", template="0" * 64)], "another judge template"),
        ([answer(1, choice="A") | {"benchmark": "other"}], "names other"),
        ("", "holds no answers"),
        ('{"benchmark": "supp', "not valid JSON"),
    ],
)
def test_a_file_that_cannot_be_scored_is_refused_by_name(place, monkeypatch, rows, words):
    monkeypatch.chdir(place)
    text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
    Path("theirs.jsonl").write_text(text)
    benchmarks = [load_benchmark("support.yaml", Path("unused"), None)]
    with pytest.raises(InputError) as caught:
        answer_from_file(Path("theirs.jsonl"), "theirs", load_template("judgeforge-1"), benchmarks)
    assert words in str(caught.value)


def test_a_refused_file_leaves_no_verdicts_and_no_traceback(place):
    done = evaluate(place, [answer(1, choice="A")])
    assert done.returncode == 2 and done.stderr.startswith("error: theirs.jsonl has no answer to item 'support-2'")
    assert not (place / "evaluation").exists()
