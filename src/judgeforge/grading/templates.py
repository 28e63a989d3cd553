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
from judgeforge.grading.records import FIVE_POINTS, SCORES, Format, Scale

TEMPLATE_FILE = "judge_template.json"
"""The name under which a template stands beside a judge's weights."""

_LEVELS = {f"level_{score}" for score in SCORES}
_SHARED = {"instruction", "criteria", "reference_clause", "reference_section"}
_ANY_SCALE = "levels"
_ENDS = {"lowest", "highest"}
FIELD = re.compile(r"\{(\w+)\}")
"""A placeholder."""


class JudgeTemplate(BaseModel):
    """The fixed text of both formats, with ``{field}`` placeholders.

    ``{level_1}`` to ``{level_5}`` make it a template of five-point rubrics; ``{levels}`` in their place stands for one
    ``level_line`` a score and fits every scale. ``{lowest}`` and ``{highest}`` are the ends of the scale.

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
        level_line: a line of ``{levels}``, with ``{score}`` and ``{level}``; None in a template of five points.
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
    level_line: str | None = None

    @model_validator(mode="after")
    def _has_every_field(self) -> "JudgeTemplate":
        expected = {
            "direct": _SHARED | self._list_level_fields() | {"response"},
            "pairwise": _SHARED | self._list_level_fields() | {"response_a", "response_b"},
            "reference_section": {"reference"},
            "pairwise_reference_section": {"reference"},
            "level_line": {"score", "level"},
        }
        for part, fields in expected.items():
            text = getattr(self, part)
            found = fields if text is None else set(FIELD.findall(text)) - (_ENDS if part != "level_line" else set())
            if found != fields:
                raise ValueError(f"{part}: placeholders differ: {sorted(found ^ fields)}")
        return self

    def _list_level_fields(self) -> set[str]:
        return _LEVELS if self.level_line is None else {_ANY_SCALE}

    @property
    def any_scale(self) -> bool:
        """Whether it shows rubrics of every scale, not of five points alone."""
        return self.level_line is not None

    def check_scale(self, scale: Scale) -> None:
        """Make sure that rubrics of ``scale`` can be shown.

        Raises:
            InputError: the template has places for the scores 1 to 5, and the scale is another.
        """
        if self.level_line is None and scale != FIVE_POINTS:
            raise InputError(
                f"The judge template {self.name} shows rubrics with scores from {FIVE_POINTS.describe()}, and this one "
                f"has scores from {scale.describe()}.",
                "use a template for every scale, such as judgeforge-2: in prepare.template, or by --template for a "
                "judge that was not trained here; or describe five levels.",
            )

    def pin_five_points(self) -> "JudgeTemplate":
        """Return the same template with a place for each of the scores 1 to 5, whose prompts are the same."""
        if self.level_line is None:
            return self
        lines = [fill(self.level_line, {"score": str(score), "level": f"{{level_{score}}}"}) for score in SCORES]
        fixed = {"levels": "\n".join(lines), "lowest": str(SCORES[0]), "highest": str(SCORES[-1])}
        parts = {
            name: FIELD.sub(lambda match: fixed.get(match[1], match[0]), text)
            for name, text in self.dump().items()
            if name in ("direct", "pairwise", "reference_section", "pairwise_reference_section")
        }
        return self.model_copy(update=parts | {"level_line": None})

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
