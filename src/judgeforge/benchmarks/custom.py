"""A benchmark of one's own: a file of rows, and a few lines of YAML that say how to read it (docs/benchmarks.md)."""

import hashlib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from judgeforge.errors import InputError
from judgeforge.files import read_text
from judgeforge.grading.records import Format, Rubric

_OPTIONAL = {"rubric", "group", "item_id", "prompt_id", "reference"}
_FIELDS = {
    "direct": {"instruction", "response", "gold"} | _OPTIONAL,
    "pairwise": {"instruction", "response_a", "response_b", "gold"} | _OPTIONAL,
    "chosen_rejected": {"prompt", "chosen", "rejected", "subset", "id", "rubric"},
}
"""What ``fields`` can map, by layout."""

_FORMATS: dict[str, Format] = {"direct": "direct", "pairwise": "pairwise", "chosen_rejected": "pairwise"}

SUFFIXES = (".yaml", ".yml")
"""What a benchmark of one's own ends in, where names are given."""


class CustomBenchmark(BaseModel):
    """The YAML file.

    Args:
        name: in all tables.
        layout: ``direct``, ``pairwise`` or ``chosen_rejected``.
        file: JSON Lines or JSON, beside the YAML file unless absolute.
        fields: from the layout's field names to the file's.
        rubric: for rows that bring none.
        sha256: of the file; "" does not check it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    layout: str = Field(pattern="^(direct|pairwise|chosen_rejected)$")
    file: str
    fields: dict[str, str] = {}
    rubric: Rubric | None = None
    sha256: str = ""

    @model_validator(mode="after")
    def _maps_known_fields(self) -> "CustomBenchmark":
        unknown = sorted(set(self.fields) - _FIELDS[self.layout])
        if unknown:
            known = ", ".join(sorted(_FIELDS[self.layout]))
            raise ValueError(f"the layout {self.layout} has no field {', '.join(unknown)}; its fields are {known}")
        return self

    @property
    def format(self) -> Format:
        """What a judge is asked for."""
        return _FORMATS[self.layout]


def load_custom(path: Path) -> CustomBenchmark:
    """Load the YAML file and check the pin of the file it names.

    Raises:
        InputError: not YAML, an unknown or missing key, or a file of other content than the pinned one.
    """
    try:
        document: Any = yaml.safe_load(read_text(path))
        custom = CustomBenchmark.model_validate(document)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}.", "correct it.") from error
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"]) or "(document)"
        hint = (
            " (YAML reads yes, no, on and off as truth values: quote them)" if fault["input"] in (True, False) else ""
        )
        message = fault["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: {key}: {message}{hint}.", "see docs/benchmarks.md.") from error
    rows = path.parent / custom.file
    if not rows.is_file():
        raise InputError(f"{path} names {rows}, which is not there.", "correct its key 'file'.")
    if custom.sha256:
        found = hashlib.sha256(rows.read_bytes()).hexdigest()
        if found != custom.sha256.lower():
            raise InputError(
                f"{rows} has the SHA-256 {found}, not {custom.sha256} as {path} says.",
                "get the right file, or correct the key 'sha256'.",
            )
    return custom
