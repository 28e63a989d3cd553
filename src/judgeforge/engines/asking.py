"""Ask an engine: each different question once, from the journal where it is already answered."""

from collections.abc import Sequence

from judgeforge.engines.journal import Journal, compute_question_key
from judgeforge.engines.protocol import Completion, Conversation, Engine
from judgeforge.progress import progress_bar


def is_answered(conversations: Sequence[Conversation], journal: Journal) -> bool:
    """Whether a journal has the completions of all conversations."""
    return {compute_question_key(conversation) for conversation in conversations} <= journal.load().keys()


def complete_journalled(
    engine: Engine | None, conversations: Sequence[Conversation], journal: Journal, description: str
) -> list[Completion]:
    """Return a completion for each conversation; equal ones are asked once, and journalled ones not at all.

    Args:
        engine: whom to ask; None where ``is_answered`` holds.
        conversations: what is asked.
        journal: what is answered already, and where answers are kept as they come.
        description: of the progress.
    """
    keys = [compute_question_key(conversation) for conversation in conversations]
    found = journal.load()
    first_of = {key: index for index, key in reversed(list(enumerate(keys)))}
    missing = sorted(index for key, index in first_of.items() if key not in found)
    with progress_bar() as bar, journal.open() as write:
        task = bar.add_task(description, total=len(first_of), completed=len(first_of) - len(missing), note="")
        asked = [conversations[index] for index in missing]
        for position, completion in engine.complete(asked) if engine is not None else ():
            key = keys[missing[position]]
            write(key, completion)
            found[key] = completion
            bar.advance(task)
    return [found[key] for key in keys]
