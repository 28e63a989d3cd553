"""Take corrections in with the values of params.yaml, and say what became of them."""

from collections.abc import Iterable
from pathlib import Path

from judgeforge.corrections.held_out import load_held_out
from judgeforge.corrections.taking import Taken, take_corrections
from judgeforge.params import PrepareParams, load_params
from judgeforge.params.sources import FileSource
from judgeforge.progress import say

COLLECTION = Path("collections/corrections")
QUARANTINE = Path(".judgeforge/corrections-refused.jsonl")


def update_collection(
    inbox: Path, into: Path = COLLECTION, quarantine: Path = QUARANTINE, held_out: Iterable[str] = ()
) -> Taken:
    """Bring the collection up to date, and say what changed.

    Args:
        inbox: see ``take_corrections``, as the next two.
        into: likewise.
        quarantine: likewise.
        held_out: YAML files of benchmarks to keep clean, beside those of params.yaml.

    Raises:
        InputError: the inbox, the collection, params.yaml or a benchmark cannot be read.
    """
    params = load_params()
    clean = load_held_out(params.evaluate, params.prepare, held_out)
    taken = take_corrections(inbox, into, quarantine, clean, params.audit)
    total = sum(taken.rows.values())
    say(f"{into}: {total} rows, {taken.added} of them new and {taken.replaced} corrected anew.")
    if taken.refused:
        say(f"{taken.refused} rows were refused; {quarantine} says why.")
    for path in (into / name for name in taken.rows if (into / name).exists()):
        sources = _list_readers(path, params.prepare)
        if not sources:
            say(f"prepare does not read {path} yet: name it in prepare.sources (docs/schedules.md).")
        elif not taken.rows[path.name] and not any(source.may_be_empty for source in sources):
            say(f"{path} has no row any more, which prepare refuses: give its source may_be_empty: true.")
    return taken


def _list_readers(path: Path, prepare: PrepareParams) -> list[FileSource]:
    files = [source for source in prepare.sources if isinstance(source, FileSource)]
    return [source for source in files if path.is_relative_to(source.path)]
