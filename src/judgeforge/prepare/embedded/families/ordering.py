"""Numbered lists in alphabetical order or its reverse."""

import random
from collections.abc import Sequence

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Family, Flaw, Task, Wording, pick

_KINDS = (("towns", words.TOWNS), ("fruits", words.FRUITS), ("tools", words.TOOLS), ("animals", words.ANIMALS))
_ITEMS = 4
_WORDING = Wording(
    topic="sorting {kind}",
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
            "In order, but an item is missing.",
            "Complete and in order, form not as asked.",
            "Complete, in order and numbered.",
        ),
        (
            "The items are not listed.",
            "Items stand in a false order.",
            "An item has been lost.",
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
    source="the reference",
    nothing="no list",
)
_ANSWERS = ("{listed}.", "Here they are: {listed}.", "The list: {listed}.")


def _number(items: Sequence[str]) -> str:
    return " ".join(f"{place}. {item}" for place, item in enumerate(items, start=1))


def build_ordering(rng: random.Random) -> Task:
    """Draw items of one kind and ask for them in order."""
    kind, pool = pick(rng, _KINDS)
    downwards = rng.random() < 0.4
    given = rng.sample(pool, _ITEMS)
    ordered = sorted(given, reverse=downwards)
    disorder = pick(rng, (ordered[::-1], [ordered[2], ordered[0], ordered[3], ordered[1]]))
    lost = pick(rng, ordered)
    direction = "from Z to A" if downwards else "from A to Z"
    family = Family(_WORDING, rng, " ".join(ordered), kind=kind, direction=direction, given=", ".join(given))

    def present(items: list[str], conclusion: str, flaw: Flaw | None = None) -> Draft:
        text = family.phrase(_ANSWERS, listed=_number(items))
        return Draft(text, family.judge(" ".join(items), conclusion), flaw)

    if rng.random() < 0.6:
        text = family.phrase(_ANSWERS[1:], listed=", ".join(ordered))
        careless = Draft(text, family.judge(" ".join(ordered), "it is right, but the numbers are left out"))
    else:
        careless = present(ordered, "it is right", pick(rng, (flaws.be_rude, flaws.break_off)))
    return family.build_task(
        _number(ordered),
        wrong=present(disorder, "the order is wrong"),
        partial=present([item for item in ordered if item != lost], f"{lost} is missing"),
        careless=careless,
        sound=present(ordered, "it is right"),
    )
