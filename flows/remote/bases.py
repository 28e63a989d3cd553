"""What a stage reads beside its dependencies: the models that adapters are for, which they name themselves.

dvc.yaml does not list them (a judge would wait for models that it has nothing to do with), so they travel by name.
"""

from collections.abc import Iterable
from pathlib import Path

from judgeforge.engines.folders import ADAPTER_FILE
from judgeforge.errors import InputError
from judgeforge.files import load_json


def find_bases(folders: Iterable[str]) -> tuple[str, ...]:
    """Return the models here that adapters among ``folders`` are for, and those that they are for in turn.

    Args:
        folders: outputs of stages, relative to the project; what is no adapter needs nothing.

    Raises:
        InputError: an adapter does not say what it is for.
    """
    found: dict[str, None] = {}
    waiting = list(folders)
    while waiting:
        settings = Path(waiting.pop()) / ADAPTER_FILE
        if not settings.is_file():
            continue
        base = load_json(settings).get("base_model_name_or_path")
        if not base:
            raise InputError(f"{settings} names no base.", "train the adapter again.")
        if Path(base).is_dir() and base not in found:  # else the Hub's, which every machine can ask
            found[base] = None
            waiting.append(base)
    return tuple(sorted(found))
