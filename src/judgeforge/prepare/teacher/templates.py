"""Teacher templates: what a teacher is asked, as versioned JSON files of our own words.

A template that changes is a new file with a new name: answers are kept by what was asked, and the name stands in the
statistics.
"""

import hashlib
import json
import re
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.prepare.feedback import TaskName

_FIELD = re.compile(r"\{(\w+)\}")
_RUBRIC = {"instruction", "criteria", "levels"}
_FIELDS: dict[TaskName, set[str]] = {
    "pairwise": _RUBRIC | {"reference_section", "response_a", "response_b"},
    "direct": _RUBRIC | {"reference_section", "response", "lowest", "highest"},
    "rubric": {"instruction", "count"},
    "reference": _RUBRIC,
}


class TeacherTemplate(BaseModel):
    """The fixed text of one task, with ``{field}`` placeholders.

    Args:
        name: name and version, as in ``teacher-pairwise-1``.
        task: what it asks for.
        system: the system message.
        user: the user message.
        result_marker: what stands before the verdict; "" where the answer is JSON.
        reference_section: shows the reference answer; left out where there is none. "" where none is ever shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    task: TaskName
    system: str
    user: str
    result_marker: str
    reference_section: str

    @model_validator(mode="after")
    def _has_every_field(self) -> "TeacherTemplate":
        judges = self.task in ("pairwise", "direct")
        expected = {"user": _FIELDS[self.task], "reference_section": {"reference"} if judges else set()}
        for part, fields in expected.items():
            found = set(_FIELD.findall(getattr(self, part)))
            if found != fields:
                raise ValueError(f"{part}: placeholders differ: {sorted(found ^ fields)}")
        if judges != bool(self.result_marker.strip()):
            raise ValueError("result_marker: feedback closes with one, and JSON has none")
        return self

    def compute_digest(self) -> str:
        """Return the SHA-256 of the content."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


def load_teacher_template(source: str, task: TaskName) -> TeacherTemplate:
    """Load a template for ``task`` by the name of one that ships with judgeforge, or from a file.

    Raises:
        InputError: there is none, it is damaged, or it asks for something else.
    """
    folder = resources.files("judgeforge.prepare.teacher") / "templates"
    shipped = folder / f"{source}.json"
    if shipped.is_file():
        raw = json.loads(shipped.read_text("utf-8"))
    elif Path(source).is_file():
        raw = load_json(Path(source))
    else:
        names = sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))
        raise InputError(f"There is no teacher template {source!r}.", f"name a file or one of {', '.join(names)}.")
    try:
        template = TeacherTemplate.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "(file)"
        raise InputError(
            f"Teacher template {source}: {place}: {first['msg']}.", "correct that part of the template."
        ) from error
    if template.task != task:
        raise InputError(f"Teacher template {source} asks for {template.task}.", f"name one that asks for {task}.")
    return template
