"""Families that calculate: sums with steps, and unit conversion with its factor."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Task, compare, pick

_UNITS = (
    ("kilometres", "metres", 1000),
    ("metres", "centimetres", 100),
    ("hours", "minutes", 60),
    ("minutes", "seconds", 60),
    ("kilograms", "grams", 1000),
    ("days", "hours", 24),
    ("weeks", "days", 7),
    ("feet", "inches", 12),
    ("litres", "millilitres", 1000),
    ("dozens", "pieces", 12),
)


def build_arithmetic(rng: random.Random) -> Task:
    """Ask for a sum of money with its two steps."""
    name, good, extra = pick(rng, words.FIRST_NAMES), pick(rng, words.GOODS), pick(rng, words.EXTRAS)
    count, price, extra_price = rng.randint(2, 9), rng.randint(2, 9), rng.randint(3, 19)
    part = count * price
    total = part + extra_price
    wrong_total = total + rng.choice((-1, 1)) * rng.choice((1, 2, 3, 10))

    def solve(total: int, unit: str = " dollars") -> str:
        return pick(
            rng,
            (
                f"{count} x {price} = {part}, and {part} + {extra_price} = {total}. It costs {total}{unit}.",
                f"First {count} x {price} = {part}. Then {part} + {extra_price} = {total}{unit}.",
                f"The {good}s cost {count} x {price} = {part}. With the {extra}: {part} + {extra_price} = {total}{unit}.",
            ),
        )

    wanted = f"{total} dollars with steps"
    right = compare(rng, wanted, "the reference", wanted, "so the sum is right")
    if rng.random() < 0.5:
        careless = Draft(
            solve(total, ""),
            compare(rng, f"{total} with steps", "the reference", wanted, "so it is right, but dollars is left out"),
        )
    else:
        careless = Draft(solve(total), right, pick(rng, (flaws.misspell, flaws.be_rude)))
    return Task(
        topic=f"what {name} pays",
        instruction=f"{name} buys {count} {good}s at {price} dollars each and a {extra} for {extra_price} dollars. {pick(rng, ('What is the total? Show the steps.', 'How much is it in all? Give each step.', 'Work out the cost step by step.'))}",
        criteria=pick(
            rng,
            (
                "Is the sum right and are the steps shown?",
                "Is the total correct, with its working?",
                "Can one follow how the right total comes about?",
            ),
        ),
        levels=pick(
            rng,
            (
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
        ),
        reference=f"{count} x {price} = {part}. {part} + {extra_price} = {total}. {name} pays {total} dollars.",
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        f"Buying {good}s can cost quite a lot these days.",
                        f"{name} should ask in the shop what it costs.",
                        "Sums like this need time, so please wait.",
                    ),
                ),
                compare(rng, "no total", "the reference", wanted, "so nothing is worked out"),
            ),
            Draft(
                solve(wrong_total),
                compare(rng, f"{wrong_total} dollars with steps", "the reference", wanted, "so the total is wrong"),
            ),
            Draft(
                pick(
                    rng,
                    (
                        f"{name} pays {total} dollars for everything.",
                        f"The total is {total} dollars.",
                        f"All of it costs {total} dollars.",
                    ),
                ),
                compare(rng, f"{total} dollars without steps", "the reference", wanted, "so the steps are missing"),
            ),
            careless,
            Draft(solve(total), right),
        ),
        remarks=(
            f"{name} can pay that at the till.",
            f"So much for the {good}s and the {extra}.",
            "Prices include tax.",
            "I used the prices you gave.",
            "That was a nice little sum.",
        ),
    )


def build_conversion(rng: random.Random) -> Task:
    """Ask for a quantity in another unit, with the factor."""
    large, small, factor = pick(rng, _UNITS)
    amount = rng.randint(2, 48)
    value = amount * factor
    wrong_value = pick(rng, (value * 10, value + factor, value - factor, amount + factor))
    singular = {"feet": "foot"}.get(large, large.removesuffix("s"))
    rule = f"1 {singular} = {factor} {small}"

    def convert(value: int) -> str:
        return pick(
            rng,
            (
                f"{amount} {large} are {value} {small}, because {rule}.",
                f"Since {rule}, the result is {value} {small}.",
                f"We know that {rule}. So {amount} {large} make {value} {small}.",
            ),
        )

    wanted = f"{value} and the factor {factor}"
    right = compare(rng, wanted, "the reference", wanted, "so both are right")
    return Task(
        topic=f"turning {large} into {small}",
        instruction=pick(
            rng,
            (
                f"Convert {amount} {large} into {small} and state the factor.",
                f"How many {small} are {amount} {large}? Say which factor you use.",
                f"Express {amount} {large} in {small}, and name the factor.",
            ),
        ),
        criteria=pick(
            rng,
            (
                "Is the conversion right and the factor named?",
                "Are result and factor given correctly?",
                "How exact and complete is the conversion?",
            ),
        ),
        levels=pick(
            rng,
            (
                (
                    "Nothing is converted.",
                    "The result is false.",
                    "Result right, factor not named.",
                    "Result and factor right, clumsy form.",
                    "Result and factor right, clear form.",
                ),
                (
                    "Not about this conversion.",
                    "A wrong number comes out.",
                    "The factor is left out.",
                    "Correct and complete except for form.",
                    "Correct and complete in every way.",
                ),
            ),
        ),
        reference=f"{amount} {large} = {value} {small}, as {rule}.",
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        f"{large.capitalize()} and {small} are both units in daily use.",
                        "A calculator on the internet will do this for you.",
                        f"You want {small} and not {large}, I understand.",
                    ),
                ),
                compare(rng, "no number", "the reference", wanted, "so nothing is converted"),
            ),
            Draft(
                convert(wrong_value),
                compare(
                    rng, f"{wrong_value} and the factor {factor}", "the reference", wanted, "so the result is wrong"
                ),
            ),
            Draft(
                pick(
                    rng,
                    (
                        f"{amount} {large} are {value} {small}.",
                        f"The result is {value} {small}.",
                        f"That makes {value} {small}.",
                    ),
                ),
                compare(rng, f"{value} and no factor", "the reference", wanted, "so the factor is missing"),
            ),
            Draft(convert(value), right, pick(rng, (flaws.shout, flaws.neglect_capitals, flaws.break_off))),
            Draft(convert(value), right),
        ),
        remarks=(
            f"One often meets {small} in tables.",
            "Units matter in science.",
            "I hope this is of use to you.",
            f"Not everyone remembers how {large} are defined.",
            "Write it down for later.",
        ),
    )
