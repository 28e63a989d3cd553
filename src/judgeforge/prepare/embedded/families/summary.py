"""Summaries of a notice with three required points: place, day and price."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_WORDING = Wording(
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


_CANCELLED = (
    "The {event} is cancelled and will not take place.",
    "There will be no {event} after all.",
    "The {event} had to be called off for good.",
)


def build_summary(rng: random.Random) -> Task:
    """Draw a notice of an event and ask for a summary with all three points."""
    event = pick(rng, words.EVENTS)
    town, (day, other_day) = pick(rng, words.TOWNS), rng.sample(words.DAYS, 2)
    price = rng.randint(4, 29)
    points = {"place": town, "day": day, "price": str(price)}
    lost = pick(rng, ("day", "price"))
    notice = f"The {event} comes to {town} on {day}. {pick(rng, _ASIDES)} A ticket costs {price} euros."
    family = Family(_WORDING, rng, event=event, notice=notice)

    def summarise(points: dict[str, str]) -> str:
        return family.phrase(_ANSWERS, points=_render_points(points))

    if rng.random() < SUBTLE_SHARE:
        wrong = Draft(summarise(points | {"day": other_day}), "The day is wrong")
    else:
        wrong = Draft(family.phrase(_CANCELLED), "The notice is told wrong")
    kept = {name: value for name, value in points.items() if name != lost}
    return family.build_task(
        f"The {event} is in {town} on {day} and costs {price} euros.",
        wrong=wrong,
        partial=Draft(summarise(kept), f"The {lost} is missing"),
        careless=Draft(summarise(points), "All is right", flaws.be_rude),
        sound=Draft(summarise(points), "All is right"),
    )
