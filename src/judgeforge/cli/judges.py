"""Loading the judge that a command asks."""

from pathlib import Path
from typing import TYPE_CHECKING

from judgeforge.errors import InputError
from judgeforge.params import EvaluateParams, PromoteParams, load_section

if TYPE_CHECKING:
    from judgeforge.engines.protocol import Engine
    from judgeforge.grading.templates import JudgeTemplate


def load_judge(model: Path | None, base: Path | None, params: EvaluateParams) -> "tuple[Engine, JudgeTemplate]":
    """Load a judge and its template.

    Args:
        model: its folder; None: the champion's of the registry.
        base: the base model of an adapter that was moved.
        params: how to decode.

    Raises:
        InputError: there is no judge.
    """
    from judgeforge.engines.building import build_engine  # noqa: PLC0415 - torch takes seconds
    from judgeforge.grading.templates import load_template  # noqa: PLC0415

    folder = find_judge(model)
    template = load_template(folder)
    return build_engine(params, folder, base, template), template


def find_judge(model: Path | None) -> Path:
    """Return the folder of a judge.

    Args:
        model: see ``load_judge``.

    Raises:
        InputError: there is no judge.
    """
    folder = model or _fetch_champion()
    if not folder.is_dir():
        raise InputError(f"There is no judge in {folder}.", "name a judge's folder, such as models/merged.")
    return folder


def _fetch_champion() -> Path:
    params = load_section("promote", PromoteParams)
    from judgeforge.promote.fetching import fetch_judge  # noqa: PLC0415 - mlflow takes seconds

    folder: Path = fetch_judge(params.model_name, "champion")
    return folder
