"""Numbered lists in alphabetical order or its reverse."""

import random
from collections.abc import Sequence

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_KINDS = (("towns", words.TOWNS), ("fruits", words.FRUITS), ("tools", words.TOOLS), ("animals", words.ANIMALS))
_ITEMS = 4
_WORDING = Wording(
    requests=(
        "Sort these {kind} {direction} in a numbered list: {given}.",
        "Put these {kind} into order {direction}, numbered: {given}.",
        "Make a numbered list of these {kind}, {direction}: {given}.",
    ),
    criteria=(
        "Is the list complete, ordered and numbered?",
        "Are all items there in the order asked for?",
        "How well is the list sorted?",
    ),
    levels=(
        (
            "No list of these items.",
            "The order is wrong.",
            "In order, but not numbered.",
            "In order and numbered, badly ended.",
            "Complete, in order and numbered.",
        ),
        (
            "The items are not listed.",
            "Items stand in a false order.",
            "The numbers have been lost.",
            "Sorted and whole, one formal slip.",
            "Sorted, whole and in form.",
        ),
    ),
    evasions=(
        "There are many {kind} in the world, and all can be sorted.",
        "A list is a good way to keep things tidy.",
        "Please give me a moment to think about the {kind}.",
    ),
    remarks=(
        "You asked about {kind}.",
        "I compared the first letters.",
        "Sorting makes things easier to find.",
        "Let me know if you need more.",
        "The alphabet settles it.",
    ),
)
_ANSWERS = ("{listed}.", "Here they are: {listed}.", "The list: {listed}.")


def _number(items: Sequence[str]) -> str:
    return " ".join(f"{place}. {item}" for place, item in enumerate(items, start=1))


_UNSORTED = (
    "In no special order: {mixed}.",
    "Just as you wrote them: {mixed}.",
    "{mixed}. I did not sort them.",
)


def build_ordering(rng: random.Random) -> Task:
    """Draw items of one kind and ask for them in order."""
    kind, pool = pick(rng, _KINDS)
    downwards = rng.random() < 0.4
    given = rng.sample(pool, _ITEMS)
    ordered = sorted(given, reverse=downwards)
    direction = "from Z to A" if downwards else "from A to Z"
    family = Family(_WORDING, rng, kind=kind, direction=direction, given=", ".join(given))
    if rng.random() < SUBTLE_SHARE:
        text = family.phrase(_ANSWERS, listed=_number(ordered[::-1]))
        wrong = Draft(text, "The order is wrong")
    else:
        text = family.phrase(_UNSORTED, mixed=_number([ordered[2], ordered[0], ordered[3], ordered[1]]))
        wrong = Draft(text, "The order is wrong")
    return family.build_task(
        _number(ordered),
        wrong=wrong,
        partial=Draft(family.phrase(_ANSWERS[1:], listed=", ".join(ordered)), "The numbers are missing"),
        careless=Draft(family.phrase(_ANSWERS, listed=_number(ordered)), "All is right", flaws.break_off),
        sound=Draft(family.phrase(_ANSWERS, listed=_number(ordered)), "All is right"),
    )
