"""Held out: which of two products is cheaper and which is lighter, on given data."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_WORDING = Wording(
    requests=(
        "Two {product}s. {data} Which is cheaper and which is lighter?",
        "Compare these {product}s by price and by weight. {data}",
        "{data} Name the cheaper and the lighter {product}.",
    ),
    criteria=(
        "Does the comparison follow from the data?",
        "Are price and weight compared correctly?",
        "Is the comparison right and whole?",
    ),
    levels=(
        (
            "Compares nothing.",
            "Contradicts the data.",
            "Compares only price or only weight.",
            "Both compared rightly, form careless.",
            "Both compared rightly in good form.",
        ),
        (
            "No comparison of the two.",
            "One comparison is false.",
            "One comparison is missing.",
            "Right on both, with a slip of form.",
            "Right on both and well put.",
        ),
    ),
    evasions=(
        "It is not easy to choose between {one} and {two}.",
        "Every {product} has its good and bad sides.",
        "I would wait for a test report.",
    ),
    remarks=(
        "Both {product}s are on sale now.",
        "I looked at the data sheet.",
        "Nothing else was considered here.",
        "{one} and {two} are known brands.",
        "Choose as you like.",
    ),
)
_ANSWERS = (
    "{cheaper} is cheaper, and {lighter} is lighter.",
    "The cheaper {product} is {cheaper}; the lighter one is {lighter}.",
    "{lighter} weighs less. {cheaper} costs less.",
)
_PRICE_ONLY = ("The cheaper {product} is {cheaper}.", "{cheaper} costs less.")
_WEIGHT_ONLY = ("The lighter {product} is {lighter}.", "{lighter} weighs less.")


_INVENTED = (
    "Neither of them has a price or a weight.",
    "{one} and {two} weigh and cost just the same.",
    "The data name no price, so I would guess {two}.",
)


def build_comparison(rng: random.Random) -> Task:
    """Draw the data of two products and ask for the comparison."""
    product, (one, two) = pick(rng, words.PRODUCTS), rng.sample(words.BRANDS, 2)
    prices, weights = rng.sample(range(20, 99), 2), rng.sample(range(2, 19), 2)
    cheaper, dearer = (one, two) if prices[0] < prices[1] else (two, one)
    lighter = one if weights[0] < weights[1] else two
    data = f"{one}: {prices[0]} euros, {weights[0]} kg. {two}: {prices[1]} euros, {weights[1]} kg."
    drawn = {"product": product, "one": one, "two": two, "data": data}
    family = Family(_WORDING, rng, **drawn, cheaper=cheaper, lighter=lighter)
    if rng.random() < SUBTLE_SHARE:
        wrong = Draft(family.phrase(_ANSWERS, cheaper=dearer), "The price is wrong")
    else:
        wrong = Draft(family.phrase(_INVENTED), "The answer is wrong")
    if rng.random() < 0.5:
        partial = Draft(family.phrase(_PRICE_ONLY), "The weight is missing")
    else:
        partial = Draft(family.phrase(_WEIGHT_ONLY), "The price is missing")
    flaw = pick(rng, (flaws.shout, flaws.be_rude, flaws.neglect_capitals))
    return family.build_task(
        f"{cheaper} is the cheaper one and {lighter} the lighter one.",
        wrong=wrong,
        partial=partial,
        careless=Draft(family.phrase(_ANSWERS), "All is right", flaw),
        sound=Draft(family.phrase(_ANSWERS), "All is right"),
    )
