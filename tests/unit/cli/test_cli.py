"""The command line as a person meets it: one line for a fault, its exit code, and verdicts that can be read."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from judgeforge import __version__
from judgeforge.cli import build_app, main
from judgeforge.engines.protocol import Completion, Conversation
from judgeforge.grading.templates import load_template, write_template

ROOT = Path(__file__).resolve().parents[3]
RUBRIC = {"criteria": "Is it right?", "levels": ["1", "2", "3", "4", "5"]}


def call(arguments: list[str]) -> tuple[int, str, str]:
    """Run the command line as a process does, and return exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "judgeforge.cli", *arguments], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_version() -> None:
    assert CliRunner().invoke(build_app(["--version"]), ["--version"]).output == f"judgeforge {__version__}\n"


def test_a_fault_is_one_line_with_its_remedy_and_exit_code(tmp_path: Path) -> None:
    code, out, err = call(["grade", "--input", str(tmp_path / "absent.jsonl")])
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("error: Cannot read ")
    assert "Remedy: " in err


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    code, _, err = call(["--debug", "grade", "--input", str(tmp_path / "absent.jsonl")])
    assert code == 1
    assert "Traceback" in err
    assert "judgeforge.errors.InputError" in err


def test_an_unknown_command_is_a_usage_error() -> None:
    code, _, err = call(["judge"])
    assert code == 2
    assert "No such command 'judge'" in err


def test_recipe_tells_what_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    arguments = ["recipe", "demo"]
    assert CliRunner().invoke(build_app(arguments), arguments).exit_code == 0
    arguments = ["recipe", "demo", "--set", "merge.alpha=0.25"]
    shown = CliRunner().invoke(build_app(arguments), arguments)
    assert "1 changed" in shown.output
    assert "merge.alpha" in shown.output
    assert yaml.safe_load((tmp_path / "params.yaml").read_text())["merge"]["alpha"] == 0.25
    assert "nothing changed" in CliRunner().invoke(build_app(arguments), arguments).output


def test_retrain_elsewhere_than_in_the_root_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["judgeforge", "retrain"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2


class Engine:
    """A judge that says the same of everything, last item first, and remembers how it was set."""

    def __init__(self, model: Path, **settings: Any) -> None:
        Engine.settings = {"model": model, **settings}

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        for index in reversed(range(len(conversations))):
            text = f"No. {index}. [RESULT] {'4' if conversations[index].format == 'direct' else 'maybe'}"
            yield index, Completion(text=text, prompt_tokens=9, output_tokens=5, finish="end")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml, a rubric, and a judge's folder; the engine is the one above."""
    monkeypatch.chdir(tmp_path)
    # In the place of the real module, whose imports take seconds.
    module = SimpleNamespace(TransformersEngine=Engine)
    monkeypatch.setitem(sys.modules, "judgeforge.engines.transformers", module)  # type: ignore[arg-type]
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "rubric.json").write_text(json.dumps(RUBRIC))
    (tmp_path / "judge").mkdir()
    write_template(load_template("judgeforge-1"), tmp_path / "judge")
    return tmp_path


def grade(*arguments: str) -> Any:
    words = ["grade", "--rubric", "rubric.json", *arguments]
    return CliRunner().invoke(build_app(words), words)


def test_another_scale_takes_a_judge_of_every_scale(workplace: Path) -> None:
    words = ["grade", "--criteria", "Right?", "--level", "no", "--level", "yes", "--lowest", "4", "--model", "judge"]
    words += ["--instruction", "Add.", "--response", "5"]
    refused = CliRunner().invoke(build_app(words), words)
    assert "judgeforge-1 shows rubrics with scores from 1 to 5" in str(refused.exception)
    write_template(load_template("judgeforge-2"), workplace / "judge")
    assert "score 4 (4 to 5)" in CliRunner().invoke(build_app(words), words).stdout


def test_one_item_is_graded_with_the_settings_of_its_evaluation(workplace: Path) -> None:
    shown = grade("--model", "judge", "--instruction", "Add.", "--response", "5")
    assert shown.exit_code == 0
    assert "score 4 of 5" in shown.stdout
    assert "No. 0." in shown.stdout
    evaluate = yaml.safe_load((workplace / "params.yaml").read_text())["evaluate"]
    assert Engine.settings["generation"].max_new_tokens == evaluate["max_new_tokens"]
    assert Engine.settings["model"] == Path("judge")


def test_a_verdict_that_cannot_be_parsed_is_said_and_not_guessed(workplace: Path) -> None:
    pair = ("--model", "judge", "--instruction", "Add.", "--response", "5", "--response-b", "6")
    assert "no verdict could be parsed" in grade(*pair).stdout
    row = json.loads(grade(*pair, "--json").stdout)
    assert (row["choice"], row["raw_text"]) == (None, "No. 0. [RESULT] maybe")


def test_a_file_is_graded_in_its_own_order(workplace: Path) -> None:
    rows = [{"item_id": name, "instruction": "Add.", "response": name} for name in "xyz"]
    (workplace / "items.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    shown = grade("--model", "judge", "--input", "items.jsonl", "--output", "verdicts.jsonl")
    assert shown.exit_code == 0
    written = [json.loads(line) for line in (workplace / "verdicts.jsonl").read_text().splitlines()]
    assert [(row["item_id"], row["feedback"], row["score"]) for row in written] == [
        ("x", "No. 0.", 4),
        ("y", "No. 1.", 4),
        ("z", "No. 2.", 4),
    ]


def test_without_a_model_the_champion_grades(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(version: str) -> tuple[Path, None]:
        asked.append(version)
        return workplace / "judge", None

    monkeypatch.setattr("judgeforge.serve.champion.find_champion", lambda: "the champion")
    monkeypatch.setattr("judgeforge.promote.fetching.fetch_version", fetch)
    assert grade("--instruction", "Add.", "--response", "5").exit_code == 0
    assert asked == ["the champion"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nosuch", "--instruction", "Add.", "--response", "5"], "There is no judge in nosuch"),
        (["--model", "judge", "--instruction", "Add."], "response is missing"),
        (["--model", "judge", "--input", "items.jsonl", "--instruction", "Add."], "--input and an item's own options"),
        (["--model", "judge", "--output", "x.jsonl"], "--output without --input"),
        (["--model", "judge", "--input", "items.jsonl", "--output", "judge"], "judge is no file"),
        (["--model", "judge", "--input", "items.jsonl", "--output", "/dev/null"], "/dev/null is no file"),
        (["--model", "judge", "--input", "items.jsonl", "--output", "rubric.json/x"], "x cannot be written"),
    ],
)
def test_what_cannot_be_graded_is_named(arguments: list[str], message: str, workplace: Path) -> None:
    assert message in str(grade(*arguments).exception)
    assert not (workplace / "x.jsonl").exists()
