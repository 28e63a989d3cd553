"""Recipes: overlays in conf/ that Hydra composes into params.yaml, the only file that stages read.

Hydra composes and is done: DVC's own Hydra mode acts in ``dvc exp run`` alone (docs/decisions/0004).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from judgeforge.errors import InputError
from judgeforge.files import read_text, write_text
from judgeforge.params import check_params

HEADER = "# Values of every stage; what they mean: src/judgeforge/params. Written by: {command}\n"


def compose_recipe(names: Sequence[str], settings: Sequence[str], conf: Path = Path("conf")) -> dict[str, Any]:
    """Compose ``conf/config.yaml`` with overlays and single values, and check the result.

    Args:
        names: overlays in ``conf/recipe``, later ones over earlier ones.
        settings: KEY=VALUE, over all of them.
        conf: the folder of recipes.

    Raises:
        InputError: no such recipe or key, or values that make no sense together.
    """
    known = sorted(path.stem for path in (conf / "recipe").glob("*.yaml"))
    if not known:
        raise InputError(f"There are no recipes in {conf}.", "run this in the repository's root.")
    for name in names:
        if name not in known:
            raise InputError(f"There is no recipe {name!r}.", f"choose among {', '.join(known)}.")
    for setting in settings:
        if "=" not in setting:
            raise InputError(f"--set {setting}: no value.", "write KEY=VALUE, for example --set train.epochs=2.")
    document = _compose(conf, [f"+recipe=[{','.join(names)}]", *settings])
    check_params(document, f"recipe {' '.join(names)}")
    return document


def _compose(conf: Path, overrides: list[str]) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir  # noqa: PLC0415 - one command needs it, and it takes a while
    from hydra.errors import HydraException  # noqa: PLC0415
    from omegaconf import OmegaConf  # noqa: PLC0415
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415

    try:
        with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
            composed = compose(config_name="config", overrides=overrides)
        document: dict[str, Any] = OmegaConf.to_container(composed, resolve=True)  # type: ignore[assignment]
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        raise InputError(f"The recipe cannot be composed: {reason}.", "check the keys against conf/config.yaml.") from (
            error
        )
    return document


def render_params(document: dict[str, Any], command: str) -> str:
    """Render params.yaml: keys in the order of conf/config.yaml, each list on one line."""
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return HEADER.format(command=command) + body


class _Dumper(yaml.SafeDumper):
    """Block style for mappings, flow style for lists."""


_Dumper.add_representer(
    list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)
)


def list_changes(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    """List (key, old value, new value) for every single value that differs; None where a key is absent."""
    changes: list[tuple[str, Any, Any]] = []
    for key in [*new, *(key for key in old if key not in new)]:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) or isinstance(after, dict):
            older, newer = (side if isinstance(side, dict) else {} for side in (before, after))
            changes += list_changes(older, newer, f"{prefix}{key}.")
        elif before != after or (key in old) != (key in new):
            changes.append((f"{prefix}{key}", before, after))
    return changes


def write_recipe(names: Sequence[str], settings: Sequence[str], params: Path) -> list[tuple[str, Any, Any]]:
    """Compose a recipe, write it as params.yaml, and return what changed.

    Args:
        names: see ``compose_recipe``.
        settings: see ``compose_recipe``.
        params: the file to write; left alone where nothing changes.

    Raises:
        InputError: see ``compose_recipe``; the file is as it was.
    """
    document = compose_recipe(names, settings)
    changes = list_changes(_read_present(params), document)
    if changes or not params.exists():
        command = " ".join(["judgeforge recipe", *names, *(f"--set {setting}" for setting in settings)])
        write_text(params, render_params(document, command))
    return changes


def _read_present(params: Path) -> dict[str, Any]:
    """Read the file that is to be replaced; whatever is wrong with it is a reason to replace it."""
    try:
        present = yaml.safe_load(read_text(params))
    except (InputError, yaml.YAMLError):
        return {}
    return present if isinstance(present, dict) else {}
