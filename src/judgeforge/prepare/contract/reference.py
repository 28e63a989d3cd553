"""What a prompt with a reference answer has more than one without: the reference clause and the reference section."""

import re
from dataclasses import dataclass

from judgeforge.prepare.contract.fitting import find_shared_head
from judgeforge.prepare.contract.layouts import REFERENCE

CLAUSE, SECTION = "{reference_clause}", "{reference_section}"
_SHOWN = "{" + REFERENCE + "}"
_PLACEHOLDER = re.compile(r"(\{\w+\})")
_CLAUSE = re.compile(r"(?<=,) [^,\n]*\breference answer\b[^,\n]*,", re.IGNORECASE)
"""How a list of what is given names the reference answer: `` a reference answer that gets a score of 5,``."""


@dataclass(frozen=True)
class Parts:
    """A user message as a judge template has it.

    Args:
        text: with all placeholders.
        reference_clause: what the task description says more where there is a reference.
        reference_section: what shows it; None where no row shows one.
    """

    text: str
    reference_clause: str
    reference_section: str | None


def join_variants(shown: str, hidden: str) -> Parts | None:
    """Compare the pattern with a reference to the one without.

    None if they differ by more than the reference's section and one insertion elsewhere, the clause.
    """
    pieces, others = _PLACEHOLDER.split(shown), _PLACEHOLDER.split(hidden)
    place = pieces.index(_SHOWN) - 1
    pieces[place : place + 3] = ["".join(pieces[place : place + 3])]
    if len(pieces) != len(others):
        return None
    different = [number for number, (piece, other) in enumerate(zip(pieces, others, strict=True)) if piece != other]
    found = {
        number: insertion for number in different if (insertion := _find_insertion(pieces[number], others[number]))
    }
    if len(found) != len(different) or len(found) > 2 or _SHOWN not in found.get(place, ("", "", ""))[1]:
        return None
    clause = ""
    pieces = list(others)
    for number, (before, inserted, after) in found.items():
        pieces[number] = before + (SECTION if number == place else CLAUSE) + after
        clause = clause if number == place else inserted
    if len(found) == 1:
        pieces[0] += CLAUSE
    return Parts("".join(pieces), clause, found[place][1])


def infer_reference(pattern: str) -> Parts:
    """Part a pattern that is known with a reference only, or without only.

    The section is the paragraph that shows the reference; the clause is the part of the list before the first field
    that names a reference answer, if one does. Without a reference, the section goes before the rubric's paragraph.
    """
    pieces = _PLACEHOLDER.split(pattern)
    if _SHOWN not in pieces:
        place = max(pieces.index("{criteria}") - 1, 0)
        at = pieces[place].rfind("\n\n") + 2 if "\n\n" in pieces[place] else 0
        pieces[place] = pieces[place][:at] + SECTION + pieces[place][at:]
        return Parts(CLAUSE + "".join(pieces), "", None)
    place = pieces.index(_SHOWN)
    before, after = pieces[place - 1], pieces[place + 1]
    start = before.rfind("\n\n") + 2 if "\n\n" in before else 0
    end = after.find("\n\n") + 2 if "\n\n" in after else 0
    section = before[start:] + _SHOWN + after[:end]
    pieces[place - 1 : place + 2] = [before[:start] + SECTION + after[end:]]
    named = _CLAUSE.findall(pieces[0])
    clause = named[0] if len(named) == 1 else ""
    pieces[0] = pieces[0].replace(clause, CLAUSE) if clause else pieces[0] + CLAUSE
    return Parts("".join(pieces), clause, section)


def _find_insertion(longer: str, shorter: str) -> tuple[str, str, str] | None:
    """Return what ``longer`` has more, with what stands before and after; from the start of a line if possible."""
    length = len(longer) - len(shorter)
    shared = len(find_shared_head([longer, shorter]))
    starts = [at for at in range(shared, -1, -1) if length > 0 and longer[at + length :] == shorter[at:]]
    if not starts:
        return None
    at = next((at for at in starts if at == 0 or longer[at - 1] == "\n"), starts[0])
    return longer[:at], longer[at : at + length], shorter[at:]
