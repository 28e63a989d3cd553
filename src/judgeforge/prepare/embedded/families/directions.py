"""Held out: the way to a place in numbered steps, from notes."""

import random
from collections.abc import Sequence

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_STEPS = 3
_WORDING = Wording(
    requests=(
        "Explain the way to the {goal} in numbered steps, from these notes: {notes}.",
        "Guide a visitor to the {goal} in numbered steps. Notes: {notes}.",
        "Give directions to the {goal} as numbered steps, by these notes: {notes}.",
    ),
    criteria=(
        "Do the directions lead to the goal?",
        "Are all steps right and in order?",
        "Could a visitor find the way?",
    ),
    levels=(
        (
            "Shows no way at all.",
            "Leads astray by a wrong step.",
            "Right way, but the steps are not numbered.",
            "The way is right, the form is not.",
            "The way is right and clearly laid out.",
        ),
        (
            "These are no directions.",
            "A turn or the order is false.",
            "The steps lack numbers.",
            "Correct steps with a formal slip.",
            "Correct steps in good form.",
        ),
    ),
    evasions=(
        "The {goal} is well worth a visit.",
        "Ask somebody in the street about it.",
        "A map of the streets around the {goal} would help here.",
    ),
    remarks=(
        "It is a short walk.",
        "Enjoy your visit to our town.",
        "Most visitors come on foot.",
        "Wear good shoes.",
        "The {goal} opens at ten.",
    ),
)


def _number(steps: Sequence[str], verb: str) -> str:
    return " ".join(f"{place}. {verb} {step}." for place, step in enumerate(steps, start=1))


_LOST = (
    "Go wherever you like, all ways lead to the {goal}.",
    "There is no way to the {goal} from here.",
    "I guess it is somewhere on the left, more or less.",
)


def build_directions(rng: random.Random) -> Task:
    """Draw notes of three turns and ask for directions."""
    goal, landmarks = pick(rng, words.GOALS), rng.sample(words.LANDMARKS, _STEPS)
    turns = [pick(rng, ("left", "right")) for _ in landmarks]
    steps = [f"{turn} at the {landmark}" for turn, landmark in zip(turns, landmarks, strict=True)]
    verb = pick(rng, ("Go", "Turn"))
    family = Family(_WORDING, rng, goal=goal, notes=", ".join(steps))
    if rng.random() < SUBTLE_SHARE:
        wrong = Draft(_number(steps[::-1], verb), "The order is wrong")
    else:
        wrong = Draft(family.phrase(_LOST), "The way is wrong")
    flaw = pick(rng, (flaws.shout, flaws.neglect_capitals, flaws.break_off))
    return family.build_task(
        _number(steps, "Go"),
        wrong=wrong,
        partial=Draft(f"{verb} {', '.join(steps)}.", "The numbers are missing"),
        careless=Draft(_number(steps, verb), "All is right", flaw),
        sound=Draft(_number(steps, verb), "All is right"),
    )
