"""``judgeforge card`` as a program: a card from what lies there, and one line where something is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from judgeforge.files import load_json

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "tests/unit/card"


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "judgeforge.cli", "card", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    script = f"import sys; sys.path.insert(0, {str(SMALL)!r}); from small_project import write_project; write_project()"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    (tmp_path / "reports/report.html").write_text("<html>")
    return tmp_path


def test_the_card_of_the_judge_that_params_name(project: Path) -> None:
    done = run(project)
    assert done.returncode == 0, done.stderr
    assert "reports/card/card.md" in done.stdout + done.stderr
    card = (project / "reports/card/card.md").read_text()
    assert card.startswith("---\n") and "# our-judge" in card
    assert "version 3, 2026-01-02T03:04:05+00:00: Promoted: better by 0.1." in card
    assert load_json(project / "reports/card/sbom.cdx.json")["specVersion"] == "1.6"


def test_another_place_and_a_newer_card_in_it(project: Path) -> None:
    assert run(project, "--judge", "merged", "--out", "elsewhere/card").returncode == 0
    (project / "elsewhere/card/card.md").write_text("old")
    assert run(project, "--judge", "merged", "--out", "elsewhere/card").returncode == 0
    assert (project / "elsewhere/card/card.md").read_text() != "old"
    assert [path.name for path in (project / "elsewhere").iterdir()] == ["card"], "nothing is left beside it"


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--judge", "pairwise"], "no evaluated judge 'pairwise'"), (["--model", "nowhere"], "There is no nowhere")],
)
def test_a_judge_that_is_not_there_is_one_line(project: Path, options: list[str], said: str) -> None:
    done = run(project, *options)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert not (project / "reports/card").exists()
