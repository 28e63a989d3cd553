"""Sums of money in two steps that have to be shown."""

import random

from judgeforge.prepare.embedded import words
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_PURCHASE = "{name} buys {count} {good}s at {price} dollars each and a {extra} for {extra_price} dollars."
_WORDING = Wording(
    requests=(
        _PURCHASE + " What is the total? Show the steps.",
        _PURCHASE + " How much is it in all? Give each step.",
        _PURCHASE + " Work out the cost step by step.",
    ),
    criteria=(
        "Is the sum right and are the steps shown?",
        "Is the total correct, with its working?",
        "Can one follow how the right total comes about?",
    ),
    levels=(
        (
            "No total at all.",
            "The total is wrong.",
            "Right total without the steps.",
            "Right with steps, one slip of form.",
            "Right total, steps and unit.",
        ),
        (
            "Does not calculate anything.",
            "Arrives at a false total.",
            "True total, but no working.",
            "True and worked out, form not perfect.",
            "True, worked out and neat.",
        ),
    ),
    evasions=(
        "Buying {good}s can cost quite a lot these days.",
        "{name} should ask in the shop what it costs.",
        "Sums like this need time, so please wait.",
    ),
    remarks=(
        "{name} can pay that at the till.",
        "So much for the {good}s and the {extra}.",
        "Prices include tax.",
        "I used the prices you gave.",
        "That was a nice little sum.",
    ),
)
_ANSWERS = (
    "{count} x {price} = {part}, and {part} + {extra_price} = {total}. It costs {total}{unit}.",
    "First {count} x {price} = {part}. Then {part} + {extra_price} = {total}{unit}.",
    "The {good}s: {count} x {price} = {part}. With the {extra}: {part} + {extra_price} = {total}{unit}.",
)
_TOTAL_ONLY = (
    "{name} pays {total}{unit} for everything.",
    "The total is {total}{unit}.",
    "One multiplies and adds, which gives {total}{unit}.",
)


_GUESSES = (
    "Roughly {total} dollars, I would guess.",
    "My guess: maybe {total} dollars, more or less.",
    "It should be somewhere around {total} dollars.",
)


def build_arithmetic(rng: random.Random) -> Task:
    """Draw a purchase and ask for its total."""
    count, price, extra_price = rng.randint(2, 9), rng.randint(2, 9), rng.randint(3, 19)
    part, slip = count * price, pick(rng, (-2, -1, 1, 2, 10))
    total = part + extra_price
    name, good, extra = pick(rng, words.FIRST_NAMES), pick(rng, words.GOODS), pick(rng, words.EXTRAS)
    drawn = {"name": name, "good": good, "extra": extra, "count": count, "price": price, "extra_price": extra_price}
    family = Family(_WORDING, rng, **drawn, part=part, total=total, unit=" dollars")
    if rng.random() < SUBTLE_SHARE:
        wrong = Draft(family.phrase(_ANSWERS, total=total + slip), "The total is wrong")
    else:
        text = family.phrase(_GUESSES, total=total + slip)
        wrong = Draft(text, "The total is wrong")
    text = family.phrase(_ANSWERS, unit="")
    careless = Draft(text, "All is right, but the dollars are left out")
    return family.build_task(
        f"{count} x {price} = {part}. {part} + {extra_price} = {total}. {name} pays {total} dollars.",
        wrong=wrong,
        partial=Draft(family.phrase(_TOTAL_ONLY), "The steps are missing"),
        careless=careless,
        sound=Draft(family.phrase(_ANSWERS), "All is right"),
    )
