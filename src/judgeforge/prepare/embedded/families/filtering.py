"""Items of a price list that meet a condition, with their prices."""

import random
from collections.abc import Iterable

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_WORDING = Wording(
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
            "Right items, no prices.",
            "Right items and prices, untidy.",
            "Right items with prices.",
        ),
        (
            "No selection is made.",
            "The selection breaks the condition.",
            "The prices are left out.",
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
)
_ANSWERS = ("These cost {relation}: {listed}.", "The choice is {listed}.", "I found {listed}.")


def _join(names: Iterable[str]) -> str:
    return " and ".join(names)


_NO_CHOICE = (
    "All four of them cost {relation}.",
    "None of the four costs {relation}.",
    "Every one of them costs {relation}, without exception.",
)


def build_filtering(rng: random.Random) -> Task:
    """Draw a price list and ask for what is below or above a limit."""
    limit = pick(rng, (20, 30, 40, 50))
    names = rng.sample(words.FURNITURE, 4)
    cheap = {name: rng.randint(3, limit - 4) for name in names[:2]}
    dear = {name: rng.randint(limit + 3, 99) for name in names[2:]}
    relation = pick(rng, ("less", "more"))
    chosen, rest = (cheap, dear) if relation == "less" else (dear, cheap)
    offered = [f"{name} {price}" for name, price in rng.sample([*cheap.items(), *dear.items()], 4)]
    family = Family(_WORDING, rng, relation=relation, limit=limit, offered=", ".join(offered))

    def choose(items: dict[str, int]) -> str:
        return family.phrase(_ANSWERS, listed=_join(f"the {name} ({price})" for name, price in items.items()))

    if rng.random() < SUBTLE_SHARE:
        wrong = Draft(choose(rest), "The choice is wrong")
    else:
        wrong = Draft(family.phrase(_NO_CHOICE), "The choice is wrong")
    unpriced = family.phrase(_ANSWERS, listed=_join(f"the {name}" for name in chosen))
    return family.build_task(
        ", ".join(f"{name} {price}" for name, price in chosen.items()) + ".",
        wrong=wrong,
        partial=Draft(unpriced, "The prices are missing"),
        careless=Draft(choose(chosen), "All is right", flaws.neglect_capitals),
        sound=Draft(choose(chosen), "All is right"),
    )
