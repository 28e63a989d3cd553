"""Opens what a merge reads; an adapter that is more than products is folded by peft into a scratch folder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from judgeforge.errors import InputError
from judgeforge.files import scratch_folder
from judgeforge.progress import say
from judgeforge.weights.adapters import is_plain
from judgeforge.weights.checks import check_room
from judgeforge.weights.headers import Header, read_header
from judgeforge.weights.mapped import AdaptedFolder, MappedFolder, Source
from judgeforge.weights.parts import JudgePart
from judgeforge.weights.stream import Sources

_FOLDED_WIDTH = 4
"""Bytes of a folded number: fp32."""


@contextmanager
def open_sources(parts: Sequence[JudgePart], base: Path, place: Path, *, needs_base: bool) -> Iterator[Sources]:
    """Open the judges' weights and, where a method reads it, their base's.

    Args:
        parts: the direct and the pairwise judge; ``check_judges`` has passed them.
        base: their base.
        place: a folder for scratch; it exists.
        needs_base: whether the base is opened, too.

    Raises:
        InputError: an adapter does not fold into its base.
        EnvironmentFault: no room for a folded judge.
    """
    with scratch_folder(place, "folded") as scratch:
        direct, pairwise = (_open(part, scratch) for part in parts)
        yield Sources(direct, pairwise, MappedFolder(base) if needs_base else None)


def _open(part: JudgePart, scratch: Path) -> Source:
    if not part.is_adapter:
        return MappedFolder(part.folder)
    header = part.read_header()
    if is_plain(part, header):
        return AdaptedFolder(MappedFolder(part.base), part.folder)
    say(f"The adapter of {part.name} is more than products.")
    return MappedFolder(fold_part(part, scratch))


def fold_part(part: JudgePart, scratch: Path) -> Path:
    """Fold an adapter into its base by peft.

    Args:
        part: the judge.
        scratch: where a folder of its full weights is made.

    Returns:
        That folder.

    Raises:
        InputError: it does not fold into its base.
        EnvironmentFault: no room.
    """
    from judgeforge.weights.fold import fold_adapter  # noqa: PLC0415 - transformers takes seconds

    say(f"Folding the adapter of {part.name} into the base model by peft.")
    folder, header = scratch / part.name, part.read_header()
    check_room(folder, sum(place.numbers for place in header.values()), _FOLDED_WIDTH)
    folder.mkdir()
    fold_adapter(part.base, part.folder, folder)
    _compare(part, header, read_header(folder))
    return folder


def _compare(part: JudgePart, header: Header, folded: Header) -> None:
    for name, place in header.items():
        if name not in folded or folded[name].shape != place.shape:
            found = folded[name].describe() if name in folded else "nothing"
            raise InputError(
                f"{part.name}, folded into its base by peft, has {found} for {name}, where the base has "
                f"{place.describe()}.",
                "load the base by transformers and save it again: it drops what is tied to another tensor.",
            )
