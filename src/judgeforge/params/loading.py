"""Reading params.yaml: the whole of it, or one section, each fault named by its key."""

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from judgeforge.errors import InputError
from judgeforge.files import read_text
from judgeforge.params.evaluation import AuditParams, EvaluateParams
from judgeforge.params.promotion import PromoteParams
from judgeforge.params.running import RunnerParams
from judgeforge.params.section import Section
from judgeforge.params.sections import (
    BaseParams,
    MatrixParams,
    MergeParams,
    PrepareParams,
    SearchParams,
)
from judgeforge.params.training import TrainParams


class Params(Section):
    """The whole of params.yaml."""

    matrix: MatrixParams
    base: BaseParams
    prepare: PrepareParams
    train: TrainParams
    search: SearchParams
    merge: MergeParams
    audit: AuditParams
    evaluate: EvaluateParams
    promote: PromoteParams
    runner: RunnerParams


SectionType = TypeVar("SectionType", bound=BaseModel)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Load and check the whole file.

    Raises:
        InputError: see ``load_section``.
    """
    return check_params(_read(path), str(path))


def check_params(document: object, place: str) -> Params:
    """Check a whole document, wherever it comes from.

    Args:
        document: what params.yaml holds.
        place: how a fault names its origin.

    Raises:
        InputError: a missing, unknown or ill-typed key.
    """
    return _validate(Params, document, place)


def load_section(name: str, kind: type[SectionType], path: Path = Path("params.yaml")) -> SectionType:
    """Load one section of params.yaml.

    Args:
        name: the section's key.
        kind: its type above.
        path: the file.

    Raises:
        InputError: missing file or section, YAML that does not parse, a missing, unknown or ill-typed key.
    """
    document = _read(path)
    if name not in document:
        raise InputError(f"{path} has no section {name!r}.", "write a whole one with 'judgeforge recipe demo'.")
    return _validate(kind, document[name], f"{path}: {name}")


def _read(path: Path) -> dict[str, object]:
    try:
        document = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}.", "correct it.") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} holds no mapping.", "write a new one with 'judgeforge recipe demo'.")
    return document


def _validate(kind: type[SectionType], value: object, place: str) -> SectionType:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            key = ".".join(str(part) for part in fault["loc"]) or "(section)"
            message = {"missing": "is missing", "extra_forbidden": "is unknown"}.get(fault["type"], fault["msg"])
            faults.append(f"{key} {message}")
        raise InputError(f"{place}: {'; '.join(faults)}.", "see the docstrings of judgeforge.params.") from error
