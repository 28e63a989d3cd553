"""Loading the judge that a command asks."""

from pathlib import Path
from typing import TYPE_CHECKING

from judgeforge.errors import InputError
from judgeforge.params import EvaluateParams

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

    folder, base = find_judge(model, base)
    template = load_template(folder)
    return build_engine(params, folder, base, template), template


def find_judge(model: Path | None, base: Path | None) -> tuple[Path, Path | None]:
    """Return the folder of a judge, and that of the base if it is an adapter that does not name it.

    Args:
        model: see ``load_judge``, as the next.
        base: likewise; None: the one that the champion brings.

    Raises:
        InputError: there is no judge.
    """
    if model is None:
        from judgeforge.promote.fetching import fetch_version  # noqa: PLC0415 - mlflow takes seconds
        from judgeforge.serve.champion import find_champion  # noqa: PLC0415

        model, own_base = fetch_version(find_champion())
        base = base or own_base
    if not model.is_dir():
        raise InputError(f"There is no judge in {model}.", "name a judge's folder, such as models/merged.")
    return model, base
