"""What speaks for a judge: its weights, the metrics, the report and its verdicts, as the stages left them."""

import hashlib
import itertools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ConfigDict

from judgeforge.card.places import Places
from judgeforge.errors import InputError
from judgeforge.files import hash_file, load_json
from judgeforge.lineage import LOCK_FILE, find_out, load_lock
from judgeforge.params import Judge, Reference

_PRODUCER = {"base": "base", "form": "warm_up@form", "merged": "merge"}
"""The stage that makes a judge; ``train@JUDGE`` makes the others."""
_UNTAUGHT = ("base", "form")
_KEPT_OPTIONS = ("--template", "--benchmarks", "--audit")


class Evidence(BaseModel):
    """Where everything about one judge lies.

    Args:
        judge: its name in ``metrics``.
        model: the folder of its weights.
        base: the base model's folder, where ``model`` is an adapter on it; otherwise None.
        metrics: reports/metrics.json.
        page: reports/report.html.
        verdicts: the folder of its evaluation: its verdict table, and the metrics computed from it.
        rivals: evaluations of the untaught models and of the trivial judges, by name.
        papers: what else is kept: parameters, dvc.lock, the merge's record.
        options: with which the stage evaluated it, but for what names the judge and its files.
    """

    model_config = ConfigDict(frozen=True)

    judge: Judge
    model: Path
    base: Path | None
    metrics: Path
    page: Path
    verdicts: Path
    rivals: Mapping[str, Path] = {}
    papers: tuple[Path, ...] = ()
    options: tuple[str, ...] = ()

    def find_card_places(self, decision: Path | None = None) -> Places:
        """Return the files that the judge's model card is written from.

        Args:
            decision: the gate's; None: there is none yet.
        """
        return Places(
            judge=self.judge,
            model=self.model,
            base=self.base,
            metrics=self.metrics,
            verdicts=self.verdicts,
            decision=decision,
        )

    def require(self) -> None:
        """Check that everything is there.

        Raises:
            InputError: something is not; it is named.
        """
        places = [self.model, self.metrics, self.page, self.verdicts] + ([self.base] if self.base else [])
        for place in places:
            if not place.exists():
                raise InputError(f"There is no {place}.", "run 'judgeforge retrain' or 'dvc repro' first.")


def collect_evidence(
    judge: Judge,
    model: Path | None = None,
    base: Path | None = None,
    metrics: Path | None = None,
    page: Path | None = None,
    evaluation: Path | None = None,
) -> Evidence:
    """Gather the evidence for ``judge``; what is not named is where dvc.lock says the stages put it.

    Args:
        judge: whose evidence.
        model: the folder of its weights.
        base: the base model of an adapter.
        metrics: of all judges.
        page: the report.
        evaluation: the folder that holds one folder of verdicts for each judge.

    Raises:
        InputError: the stages have not run, or something is not there.
    """
    model = model or _find_model(judge)
    if base is None and (model / "adapter_config.json").is_file():
        base = Path(load_json(model / "adapter_config.json")["base_model_name_or_path"])
    evidence = Evidence(
        judge=judge,
        model=model,
        base=base,
        metrics=metrics or find_out("report", ".json"),
        page=page or find_out("report", ".html"),
        verdicts=evaluation / judge if evaluation else find_out(f"evaluate@{judge}", ""),
        rivals=_find_rivals(judge, evaluation),
        papers=tuple(path for path in (Path("params.yaml"), LOCK_FILE, model / "merge.json") if path.is_file()),
        options=_find_options(judge),
    )
    evidence.require()
    return evidence


def _find_model(judge: str) -> Path:
    """Take the output of the judge's own stage that its evaluation reads: a training leaves a curve, too."""
    lock = load_lock()
    producer = _PRODUCER.get(judge, f"train@{judge}")
    outs = {out["path"] for out in lock.get(producer, {}).get("outs", [])}
    read = [dep["path"] for dep in lock.get(f"evaluate@{judge}", {}).get("deps", []) if dep["path"] in outs]
    if not read:
        raise InputError(
            f"dvc.lock names no evaluated judge {judge!r}.", "run 'judgeforge retrain' or 'dvc repro' first."
        )
    return Path(read[0])


def _find_rivals(judge: Judge, evaluation: Path | None) -> dict[str, Path]:
    """Take those evaluations that are there; the report says which of them are up to date."""
    stages = {name: f"evaluate@{name}" for name in _UNTAUGHT} | {
        name: f"reference@{name}" for name in get_args(Reference)
    }
    places = (
        {name: evaluation / name for name in stages}
        if evaluation
        else {name: find_out(stage, "") for name, stage in stages.items() if stage in load_lock()}
    )
    return {name: place for name, place in places.items() if name != judge and place.is_dir()}


def _find_options(judge: str) -> tuple[str, ...]:
    """Take them from the command in dvc.lock: the champion, if need be, is evaluated likewise."""
    words = shlex.split(str(load_lock().get(f"evaluate@{judge}", {}).get("cmd", "")))
    pairs = [(name, value) for name, value in itertools.pairwise(words) if name in _KEPT_OPTIONS]
    return tuple(word for pair in pairs for word in pair)


def compute_digest(*places: Path | None) -> str:
    """Return the SHA-256 over the names and contents of files, and of the files in folders, whatever their dates."""
    whole = hashlib.sha256()
    for place in places:
        if place is None:
            continue
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        for path in files:
            name = path.relative_to(place) if place.is_dir() else Path(path.name)
            whole.update(f"{name}\0{hash_file(path)}\n".encode())
    return whole.hexdigest()
