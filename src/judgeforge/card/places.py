"""Where that lies which a card is written from, and what dvc.lock says of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from judgeforge.errors import InputError
from judgeforge.lineage import LOCK_FILE

Lock = Mapping[str, Any]
"""The stages of dvc.lock."""

_MAKERS = ("base", "warm_up", "train", "merge")


class Places(BaseModel):
    """The files of one judge. What is not there is said in the card to be not measured, or not recorded.

    Args:
        judge: its name in ``metrics``.
        model: the folder of its weights; this one has to be there.
        metrics: reports/metrics.json, of all judges.
        verdicts: the folder of its evaluation.
        base: the base model's folder, where ``model`` is an adapter on it.
        decision: reports/decision.json; None: the gate was not asked yet.
        params: params.yaml; it has to be there, too.
        lock: dvc.lock, which tells the other files, and the values that they were made with.
    """

    model_config = ConfigDict(frozen=True)

    judge: str
    model: Path
    metrics: Path
    verdicts: Path
    base: Path | None = None
    decision: Path | None = None
    params: Path = Path("params.yaml")
    lock: Path = LOCK_FILE

    def require(self) -> None:
        """Check that there is a judge at all.

        Raises:
            InputError: there is not.
        """
        if not self.model.is_dir():
            raise InputError(f"There is no judge in {self.model}.", "name a judge's folder, such as models/merged.")


class Step(NamedTuple):
    """A stage that made a model on the way to the judge.

    Args:
        stage: as dvc.lock names it, such as ``train@direct``.
        folder: the model's.
        sources: the folders of the models that it was made of.
        curve: of a training, where it is recorded.
    """

    stage: str
    folder: Path
    sources: tuple[Path, ...] = ()
    curve: Path | None = None


def find_file(lock: Lock, stage: str, suffix: str) -> Path | None:
    """Return the stage's output of that ending, if the stage has run."""
    found = [Path(out["path"]) for out in lock.get(stage, {}).get("outs", [])]
    return next((path for path in found if path.suffix == suffix), None)


def find_recorded(lock: Lock, stage: str, section: str) -> Any | None:
    """Return the section of params.yaml that a stage ran with; None where it has not run."""
    return lock.get(stage, {}).get("params", {}).get("params.yaml", {}).get(section)


def list_steps(lock: Lock, model: Path) -> tuple[Step, ...]:
    """List the stages that made ``model``, those first that came first; none where dvc.lock knows no such folder."""
    makers = {
        Path(out["path"]): stage
        for stage, entry in lock.items()
        if stage.partition("@")[0] in _MAKERS
        for out in entry.get("outs", [])
        if not Path(out["path"]).suffix
    }
    found: dict[Path, Step] = {}

    def walk(folder: Path) -> None:
        if folder in found or folder not in makers:
            return
        stage = makers[folder]
        deps = [Path(dep["path"]) for dep in lock[stage].get("deps", [])]
        sources = tuple(path for path in deps if path in makers)
        for source in sources:
            walk(source)
        found[folder] = Step(stage, folder, sources, find_file(lock, stage, ".jsonl"))

    walk(model)
    return tuple(found.values())
