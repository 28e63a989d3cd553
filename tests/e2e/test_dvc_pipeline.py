"""``dvc repro`` alone: every stage on a miniature model, what a change re-runs, equal seeds and equal figures."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

OUTPUTS = ("data", "models", "curves", "evaluation", "reports", "search")


def find_stages_run(result: subprocess.CompletedProcess[str]) -> set[str]:
    assert result.returncode == 0, result.stderr
    return set(re.findall(r"Running stage '([^']+)'", result.stdout + result.stderr))


@pytest.fixture(scope="module")
def first(project, run) -> set[str]:
    return find_stages_run(run("dvc", "repro", MLFLOW_TRACKING_URI=f"sqlite:///{project}/mlflow.db"))


def test_every_stage_runs_and_writes_its_outputs(first, project):
    evaluated = {"base", "form", "direct", "pairwise", "merged"}
    references = {"majority", "random", "longer"}
    assert first == (
        {"base", "prepare", "audit", "warm_up@form", "train@direct", "train@pairwise", "search", "merge", "report"}
        | {f"evaluate@{judge}" for judge in evaluated}
        | {f"reference@{judge}" for judge in references}
    )
    metrics = json.loads((project / "reports" / "metrics.json").read_text())
    assert evaluated | references <= metrics.keys()
    page = (project / "reports" / "report.html").read_text()
    assert "merged" in page and "<svg" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_nothing_changed_nothing_runs(first, run):
    assert find_stages_run(run("dvc", "repro")) == set()


def test_alpha_re_runs_search_merge_its_evaluation_and_the_report_alone(first, project, run):
    path = project / "params.yaml"
    before = path.read_text()
    path.write_text(before.replace("alpha: 0.5", "alpha: 0.25"))
    assert path.read_text() != before
    changed = find_stages_run(run("dvc", "repro", MLFLOW_TRACKING_URI=f"sqlite:///{project}/mlflow.db"))
    path.write_text(before)
    assert {"search", "merge"} <= changed <= {"search", "merge", "evaluate@merged", "report"}
    assert json.loads((project / "models" / "merged" / "merge.json").read_text())["values"]["alpha"] == 0.25
    run("dvc", "repro", MLFLOW_TRACKING_URI=f"sqlite:///{project}/mlflow.db")


def test_a_search_is_done_before_the_merge_and_shown_in_the_report(first, project, run):
    path = project / "params.yaml"
    before = path.read_text()
    document = yaml.safe_load(before)
    document["search"] |= {"enabled": True, "alphas": [0.0, 1.0], "rows": 2, "only_proven": False}
    path.write_text(yaml.safe_dump(document))
    changed = find_stages_run(run("dvc", "repro", MLFLOW_TRACKING_URI=f"sqlite:///{project}/mlflow.db"))
    path.write_text(before)
    assert {"search", "merge", "report"} <= changed
    choice = json.loads((project / "search" / "choice.json").read_text())
    merged = json.loads((project / "models" / "merged" / "merge.json").read_text())
    assert choice["searched"] and merged["values"] | choice["values"] == merged["values"]
    page = (project / "reports" / "report.html").read_text()
    assert "Merges that were tried" in page and "linear, alpha 0" in page
    run("dvc", "repro", MLFLOW_TRACKING_URI=f"sqlite:///{project}/mlflow.db")
    assert "Merges that were tried" not in (project / "reports" / "report.html").read_text()


def test_from_scratch_again_gives_the_same_verdicts_and_metrics(first, project, run):
    def collect() -> dict[str, bytes]:
        paths = [*project.glob("evaluation/*/metrics.json"), project / "reports" / "metrics.json"]
        return {str(path.relative_to(project)): path.read_bytes() for path in paths}

    before = collect()
    for name in OUTPUTS:
        shutil.rmtree(project / name)
    shutil.rmtree(project / ".judgeforge", ignore_errors=True)
    result = run("dvc", "repro", "--force", "--no-run-cache", MLFLOW_TRACKING_URI=f"sqlite:///{project}/mlflow.db")
    assert len(find_stages_run(result)) == 17
    assert collect() == before


def test_a_failing_stage_says_why_in_one_line_and_stops_the_rest(first, project: Path, run):
    path = project / "params.yaml"
    before = path.read_text()
    path.write_text(before.replace("rank: ", "rnak: "))
    result = run("dvc", "repro", "train@direct")
    path.write_text(before)
    assert result.returncode != 0
    assert "lora.rnak is unknown" in result.stderr + result.stdout
    assert "Traceback" not in result.stderr
