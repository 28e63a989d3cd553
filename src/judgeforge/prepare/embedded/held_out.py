"""Families that no training row is of: directions in steps, and a comparison of two products."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Task, compare, pick


def build_directions(rng: random.Random) -> Task:
    """Ask for the way in numbered steps, from notes."""
    goal, landmarks = pick(rng, words.GOALS), rng.sample(words.LANDMARKS, 3)
    turns = [pick(rng, ("left", "right")) for _ in landmarks]
    steps = [f"{turn} at the {landmark}" for turn, landmark in zip(turns, landmarks, strict=True)]
    short = [f"{turn}-{landmark}" for turn, landmark in zip(turns, landmarks, strict=True)]
    place = rng.randrange(3)
    opposite = "left" if turns[place] == "right" else "right"
    mirrored = [*steps[:place], f"{opposite} at the {landmarks[place]}", *steps[place + 1 :]]
    mirrored_short = [*short[:place], f"{opposite}-{landmarks[place]}", *short[place + 1 :]]
    kept = [step for step in steps if step != steps[place]]
    wanted = ", ".join(short)

    def number(steps: list[str]) -> str:
        verb = pick(rng, ("Go", "Turn"))
        return " ".join(f"{index}. {verb} {step}." for index, step in enumerate(steps, start=1))

    def judge(short: list[str], conclusion: str) -> str:
        return compare(rng, ", ".join(short), "the reference", wanted, conclusion)

    right = judge(short, "so the way is right")
    if rng.random() < 0.5:
        careless = Draft(f"Go {', '.join(steps)}.", judge(short, "so the way is right, but the numbers are missing"))
    else:
        careless = Draft(number(steps), right, pick(rng, (flaws.shout, flaws.neglect_capitals, flaws.break_off)))
    if rng.random() < 0.5:
        wrong = Draft(number(mirrored), judge(mirrored_short, "so a turn is wrong"))
    else:
        wrong = Draft(number(steps[::-1]), judge(short[::-1], "so the order is wrong"))
    return Task(
        topic=f"the way to the {goal}",
        instruction=f"{pick(rng, ('Explain the way in numbered steps', 'Guide a visitor in numbered steps', 'Give directions in numbered steps'))} to the {goal}, from these notes: {', '.join(steps)}.",
        criteria=pick(
            rng,
            (
                "Do the directions lead to the goal?",
                "Are all steps right and in order?",
                "Could a visitor find the way?",
            ),
        ),
        levels=pick(
            rng,
            (
                (
                    "Shows no way at all.",
                    "Leads astray by a wrong step.",
                    "Leaves out a step.",
                    "The way is right, the form is not.",
                    "The way is right and clearly laid out.",
                ),
                (
                    "These are no directions.",
                    "A turn or the order is false.",
                    "A step has been forgotten.",
                    "Correct steps with a formal slip.",
                    "Correct steps in good form.",
                ),
            ),
        ),
        reference=" ".join(f"{index}. Go {step}." for index, step in enumerate(steps, start=1)),
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        f"The {goal} is well worth a visit.",
                        f"Ask somebody near the {landmarks[0]} about it.",
                        f"A map of the streets around the {goal} would help here.",
                    ),
                ),
                compare(rng, "no step", "the reference", wanted, "so no way is shown"),
            ),
            wrong,
            Draft(
                number(kept),
                judge([step for step in short if step != short[place]], f"so the {landmarks[place]} is missing"),
            ),
            careless,
            Draft(number(steps), right),
        ),
        remarks=(
            f"Then you see the {goal}.",
            "It is a short walk.",
            "Enjoy your visit to our town.",
            f"Most visitors reach the {goal} on foot.",
            "Wear good shoes.",
        ),
    )


def build_comparison(rng: random.Random) -> Task:
    """Ask which of two products is cheaper and which is lighter."""
    product, (one, two) = pick(rng, words.PRODUCTS), rng.sample(words.BRANDS, 2)
    prices, weights = rng.sample(range(20, 99), 2), rng.sample(range(2, 19), 2)
    cheaper = one if prices[0] < prices[1] else two
    lighter = one if weights[0] < weights[1] else two
    other = {one: two, two: one}
    wanted = f"{cheaper} cheaper, {lighter} lighter"

    def answer(cheaper: str, lighter: str) -> str:
        return pick(
            rng,
            (
                f"{cheaper} is cheaper, and {lighter} is lighter.",
                f"The cheaper {product} is {cheaper}; the lighter one is {lighter}.",
                f"{lighter} weighs less. {cheaper} costs less.",
            ),
        )

    right = compare(rng, wanted, "the reference", wanted, "so both are right")
    if rng.random() < 0.5:
        wrong = Draft(
            answer(other[cheaper], lighter),
            compare(
                rng, f"{other[cheaper]} cheaper, {lighter} lighter", "the reference", wanted, "so the price is wrong"
            ),
        )
        partial = Draft(
            f"The cheaper {product} is {cheaper}.",
            compare(rng, f"{cheaper} cheaper", "the reference", wanted, "so the weight is missing"),
        )
    else:
        wrong = Draft(
            answer(cheaper, other[lighter]),
            compare(
                rng, f"{cheaper} cheaper, {other[lighter]} lighter", "the reference", wanted, "so the weight is wrong"
            ),
        )
        partial = Draft(
            f"The lighter {product} is {lighter}.",
            compare(rng, f"{lighter} lighter", "the reference", wanted, "so the price is missing"),
        )
    return Task(
        topic=f"two {product}s",
        instruction=f"{product.capitalize()} {one}: {prices[0]} euros, {weights[0]} kg. {product.capitalize()} {two}: {prices[1]} euros, {weights[1]} kg. {pick(rng, ('Which is cheaper and which is lighter?', 'Compare price and weight: which one wins each?', 'Name the cheaper and the lighter one.'))}",
        criteria=pick(
            rng,
            (
                "Does the comparison follow from the data?",
                "Are price and weight compared correctly?",
                "Is the comparison right and whole?",
            ),
        ),
        levels=pick(
            rng,
            (
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
        ),
        reference=f"{cheaper} is the cheaper one and {lighter} the lighter one.",
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        f"It is not easy to choose between {one} and {two}.",
                        f"Every {product} has its good and bad sides.",
                        "I would wait for a test report.",
                    ),
                ),
                compare(rng, "no choice", "the reference", wanted, "so nothing is compared"),
            ),
            wrong,
            partial,
            Draft(answer(cheaper, lighter), right, pick(rng, (flaws.misspell, flaws.be_rude, flaws.neglect_capitals))),
            Draft(answer(cheaper, lighter), right),
        ),
        remarks=(
            f"Both {product}s are on sale now.",
            "The data sheet says so.",
            "I looked at price and weight only.",
            f"{one} and {two} are known brands.",
            "Choose as you like.",
        ),
    )
