"""Facts in a passage: the year and the designer of a building."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_WORDING = Wording(
    requests=(
        "{passage} When did the {building} open, and who designed it?",
        "{passage} Who designed the {building}, and in which year did it open?",
        "{passage} Name the opening year and the designer of the {building}.",
    ),
    criteria=(
        "Are both facts given as in the passage?",
        "Does the answer agree with the passage?",
        "Is the answer true to the text and complete?",
    ),
    levels=(
        (
            "Does not answer the question.",
            "A fact contradicts the passage.",
            "One fact is missing.",
            "Both facts right, careless writing.",
            "Both facts right and well written.",
        ),
        (
            "No answer to what was asked.",
            "States something the passage denies.",
            "True, but only half the answer.",
            "True and complete, sloppy in form.",
            "True, complete and clean.",
        ),
    ),
    evasions=(
        "The question about the {building} is an interesting one.",
        "I shall look up the {building} and tell you soon.",
        "Sorry, I cannot say anything about the {building}.",
    ),
    remarks=(
        "This is what I know.",
        "Many people visit {town} every summer.",
        "The {building} is well known in {town}.",
        "I read it with care.",
        "Old buildings have long stories.",
    ),
)
_ANSWERS = (
    "The {building} opened in {year}. Its designer was {person}.",
    "{person} designed the {building}, which opened in {year}.",
    "It opened in {year} and was designed by {person}.",
)
_YEAR_ONLY = ("The {building} opened in {year}.", "It was in {year} that it opened.")
_PERSON_ONLY = ("The {building} was designed by {person}.", "{person} was its designer.")


_DENIALS = (
    "The passage does not say when it opened or who designed it.",
    "Nobody knows who designed the {building}, nor when.",
    "There was never any {building} in {town}.",
)


def build_passage_facts(rng: random.Random) -> Task:
    """Draw a passage on a building and ask for two of its facts."""
    building, town = pick(rng, words.BUILDINGS), pick(rng, words.TOWNS)
    person = pick(rng, words.SURNAMES)
    year = rng.randint(1820, 1990)
    other_year = year + pick(rng, (-30, -20, -18, -9, 9, 18, 20, 30))
    sentences = [f"The {building} of {town} opened in {year}.", f"It was designed by {person}."]
    sentences.insert(rng.randrange(1, 3), f"It has {pick(rng, words.FEATURES)}.")
    drawn = {"passage": " ".join(sentences), "building": building, "town": town, "year": year, "person": person}
    family = Family(_WORDING, rng, **drawn)
    if rng.random() < SUBTLE_SHARE:
        wrong = Draft(family.phrase(_ANSWERS, year=other_year), "The year is wrong")
    else:
        wrong = Draft(family.phrase(_DENIALS), "The answer is wrong")
    if rng.random() < 0.5:
        partial = Draft(family.phrase(_YEAR_ONLY), "The designer is missing")
    else:
        partial = Draft(family.phrase(_PERSON_ONLY), "The year is missing")
    return family.build_task(
        f"The {building} opened in {year} and was designed by {person}.",
        wrong=wrong,
        partial=partial,
        careless=Draft(family.phrase(_ANSWERS), "All is right", flaws.misspell),
        sound=Draft(family.phrase(_ANSWERS), "All is right"),
    )
