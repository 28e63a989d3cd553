"""Judge templates: the fixed text around an item, stored as JSON and carried along with a judge's weights."""

import hashlib
import json
import re
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json
from judgeforge.grading.records import Format

TEMPLATE_FILE = "judge_template.json"
"""The name under which a template stands beside a judge's weights."""

_LEVELS = {f"level_{score}" for score in range(1, 6)}
_SHARED = {"instruction", "criteria", "reference_clause", "reference_section"} | _LEVELS
FIELD = re.compile(r"\{(\w+)\}")
"""A placeholder."""


class JudgeTemplate(BaseModel):
    """The fixed text of both formats, with ``{field}`` placeholders.

    Args:
        name: name and version, as in ``judgeforge-1``.
        system: the system message.
        result_marker: what stands before the verdict; ``[RESULT]`` in the paper.
        direct: user message of direct assessment.
        pairwise: user message of pairwise ranking.
        reference_clause: put into the task description where there is a reference answer.
        reference_section: the section that shows it; both are left out where there is none.
        pairwise_reference_clause: of pairwise ranking, where it differs; None: the same.
        pairwise_reference_section: likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    system: str
    result_marker: Annotated[str, Field(min_length=1)]
    direct: str
    pairwise: str
    reference_clause: str
    reference_section: str
    pairwise_reference_clause: str | None = None
    pairwise_reference_section: str | None = None

    @model_validator(mode="after")
    def _has_every_field(self) -> "JudgeTemplate":
        expected = {
            "direct": _SHARED | {"response"},
            "pairwise": _SHARED | {"response_a", "response_b"},
            "reference_section": {"reference"},
            "pairwise_reference_section": {"reference"},
        }
        for part, fields in expected.items():
            text = getattr(self, part)
            found = fields if text is None else set(FIELD.findall(text))
            if found != fields:
                raise ValueError(f"{part}: placeholders differ: {sorted(found ^ fields)}")
        return self

    def select_reference(self, format: Format) -> tuple[str, str]:
        """Return the reference clause and the reference section of ``format``."""
        clause, section = self.pairwise_reference_clause, self.pairwise_reference_section
        if format == "direct":
            clause = section = None
        return (
            self.reference_clause if clause is None else clause,
            self.reference_section if section is None else section,
        )

    def dump(self) -> dict[str, str]:
        """Return what is stored: a part that a template does not have is left out, so that older digests hold."""
        return self.model_dump(exclude_none=True)

    def compute_digest(self) -> str:
        """Return the SHA-256 of the template's content: equal digests mean equal prompts."""
        return hashlib.sha256(json.dumps(self.dump(), sort_keys=True).encode()).hexdigest()


def fill(text: str, fields: dict[str, str]) -> str:
    """Replace every ``{field}`` of ``text`` in one pass, so that braces inside a value are left alone."""
    return FIELD.sub(lambda match: fields[match.group(1)], text)


def load_template(source: str | Path) -> JudgeTemplate:
    """Load a template by the name of one that ships with judgeforge, from a file, or from a judge's folder.

    Raises:
        InputError: there is none, or its placeholders are not those of the contract.
    """
    path = Path(source)
    shipped = resources.files("judgeforge.grading") / "templates" / f"{source}.json"
    if isinstance(source, str) and shipped.is_file():
        raw = json.loads(shipped.read_text("utf-8"))
    elif path.is_dir():
        raw = load_json(path / TEMPLATE_FILE)
    elif path.is_file():
        raw = load_json(path)
    else:
        names = sorted(entry.name.removesuffix(".json") for entry in shipped_templates())
        raise InputError(f"There is no judge template {source!r}.", f"name a file or one of {', '.join(names)}.")
    try:
        return JudgeTemplate.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"Judge template {source}: {first['msg']}.", "correct that part of the template.") from error


def shipped_templates() -> list[Path]:
    """List the template files that ship with judgeforge."""
    folder = resources.files("judgeforge.grading") / "templates"
    return [Path(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".json")]


def write_template(template: JudgeTemplate, folder: Path) -> None:
    """Write ``template`` beside a judge's weights in ``folder``."""
    write_json(folder / TEMPLATE_FILE, template.dump())
