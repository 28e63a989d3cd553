"""A sentence about a person, turned into a record of three fields."""

import random

from judgeforge.prepare.embedded import words
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_WORDING = Wording(
    requests=(
        "Turn this into a record with Name (surname), City and Born: {sentence}",
        "Fill the fields Name (surname), City and Born: {sentence}",
        "Make a record of three fields, Name (surname), City, Born: {sentence}",
    ),
    criteria=(
        "Are the three fields filled in correctly?",
        "Does the record agree with the sentence?",
        "Is the record right and complete?",
    ),
    levels=(
        (
            "There is no record.",
            "A field holds a wrong value.",
            "A field is missing.",
            "Values right, format not kept.",
            "Values and format right.",
        ),
        (
            "The sentence was not turned into fields.",
            "One value is false.",
            "One value is absent.",
            "All values there, slip in the format.",
            "All values there in the format asked.",
        ),
    ),
    evasions=(
        "A record has fields, and each field has a value.",
        "{first} seems to be an interesting person.",
        "I need more details before I can fill in anything.",
    ),
    remarks=(
        "Here is what I wrote.",
        "Keep such things in a safe place.",
        "{first} may want to check this.",
        "Records help to find people quickly.",
        "I took your sentence.",
    ),
)
_SENTENCES = (
    "{first} {surname} was born in {year} and lives in {city}.",
    "{first} {surname} of {city} was born in {year}.",
    "In {year} {first} {surname} was born, who now lives in {city}.",
)


def build_record(rng: random.Random) -> Task:
    """Draw a person and ask for the record."""
    first, (surname, stranger) = pick(rng, words.FIRST_NAMES), rng.sample(words.SURNAMES, 2)
    city = pick(rng, words.TOWNS)
    year = rng.randint(1941, 2008)
    fields = {"Name": surname, "City": city, "Born": str(year)}
    lost = pick(rng, list(fields))
    sentence = pick(rng, _SENTENCES).format(first=first, surname=surname, city=city, year=year)
    family = Family(_WORDING, rng, first=first, sentence=sentence)

    def fill_in(fields: dict[str, str]) -> str:
        return "; ".join(f"{field}: {value}" for field, value in fields.items()) + "."

    if rng.random() < SUBTLE_SHARE:
        wrong = Draft(fill_in(fields | {"Name": stranger}), "The name is wrong")
    else:
        mixed = {"Name": str(year), "City": surname, "Born": city}
        wrong = Draft(fill_in(mixed), "The fields are wrong")
    kept = {field: value for field, value in fields.items() if field != lost}
    dashed = " - ".join(f"{field} {value}" for field, value in fields.items()) + "."
    return family.build_task(
        f"Name: {surname}; City: {city}; Born: {year}",
        wrong=wrong,
        partial=Draft(fill_in(kept), f"The field {lost} is missing"),
        careless=Draft(dashed, "All is right, but the colons are left out"),
        sound=Draft(fill_in(fields), "All is right"),
    )
