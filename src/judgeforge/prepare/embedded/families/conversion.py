"""Quantities in another unit, with the factor."""

import random

from judgeforge.prepare.embedded import flaws
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_UNITS = (
    ("decades", "decade", "years", 10),
    ("metres", "metre", "centimetres", 100),
    ("hours", "hour", "minutes", 60),
    ("minutes", "minute", "seconds", 60),
    ("gallons", "gallon", "pints", 8),
    ("days", "day", "hours", 24),
    ("weeks", "week", "days", 7),
    ("feet", "foot", "inches", 12),
    ("dozens", "dozen", "pieces", 12),
    ("years", "year", "months", 12),
)
_WORDING = Wording(
    requests=(
        "Convert {amount} {large} into {small} and state the factor.",
        "How many {small} are {amount} {large}? Say which factor you use.",
        "Express {amount} {large} in {small}, and name the factor.",
    ),
    criteria=(
        "Is the conversion right and the factor named?",
        "Are result and factor given correctly?",
        "How exact and complete is the conversion?",
    ),
    levels=(
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
    evasions=(
        "Both {large} and {small} are units in daily use.",
        "A calculator on the internet will do this for you.",
        "You want {small} and not {large}, I understand.",
    ),
    remarks=(
        "One often meets {small} in tables.",
        "Units matter in science.",
        "I hope this is of use to you.",
        "Not everyone remembers how {large} are defined.",
        "Write it down for later.",
    ),
)
_ANSWERS = (
    "{amount} {large} are {value} {small}, because 1 {single} = {factor} {small}.",
    "Since 1 {single} = {factor} {small}, the result is {value} {small}.",
    "1 {single} has {factor} {small}. So {amount} {large} make {value} {small}.",
)
_VALUE_ONLY = (
    "{amount} {large} are {value} {small}.",
    "The result is {value} {small}.",
    "With the usual factor that makes {value} {small}.",
)


_DENIALS = (
    "{large} cannot be turned into {small}.",
    "There is no way to turn {large} into {small}.",
    "{amount} {large} stay {amount} {large}, for {small} are another thing.",
)


def build_conversion(rng: random.Random) -> Task:
    """Draw a quantity and ask for it in the smaller unit."""
    large, single, small, factor = pick(rng, _UNITS)
    amount = rng.randint(2, 48)
    value = amount * factor
    wrong_value = pick(rng, (value * 10, value + factor, value - factor, amount + factor))
    drawn = {"large": large, "single": single, "small": small, "factor": factor, "amount": amount}
    family = Family(_WORDING, rng, **drawn, value=value)
    if rng.random() < SUBTLE_SHARE:
        wrong = Draft(family.phrase(_ANSWERS, value=wrong_value), "The result is wrong")
    else:
        wrong = Draft(family.phrase(_DENIALS), "The result is wrong")
    return family.build_task(
        f"{amount} {large} = {value} {small}, as 1 {single} = {factor} {small}.",
        wrong=wrong,
        partial=Draft(family.phrase(_VALUE_ONLY), "The factor is missing"),
        careless=Draft(family.phrase(_ANSWERS), "All is right", flaws.shout),
        sound=Draft(family.phrase(_ANSWERS), "All is right"),
    )
