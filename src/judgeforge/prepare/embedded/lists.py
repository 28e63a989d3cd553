"""Families about lists: putting items in order, and keeping those that meet a condition."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Task, compare, pick


def _number(items: list[str]) -> str:
    return " ".join(f"{place}. {item}" for place, item in enumerate(items, start=1))


def build_ordering(rng: random.Random) -> Task:
    """Ask for a numbered list in alphabetical order, or its reverse."""
    kind, pool = pick(
        rng,
        (("towns", tuple(words.TOWNS)), ("fruits", words.FRUITS), ("tools", words.TOOLS), ("animals", words.ANIMALS)),
    )
    downwards = rng.random() < 0.4
    given = rng.sample(pool, 4)
    ordered = sorted(given, reverse=downwards)
    direction = "from Z to A" if downwards else "from A to Z"
    lost = pick(rng, ordered)
    kept = [item for item in ordered if item != lost]
    wrong_order = ordered[::-1] if rng.random() < 0.5 else [ordered[2], ordered[0], ordered[3], ordered[1]]
    wanted = ", ".join(ordered)

    def present(items: list[str]) -> str:
        return pick(rng, (f"{_number(items)}.", f"Here they are: {_number(items)}.", f"The list: {_number(items)}."))

    def judge(items: list[str], conclusion: str) -> str:
        return compare(rng, ", ".join(items), "the reference", wanted, conclusion)

    if rng.random() < 0.6:
        careless = Draft(
            pick(rng, (f"In order they are {', '.join(ordered)}.", f"The list: {', '.join(ordered)}.")),
            judge(ordered, "so the order is right, but the numbers are missing"),
        )
    else:
        careless = Draft(
            present(ordered), judge(ordered, "so the order is right"), pick(rng, (flaws.be_rude, flaws.break_off))
        )
    return Task(
        topic=f"sorting {kind}",
        instruction=f"{pick(rng, (f'Sort these {kind} {direction} in a numbered list:', f'Put these {kind} into order {direction}, numbered:', f'Make a numbered list of these {kind}, {direction}:'))} {', '.join(given)}.",
        criteria=pick(
            rng,
            (
                "Is the list complete, ordered and numbered?",
                "Are all items there in the order asked for?",
                "How well is the list sorted?",
            ),
        ),
        levels=pick(
            rng,
            (
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
        ),
        reference=_number(ordered),
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        f"There are many {kind} in the world, and all can be sorted.",
                        "A list is a good way to keep things tidy.",
                        f"Please give me a moment to think about the {kind}.",
                    ),
                ),
                compare(rng, "no list", "the reference", wanted, "so nothing is sorted"),
            ),
            Draft(present(wrong_order), judge(wrong_order, "so the order is wrong")),
            Draft(present(kept), judge(kept, f"so {lost} is missing")),
            careless,
            Draft(present(ordered), judge(ordered, "so the order is right")),
        ),
        remarks=(
            f"You asked for these {kind} {direction}.",
            "I compared the first letters.",
            "Sorting makes things easier to find.",
            "Let me know if you need more.",
            "The alphabet settles it.",
        ),
    )


def build_filtering(rng: random.Random) -> Task:
    """Ask for the items of a price list that meet a condition, with their prices."""
    limit = rng.choice((20, 30, 40, 50))
    names = rng.sample(words.FURNITURE, 4)
    cheap = {name: rng.randint(3, limit - 4) for name in names[:2]}
    dear = {name: rng.randint(limit + 3, 99) for name in names[2:]}
    below = rng.random() < 0.5
    chosen, rest = (cheap, dear) if below else (dear, cheap)
    offered = list((chosen | rest).items())
    rng.shuffle(offered)
    relation = "less" if below else "more"
    wanted = " and ".join(chosen)
    lost, kept = rng.sample(list(chosen), 2)
    intruder = pick(rng, list(rest))
    wrong = rest if rng.random() < 0.5 else {kept: chosen[kept], intruder: rest[intruder]}

    def name_all(items: dict[str, int]) -> str:
        listed = " and ".join(f"the {name} ({price})" for name, price in items.items())
        return pick(
            rng, (f"These cost {relation}: {listed}.", f"{listed[0].upper()}{listed[1:]}.", f"I found {listed}.")
        )

    def judge(items: list[str], conclusion: str) -> str:
        return compare(rng, " and ".join(items), "the reference", wanted, conclusion)

    right = judge(list(chosen), "so the choice is right")
    if rng.random() < 0.5:
        careless = Draft(
            f"{pick(rng, ('I found', 'The choice is', 'These cost ' + relation + ':'))} the {' and the '.join(chosen)}.",
            judge(list(chosen), "so the choice is right, but without prices"),
        )
    else:
        careless = Draft(name_all(chosen), right, pick(rng, (flaws.shout, flaws.misspell)))
    return Task(
        topic=f"what costs {relation} than {limit} euros",
        instruction=f"{pick(rng, (f'Which of these cost {relation} than {limit} euros? Name them with prices:', f'Name everything that costs {relation} than {limit} euros, with its price:', f'Pick out what costs {relation} than {limit} euros and give the prices:'))} {', '.join(f'{name} {price}' for name, price in offered)}.",
        criteria=pick(
            rng,
            (
                "Are the right items picked out, with prices?",
                "Does the choice meet the condition and miss nothing?",
                "Is the selection correct and complete?",
            ),
        ),
        levels=pick(
            rng,
            (
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
        ),
        reference=f"{', '.join(f'{name} {price}' for name, price in chosen.items())}.",
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        f"Whether {limit} euros is much depends on your purse.",
                        "Prices change all the time, so it is hard to say.",
                        "You should go through the list and choose for yourself.",
                    ),
                ),
                compare(rng, "no item", "the reference", wanted, "so nothing is picked"),
            ),
            Draft(
                name_all(wrong), judge(list(wrong), f"so {next(name for name in wrong if name in rest)} does not fit")
            ),
            Draft(name_all({kept: chosen[kept]}), judge([kept], f"so {lost} is missing")),
            careless,
            Draft(name_all(chosen), right),
        ),
        remarks=(
            "All prices are in euros.",
            f"The limit of {limit} euros was kept in mind.",
            "The shop is open until six.",
            "I went through the whole list.",
            "Good furniture lasts.",
        ),
    )
