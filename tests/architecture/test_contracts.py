"""The import contracts of pyproject.toml, and the command line against its documentation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from judgeforge.cli import COMMANDS, build_app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]


def test_import_contracts_are_kept() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert any(re.search(rf"judgeforge {name}\b", path.read_text()) for path in DOCUMENTS)


def test_no_document_names_a_command_that_is_not_there() -> None:
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    code = blocks + re.findall(r"`([^`\n]+)`", text)
    named = {name for part in code for name in re.findall(r"^judgeforge ([a-z]+)", part, flags=re.MULTILINE)}
    assert {"retrain", "grade"} <= named <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_an_example(name: str) -> None:
    shown = CliRunner().invoke(build_app([name, "--help"]), [name, "--help"])
    assert shown.exit_code == 0
    assert "Example: " in shown.output


def test_every_make_target_of_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    texts = [path.read_text() for path in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]]
    named = {name for text in texts for name in re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE)}
    assert {"demo", "test"} <= named <= targets
