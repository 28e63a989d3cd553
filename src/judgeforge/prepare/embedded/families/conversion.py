"""Quantities in another unit, with the factor."""

import random

from judgeforge.prepare.embedded import flaws
from judgeforge.prepare.embedded.tasks import Draft, Family, Task, Wording, pick

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
    topic="{large} and {small}",
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
    source="the reference",
    nothing="no number",
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


def build_conversion(rng: random.Random) -> Task:
    """Draw a quantity and ask for it in the smaller unit."""
    large, single, small, factor = pick(rng, _UNITS)
    amount = rng.randint(2, 48)
    value = amount * factor
    wrong_value = pick(rng, (value * 10, value + factor, value - factor, amount + factor))
    drawn = {"large": large, "single": single, "small": small, "factor": factor, "amount": amount}
    wanted = f"{value} by {factor}"
    family = Family(_WORDING, rng, wanted, **drawn, value=value)
    flaw = pick(rng, (flaws.shout, flaws.neglect_capitals, flaws.break_off))
    return family.build_task(
        f"{amount} {large} = {value} {small}, as 1 {single} = {factor} {small}.",
        wrong=Draft(
            family.phrase(_ANSWERS, value=wrong_value),
            family.judge(f"{wrong_value} by {factor}", "the result is wrong"),
        ),
        partial=Draft(family.phrase(_VALUE_ONLY), family.judge(f"{value}", "the factor is missing")),
        careless=Draft(family.phrase(_ANSWERS), family.judge(wanted, "both are right"), flaw),
        sound=Draft(family.phrase(_ANSWERS), family.judge(wanted, "both are right")),
    )
