"""Put recovered parts together into a judge template; what no collection shows comes from another template."""

from collections.abc import Sequence

import polars as pl
from pydantic import ValidationError

from judgeforge.errors import InputError
from judgeforge.grading.records import Format
from judgeforge.grading.templates import JudgeTemplate, load_template
from judgeforge.params import RecoveryParams
from judgeforge.prepare.contract.layouts import find_format
from judgeforge.prepare.contract.recovery import RecoveredPart, recover_part

_DIGITS = 8


def recover_template(
    collections: Sequence[pl.DataFrame], params: RecoveryParams, seed: int
) -> tuple[JudgeTemplate, list[RecoveredPart]]:
    """Recover a judge template from upstream collections, and tell what each format's part rests on.

    Args:
        collections: raw rows; those in the same format count as one. Others than the two layouts are passed over.
        params: what the rows do not hold.
        seed: of the groups of rows that are compared.

    Raises:
        InputError: no collection has rendered prompts, or they do not follow one template.
    """
    by_format: dict[Format, list[pl.DataFrame]] = {}
    for rows in collections:
        if format := find_format(rows.columns):
            by_format.setdefault(format, []).append(rows)
    if not by_format:
        raise InputError(
            "No source has rendered prompts from which a judge template could be recovered.",
            "add the Feedback Collection or the Preference Collection to the sources, or name a template.",
        )
    parts = [
        recover_part(pl.concat(frames, how="diagonal_relaxed"), format, seed=seed)
        for format, frames in by_format.items()
    ]
    other = load_template(params.completed_by)
    return build_recovered_template(parts, name=params.name, system=params.system, other=other), parts


def build_recovered_template(
    parts: Sequence[RecoveredPart], *, name: str, system: str, other: JudgeTemplate
) -> JudgeTemplate:
    """Build the template of one or two recovered parts. Its name is ``name`` and the head of its content's digest.

    Args:
        parts: at most one a format.
        name: in front of the digest.
        system: the system prompt, which no row holds.
        other: gives the format that was not recovered, and the reference section if no row shows a reference.

    Raises:
        InputError: the parts close by different markers, or one shows its reference twice.
    """
    other = other.pin_five_points()
    by_format = {part.format: part for part in parts}
    markers = {part.result_marker for part in parts}
    if len(by_format) < 2:
        markers.add(other.result_marker)
    if len(markers) > 1:
        raise InputError(
            f"The two formats of the template {name} close by different markers: {', '.join(sorted(markers))}.",
            "recover both from collections of one marker, or complete the one by a template with the same marker.",
        )
    direct, clause, section = _choose_words("direct", by_format.get("direct"), other)
    pairwise, pairwise_clause, pairwise_section = _choose_words("pairwise", by_format.get("pairwise"), other)
    try:
        template = JudgeTemplate(
            name=name,
            system=system,
            result_marker=markers.pop(),
            direct=direct,
            pairwise=pairwise,
            reference_clause=clause,
            reference_section=section,
            pairwise_reference_clause=None if pairwise_clause == clause else pairwise_clause,
            pairwise_reference_section=None if pairwise_section == section else pairwise_section,
        )
    except ValidationError as error:
        raise InputError(
            f"The recovered template {name} cannot be written down: {error.errors()[0]['msg']}.", "name a template."
        ) from error
    return template.model_copy(update={"name": f"{name}-{template.compute_digest()[:_DIGITS]}"})


def _choose_words(format: Format, part: RecoveredPart | None, other: JudgeTemplate) -> tuple[str, str, str]:
    """Return user message, reference clause and reference section of ``format``."""
    clause, section = other.select_reference(format)
    if part is None:
        return other.direct if format == "direct" else other.pairwise, clause, section
    found = part.parts
    return found.text, found.reference_clause, found.reference_section or section
