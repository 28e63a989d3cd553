"""What a search has chosen, over the values of the section ``merge``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.params import MergeParams, SearchParams

_REMEDY = "run 'judgeforge search' again; with search.enabled false it takes a moment."


@dataclass(frozen=True)
class Choice:
    """What is to be merged.

    Args:
        values: the section ``merge`` with what was chosen.
        inputs: digests of the judges and the base that it was chosen for; None: of any.
    """

    values: MergeParams
    inputs: Mapping[str, dict[str, str]] | None


def load_choice(params: MergeParams, search: SearchParams, path: Path) -> Choice:
    """Read a choice, and put it over ``params``.

    Args:
        params: the section ``merge``.
        search: the section ``search``.
        path: ``choice.json`` of the stage ``search``, ``merge.json`` of an earlier merge, or a file like them:
            ``{"values": {"alpha": 0.3}}``.

    Raises:
        InputError: the file is missing, its values are none of a merge, or a section has changed since the search.
    """
    if not path.is_file():
        raise InputError(f"There is no {path}, which says what to merge.", _REMEDY)
    document = load_json(path)
    values = document.get("values") if isinstance(document, dict) else None
    if not isinstance(values, dict):
        raise InputError(f"{path} has no values.", _REMEDY)
    if "searched" in document:
        _check_sections(params, search, path, document)
    try:
        return Choice(MergeParams.model_validate(params.model_dump() | values), document.get("inputs"))
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "values"
        raise InputError(f"{path}: {place}: {fault['msg']}.", _REMEDY) from error


def _check_sections(params: MergeParams, search: SearchParams, path: Path, document: dict[str, Any]) -> None:
    """See that the sections are those that the search has read: what they say now is not passed over in silence."""
    read: dict[str, Any] = {"merge": document.get("merge"), "search": document.get("search") or {"enabled": False}}
    now = {"merge": params.model_dump(mode="json"), "search": search.model_dump(mode="json")}
    if not search.enabled:
        now["search"] = {"enabled": False}
    for section, values in now.items():
        before = read[section] if isinstance(read[section], dict) else {}
        for key, value in sorted(values.items(), key=lambda each: (each[0] != "enabled", each[0])):
            if before.get(key) != value:
                raise InputError(
                    f"{section}.{key} is {value}, and was {before.get(key)} when {path} was written.", _REMEDY
                )
