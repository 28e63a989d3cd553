"""Items of a price list that meet a condition, with their prices."""

import random
from collections.abc import Iterable

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Family, Flaw, Task, Wording, pick

_WORDING = Wording(
    topic="furniture prices",
    requests=(
        "Which of these cost {relation} than {limit} euros? Name them with prices: {offered}.",
        "Name all that costs {relation} than {limit} euros, with prices: {offered}.",
        "Pick out what costs {relation} than {limit} euros and give the prices: {offered}.",
    ),
    criteria=(
        "Are the right items picked out, with prices?",
        "Does the choice meet the condition and miss nothing?",
        "Is the selection correct and complete?",
    ),
    levels=(
        (
            "Picks nothing from the list.",
            "Picks an item that does not fit.",
            "Misses an item that fits.",
            "Right items, untidy or without prices.",
            "Right items with prices.",
        ),
        (
            "No selection is made.",
            "The selection breaks the condition.",
            "The selection is too small.",
            "The selection fits, its form is poor.",
            "The selection fits and is well presented.",
        ),
    ),
    evasions=(
        "Whether {limit} euros is much depends on your purse.",
        "Prices change all the time, so it is hard to say.",
        "You should go through the list and choose for yourself.",
    ),
    remarks=(
        "All prices are in euros.",
        "I kept the limit of {limit} euros in mind.",
        "The shop is open until six.",
        "I went through the whole list.",
        "Good furniture lasts.",
    ),
    source="the reference",
    nothing="no item",
)
_ANSWERS = ("These cost {relation}: {listed}.", "The choice is {listed}.", "I found {listed}.")


def _join(names: Iterable[str]) -> str:
    return " and ".join(names)


def build_filtering(rng: random.Random) -> Task:
    """Draw a price list and ask for what is below or above a limit."""
    limit = pick(rng, (20, 30, 40, 50))
    names = rng.sample(words.FURNITURE, 4)
    cheap = {name: rng.randint(3, limit - 4) for name in names[:2]}
    dear = {name: rng.randint(limit + 3, 99) for name in names[2:]}
    relation = pick(rng, ("less", "more"))
    chosen, rest = (cheap, dear) if relation == "less" else (dear, cheap)
    offered = [f"{name} {price}" for name, price in rng.sample([*cheap.items(), *dear.items()], 4)]
    lost, kept = rng.sample(list(chosen), 2)
    intruder = pick(rng, list(rest))
    wrong = pick(rng, (rest, {kept: chosen[kept], intruder: rest[intruder]}))
    misfit = next(name for name in wrong if name in rest)
    family = Family(_WORDING, rng, _join(chosen), relation=relation, limit=limit, offered=", ".join(offered))

    def choose(items: dict[str, int], conclusion: str, flaw: Flaw | None = None) -> Draft:
        listed = _join(f"the {name} ({price})" for name, price in items.items())
        return Draft(family.phrase(_ANSWERS, listed=listed), family.judge(_join(items), conclusion), flaw)

    if rng.random() < 0.5:
        text = family.phrase(_ANSWERS, listed=_join(f"the {name}" for name in chosen))
        careless = Draft(text, family.judge(_join(chosen), "it is right, but prices are left out"))
    else:
        careless = choose(chosen, "it is right", pick(rng, (flaws.shout, flaws.misspell)))
    return family.build_task(
        ", ".join(f"{name} {price}" for name, price in chosen.items()) + ".",
        wrong=choose(wrong, f"{misfit} is wrong"),
        partial=choose({kept: chosen[kept]}, f"{lost} is missing"),
        careless=careless,
        sound=choose(chosen, "it is right"),
    )
