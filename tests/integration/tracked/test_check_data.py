"""The nightly look for new data on a tiny DVC project: real DVC, Prefect and MLflow."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dvc_calls import list_dvc_calls, watch_dvc

pytestmark = pytest.mark.slow

RUBRIC = {"criteria": "Is it right?", "levels": ["no", "hardly", "half", "nearly", "yes"]}
STAGE = """
import json, sys
from pathlib import Path
rows = sorted(line for path in Path("collections").rglob("*.jsonl") for line in path.read_text().splitlines())
for out in map(Path, sys.argv[1:]):
    out.mkdir(parents=True, exist_ok=True)
Path(sys.argv[1], "rows.jsonl").write_text("\\n".join(row for row in rows if "ignored" not in row))
Path(sys.argv[2], "embedded_direct.jsonl").write_text(Path("exam.jsonl").read_text())
with Path("ran.txt").open("a") as log:
    log.write("prepare\\n")
"""


@pytest.fixture
def nightly(project: Path, store: Any) -> Path:
    """Let the tiny project's data come from an import and from corrections, and count DVC's calls."""
    document = yaml.safe_load((project / "dvc.yaml").read_text())
    document["stages"]["prepare"] = {
        "cmd": "python read_rows.py data/train data/benchmarks",
        "deps": ["collections"],
        "outs": ["data/train", "data/benchmarks"],
    }
    (project / "dvc.yaml").write_text(yaml.safe_dump(document))
    (project / "read_rows.py").write_text(STAGE)
    exam = {"item": {"item_id": "1", "prompt_id": "1", "instruction": "Name a prime.", "response": "7"}, "gold": 5}
    exam["item"]["rubric"] = RUBRIC
    (project / "exam.jsonl").write_text(json.dumps(exam) + "\n")
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("[embedded_direct, embedded_pairwise]", "[embedded_direct]"))
    (project / "collections").mkdir()
    origin = project.parent / f"{project.name}-origin.jsonl"
    origin.write_text('{"row": 1}\n')
    run_dvc("import-url", str(origin), "collections/tickets.jsonl")
    return origin


def run_dvc(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def check_data(*arguments: str, **environment: str) -> str:
    return run_python("-m", "flows.check_data", "--no-promote", *arguments, **environment)


def run_python(*arguments: str, **environment: str) -> str:
    """Return the exit status and what was said."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PREFECT_LOGGING_LEVEL": "INFO"} | environment,
        timeout=400,
    )
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def retrain_before(project: Path) -> None:
    """Leave what a retraining leaves that a night looks at."""
    from flows.data_note import describe_data, note_data

    run_dvc("repro")
    note_data(describe_data())
    list_runs(project)


def list_runs(project: Path) -> list[str]:
    path = project / "ran.txt"
    names = [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def test_a_night_retrains_for_new_rows_and_for_nothing_else(nightly: Path, project: Path) -> None:
    first = check_data()
    assert first.startswith("0"), first
    assert "The training data are new" in first
    assert {"prepare", "train-direct", "merge"} <= set(list_runs(project))

    again = check_data()
    assert again.startswith("0") and "nothing to do" in again, again
    assert list_runs(project) == []

    nightly.write_text('{"row": 1}\n{"row": "ignored"}\n')
    same = check_data()
    assert same.startswith("0") and "nothing to do" in same, same
    assert list_runs(project) == ["prepare"], "new rows that change no training set train no judge"

    params = project / "params.yaml"
    params.write_text(params.read_text().replace("alpha: 0.5", "alpha: 0.6"))
    assert "nothing to do" in check_data(), "changed values wait for the weekly retraining"
    assert list_runs(project) == []

    nightly.write_text('{"row": 1}\n{"row": 2}\n')
    new = check_data()
    assert new.startswith("0"), new
    assert {"prepare", "train-direct", "train-pairwise", "merge"} <= set(list_runs(project))


def test_corrections_become_rows_that_dvc_versions_and_the_next_judge_learns_from(nightly: Path, project: Path) -> None:
    assert check_data().startswith("0")
    list_runs(project)
    item = {"instruction": "Add 1 and 1.", "response": "3", "rubric": RUBRIC}
    row = {"item": item, "score": 1, "feedback": "It is 2.", "who": "bea", "when": "2026-01-02T03:04:05Z"}
    leak = row | {"item": item | {"instruction": "Name a prime."}}
    (project / "inbox").mkdir()
    (project / "inbox" / "a.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (row, leak)))
    said = check_data("--corrections", "inbox")
    assert said.startswith("0") and "Corrections: 1 new, 0 corrected anew, 1 refused." in said, said
    assert (project / "collections" / "corrections.dvc").is_file()
    assert "train-direct" in list_runs(project)
    learnt = (project / "data" / "train" / "rows.jsonl").read_text()
    assert "Add 1 and 1." in learnt and "Name a prime." not in learnt
    again = check_data("--corrections", "inbox")
    assert again.startswith("0") and "nothing to do" in again, again
    assert list_runs(project) == []


IMPATIENT = """
from flows import check_data as module
from judgeforge.stage import run_stage
module.update_import = module.update_import.with_options(retries=0)
run_stage(lambda: module.check_data(promote=False, corrections="inbox"))
"""


def test_an_origin_that_is_away_fails_the_night_at_its_end_and_keeps_nobody_elses_rows_out(
    nightly: Path, project: Path
) -> None:
    away = project.parent / f"{project.name}-away.jsonl"
    away.write_text('{"row": "of the forum"}\n')
    run_dvc("import-url", str(away), "collections/forum.jsonl")
    retrain_before(project)
    away.unlink()
    nightly.write_text('{"row": 1}\n{"row": 2}\n')
    (project / "inbox").mkdir()
    item = {"instruction": "Add 1 and 1.", "response": "3", "rubric": RUBRIC}
    row = {"item": item, "score": 1, "feedback": "It is 2.", "who": "bea", "when": "2026-01-02T03:04:05Z"}
    (project / "inbox" / "a.jsonl").write_text(json.dumps(row) + "\n")
    said = run_python("-c", IMPATIENT)
    assert said.startswith("75\n"), said
    assert "collections/forum.jsonl.dvc cannot be updated" in said and "and the judge: registered." in said
    assert "collections/tickets.jsonl.dvc cannot" not in said
    learnt = (project / "data" / "train" / "rows.jsonl").read_text()
    assert all(each in learnt for each in ('{"row": 2}', "Add 1 and 1.", "of the forum"))
    assert "train-direct" in list_runs(project)

    again = run_python("-c", IMPATIENT)
    assert again.startswith("75\n") and "nothing to do" in again, again
    assert list_runs(project) == []


def test_a_night_without_news_asks_dvc_once_and_once_for_each_import(nightly: Path, project: Path) -> None:
    retrain_before(project)
    site, counting = watch_dvc(project)
    paths = os.pathsep.join([str(site), os.environ["PYTHONPATH"]])
    said = check_data(PYTHONPATH=paths, **counting)
    assert said.startswith("0") and "nothing to do" in said, said
    assert list_dvc_calls(project) == ["update collections/tickets.jsonl.dvc", "status --json"]
    assert list_runs(project) == []


def test_a_night_beside_a_retraining_is_skipped_and_is_no_failure(project: Path, store: Any) -> None:
    from flows import check_data as module
    from flows.workspace import workspace_lock

    with workspace_lock():
        state = module.check_data.fn()
    assert (state.type.value, state.name) == ("COMPLETED", "Skipped")
    assert "at work here" in state.message
    assert list_runs(project) == []
