"""``judgeforge report --judges``: a page of any evaluations, with params.yaml and the pipeline's report left alone."""

import shutil
from pathlib import Path

import pytest
from small_evaluation import write_inputs
from typer.testing import CliRunner

from judgeforge.cli import build_app
from judgeforge.errors import InputError
from judgeforge.files import load_json

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_inputs(tmp_path)
    shutil.copytree(tmp_path / "evaluation" / "merged", tmp_path / "evaluation" / "gpt-4")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> str:
    done = CliRunner().invoke(build_app(["report"]), ["report", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_any_evaluations_make_a_page_of_their_own(project: Path) -> None:
    params = (project / "params.yaml").read_bytes()
    call("--judges", "longer, gpt-4")
    names = {path.name for path in (project / "reports" / "chosen").iterdir()}
    assert names == {"metrics.json", "report.html", "report.csv", "report.md", "report_main.csv"}
    assert set(load_json(project / "reports" / "chosen" / "metrics.json")) == {"gpt-4", "longer", "differences"}
    assert not (project / "reports" / "report.html").exists()
    assert (project / "params.yaml").read_bytes() == params
    call("--judges", "gpt-4", "--out", "elsewhere")
    assert (project / "elsewhere" / "report.html").is_file()


def test_examples_need_the_benchmarks_texts_and_the_page_does_not(project: Path) -> None:
    call("--judges", "gpt-4", "--benchmarks", "benchmarks")
    assert 'id="examples"' in (project / "reports" / "chosen" / "report.html").read_text()
    call("--judges", "gpt-4", "--benchmarks", "benchmarks", "--benchmark", "embedded_pairwise")
    page = (project / "reports" / "chosen" / "report.html").read_text()
    assert "Embedded, pairwise, e-mail: gold" in page and "Embedded, direct, e-mail: gold" not in page
    call("--judges", "gpt-4", "--benchmarks", "nowhere")
    assert 'id="examples"' not in (project / "reports" / "chosen" / "report.html").read_text()


def test_params_without_training_make_a_report(project: Path) -> None:
    text = (project / "params.yaml").read_text()
    for before, after in {
        "warm_ups: [form]": "warm_ups: []",
        "start: form": "start: base",
        "formats: [direct, pairwise]": "formats: []",
        "judges: [base, form, direct, pairwise, merged]": "judges: []",
        "references: [majority, random, longer]": "references: [majority, longer]",
        "guests: []": "guests: [gpt-4]",
    }.items():
        assert before in text
        text = text.replace(before, after)
    (project / "params.yaml").write_text(text)
    call()
    assert (project / "reports" / "report_main.csv").is_file()
    assert "The gpt-4 judge" in (project / "reports" / "report.html").read_text()


def test_a_judge_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(InputError, match=r"nobody.metrics\.json"):
        call("--judges", "nobody")
