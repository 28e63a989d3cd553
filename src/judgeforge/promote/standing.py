"""The verdicts of a judge that holds or held the title: from its stored evidence, or given anew by stored weights."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.progress import say
from judgeforge.promote.candidate import (
    Candidate,
    Conditions,
    carry_contamination,
    list_disagreements,
    load_candidate,
)
from judgeforge.promote.fetching import fetch_version
from judgeforge.promote.registry import JudgeVersion, Registry

_EVALUATIONS = Path(".judgeforge/standing")
_JOURNALS = Path(".judgeforge/journal")


def load_standing(
    registry: Registry, version: JudgeVersion, name: str, wanted: Conditions, options: Sequence[str]
) -> tuple[Candidate, str]:
    """Return a version's verdicts under the challenger's conditions, and a sentence that says whence they are.

    Args:
        registry: that holds the version.
        version: the judge.
        name: what to call it.
        wanted: the challenger's conditions.
        options: for its evaluation, if it must be judged again.

    Raises:
        InputError: the evaluation failed, or the challenger was itself evaluated under other conditions than today's.
        EnvironmentFault: the registry is not there, or the evaluation gave way.
    """
    title = f"{name} (version {version.number})"
    stored: Candidate | None = None
    with tempfile.TemporaryDirectory() as folder:
        try:
            stored = load_candidate(registry.download_verdicts(version, Path(folder)))
            faults = list_disagreements(stored.conditions, wanted) + _check_name(stored, version)
        except InputError as error:
            faults = [f"they cannot be read ({error.problem.rstrip('.')})"]
    if stored is not None and not faults:
        return stored, f"The verdicts of {title} are those of its stored evidence.{_tell_engines(stored, wanted)}"
    why = "; ".join(faults)
    say(f"{_begin(title)} is evaluated again, since its stored verdicts do not compare: {why}.")
    fresh = carry_contamination(_evaluate_again(version, title, wanted, options), stored)
    trained = "" if stored is not None else " What it was trained on is not known."
    return fresh, f"{_begin(title)} was evaluated again, since its stored verdicts do not compare: {why}.{trained}"


def _check_name(stored: Candidate, version: JudgeVersion) -> list[str]:
    names = sorted(set(stored.judged["judge"]) - {version.judge})
    return [f"they are those of {', '.join(names)}"] if names and version.judge else []


def _tell_engines(stored: Candidate, wanted: Conditions) -> str:
    """Say it where both are known and differ: a reader who holds judges to a small margin may want to know."""
    own, other = stored.conditions.engine, wanted.engine
    if own is None or other is None or own == other:
        return ""
    return f" They were given by {own}, the challenger's by {other}, which changes few verdicts."


def _begin(title: str) -> str:
    """Let a sentence begin with it."""
    return title[0].upper() + title[1:]


def _evaluate_again(version: JudgeVersion, title: str, wanted: Conditions, options: Sequence[str]) -> Candidate:
    digest = hashlib.sha256(json.dumps([version.run_id, asdict(wanted), options], sort_keys=True).encode()).hexdigest()
    name = f"{version.name}-{version.number}-{digest[:12]}"
    out = _EVALUATIONS / name
    if not out.is_dir():
        judge, base = fetch_version(version)
        command = [
            sys.executable,
            "-m",
            "judgeforge.evaluate",
            "--judge",
            version.judge,
            "--model",
            str(judge),
            *options,
        ]
        command += ["--base", str(base)] if base else []
        command += ["--out", str(out), "--journal", str(_JOURNALS / name)]
        _run(command, title)
    found = load_candidate(out)
    if faults := list_disagreements(found.conditions, wanted, template=False):
        raise InputError(
            f"The challenger was evaluated under other conditions than {title} is today: {'; '.join(faults)}.",
            "evaluate the challenger again with 'dvc repro', then promote.",
        )
    return found


def _run(command: Sequence[str], title: str) -> None:
    """Run the evaluation's program; it says itself what is wrong."""
    code = subprocess.run(command, check=False, stdout=sys.stderr).returncode
    if code == 0:
        return
    problem = f"{_begin(title)} could not be evaluated again: exit status {code}."
    if code == InputError.exit_code:
        raise InputError(problem, "do what the line above says.")
    raise EnvironmentFault(problem, "see above, and run again: judging goes on where it stopped.")
