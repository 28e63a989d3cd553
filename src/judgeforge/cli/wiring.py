"""What a stage's options are when nobody gives them: those of its command in dvc.yaml, where alone paths stand."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from judgeforge.files import read_text

_PLACE = re.compile(r"\$\{([\w.]+)\}")


def load_stage_defaults(stage: str, arguments: list[str], root: Path = Path()) -> dict[str, str]:
    """Read the options of ``python -m judgeforge.STAGE`` from dvc.yaml.

    Where the stage is a matrix, the value given on the command line (``--format direct``) chooses the cell.

    Args:
        stage: the stage's package.
        arguments: the command line so far.
        root: the repository; without dvc.yaml or params.yaml there, there are no defaults.
    """
    if not ((root / "dvc.yaml").is_file() and (root / "params.yaml").is_file()):
        return {}
    try:
        stages = yaml.safe_load(read_text(root / "dvc.yaml"))["stages"]
        params = yaml.safe_load(read_text(root / "params.yaml"))
    except (yaml.YAMLError, KeyError, TypeError):
        return {}  # the stage itself says what is wrong with params.yaml; dvc says it of dvc.yaml
    given = _read_options(arguments)
    for entry in stages.values():
        words = shlex.split(entry["cmd"])
        if words[:3] == ["python", "-m", f"judgeforge.{stage}"]:
            chosen = {axis: given.get(axis) for axis in entry.get("matrix", {})}
            if all(value in _list_values(entry["matrix"][axis], params) for axis, value in chosen.items()):
                options = _read_options(words[3:])
                return {name: _fill(value, chosen, params) for name, value in options.items()}
    return {}


def _read_options(words: list[str]) -> dict[str, str]:
    """Read ``--some-name value`` and ``--some-name=value`` as {some_name: value}."""
    options = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            options[name.replace("-", "_")] = value if equals else following
    return options


def _list_values(source: Any, params: dict[str, Any]) -> list[str]:
    """List the values of a matrix axis: a list, or ``${section.key}`` of params.yaml."""
    value = source if isinstance(source, list) else _look_up(source.removeprefix("${").removesuffix("}"), params)
    return value if isinstance(value, list) else []


def _look_up(dotted: str, params: dict[str, Any]) -> Any:
    value: Any = params
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _fill(value: str, chosen: dict[str, str | None], params: dict[str, Any]) -> str:
    item = {f"item.{axis}": choice for axis, choice in chosen.items()}
    return _PLACE.sub(lambda found: str(item.get(found[1]) or _look_up(found[1], params) or found[0]), value)
