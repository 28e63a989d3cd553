"""Held out: the way to a place in numbered steps, from notes."""

import random
from collections.abc import Sequence

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Family, Flaw, Task, Wording, pick

_STEPS = 3
_WORDING = Wording(
    topic="the way to the {goal}",
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
    source="the reference",
    nothing="no step",
)


def _number(steps: Sequence[str], verb: str) -> str:
    return " ".join(f"{place}. {verb} {step}." for place, step in enumerate(steps, start=1))


def build_directions(rng: random.Random) -> Task:
    """Draw notes of three turns and ask for directions."""
    goal, landmarks = pick(rng, words.GOALS), rng.sample(words.LANDMARKS, _STEPS)
    turns = [pick(rng, ("left", "right")) for _ in landmarks]
    steps = [f"{turn} at the {landmark}" for turn, landmark in zip(turns, landmarks, strict=True)]
    place = rng.randrange(_STEPS)
    opposite = "right" if turns[place] == "left" else "left"
    misled = [*steps[:place], f"{opposite} at the {landmarks[place]}", *steps[place + 1 :]]
    family = Family(_WORDING, rng, ", ".join(steps), goal=goal, notes=", ".join(steps))

    def guide(steps: list[str], conclusion: str, flaw: Flaw | None = None) -> Draft:
        text = _number(steps, pick(rng, ("Go", "Turn")))
        return Draft(text, family.judge(", ".join(steps), conclusion), flaw)

    if rng.random() < 0.5:
        judgement = family.judge(", ".join(steps), "it is right, but the numbers are left out")
        careless = Draft(f"Go {', '.join(steps)}.", judgement)
    else:
        flaw = pick(rng, (flaws.shout, flaws.neglect_capitals, flaws.break_off))
        careless = guide(steps, "it is right", flaw)
    wrong = pick(rng, ((misled, "a turn is wrong"), (steps[::-1], "the order is wrong")))
    return family.build_task(
        _number(steps, "Go"),
        wrong=guide(*wrong),
        partial=guide([step for step in steps if step != steps[place]], f"the {landmarks[place]} is missing"),
        careless=careless,
        sound=guide(steps, "it is right"),
    )
