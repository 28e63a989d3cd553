"""Summaries of a notice with three required points: place, day and price."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Family, Flaw, Task, Wording, pick

_WORDING = Wording(
    topic="a {event}",
    requests=(
        "Sum up this notice in a sentence with place, day and price: {notice}",
        "Summarise, and name place, day and price: {notice}",
        "Shorten this notice; keep place, day and price: {notice}",
    ),
    criteria=(
        "Does the summary hold all three points?",
        "Are place, day and price kept?",
        "Is the summary faithful and complete?",
    ),
    levels=(
        (
            "Not a summary of this notice.",
            "A point is falsified.",
            "One of the points is lost.",
            "All points kept, poor style.",
            "All points kept, good style.",
        ),
        (
            "Ignores the notice.",
            "Gets place, day or price wrong.",
            "Leaves out place, day or price.",
            "Faithful, but with a slip of style.",
            "Faithful, whole and tidy.",
        ),
    ),
    evasions=(
        "Notices about a {event} are always nice to read.",
        "A summary should be short and clear.",
        "I have read about the {event} and may sum it up later.",
    ),
    remarks=(
        "That is the notice in short.",
        "Guests are welcome there.",
        "It should be a pleasant event for families.",
        "Tell your friends about it.",
        "The notice was put up lately.",
    ),
    source="the notice",
    nothing="no point",
)
_ASIDES = (
    "Hundreds of guests are expected.",
    "Food is sold at the gate.",
    "Children may bring a friend.",
    "Dogs must stay outside.",
)
_ANSWERS = (
    "The {event} takes place{points}.",
    "You can see the {event}{points}.",
    "There is a {event}{points}.",
)
_POINTS = {"place": " in {}", "day": " on {}", "price": " for {} euros"}


def _render_points(points: dict[str, str]) -> str:
    return "".join(_POINTS[name].format(value) for name, value in points.items())


def build_summary(rng: random.Random) -> Task:
    """Draw a notice of an event and ask for a summary with all three points."""
    event = pick(rng, words.EVENTS)
    (town, other_town), (day, other_day) = rng.sample(words.TOWNS, 2), rng.sample(words.DAYS, 2)
    price = rng.randint(4, 29)
    points = {"place": town, "day": day, "price": str(price)}
    others = {"place": other_town, "day": other_day, "price": str(price + pick(rng, (3, 10, 20)))}
    changed, lost = pick(rng, list(points)), pick(rng, list(points))
    notice = f"The {event} comes to {town} on {day}. {pick(rng, _ASIDES)} A ticket costs {price} euros."
    family = Family(_WORDING, rng, ", ".join(points.values()), event=event, notice=notice)

    def summarise(points: dict[str, str], conclusion: str, flaw: Flaw | None = None) -> Draft:
        text = family.phrase(_ANSWERS, points=_render_points(points))
        return Draft(text, family.judge(", ".join(points.values()), conclusion), flaw)

    return family.build_task(
        f"The {event} is in {town} on {day} and costs {price} euros.",
        wrong=summarise(points | {changed: others[changed]}, f"the {changed} is wrong"),
        partial=summarise({name: points[name] for name in points if name != lost}, f"the {lost} is missing"),
        careless=summarise(points, "all is right", pick(rng, (flaws.shout, flaws.be_rude, flaws.break_off))),
        sound=summarise(points, "all is right"),
    )
