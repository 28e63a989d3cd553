"""A sentence about a person, turned into a record of three fields."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Family, Flaw, Task, Wording, pick

_WORDING = Wording(
    topic="a person's data",
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
    source="the sentence",
    nothing="no field",
)
_SENTENCES = (
    "{first} {surname} was born in {year} and lives in {city}.",
    "{first} {surname} of {city} was born in {year}.",
    "In {year} {first} {surname} was born, who now lives in {city}.",
)


def build_record(rng: random.Random) -> Task:
    """Draw a person and ask for the record."""
    first, (surname, stranger) = pick(rng, words.FIRST_NAMES), rng.sample(words.SURNAMES, 2)
    city, other_city = rng.sample(words.TOWNS, 2)
    year = rng.randint(1941, 2008)
    fields = {"Name": surname, "City": city, "Born": str(year)}
    others = {"Name": stranger, "City": other_city, "Born": str(year + pick(rng, (-20, -11, -9, -2, 2, 9, 11)))}
    changed, lost = pick(rng, list(fields)), pick(rng, list(fields))
    sentence = pick(rng, _SENTENCES).format(first=first, surname=surname, city=city, year=year)
    family = Family(_WORDING, rng, " ".join(fields.values()), first=first, sentence=sentence)

    def fill_in(fields: dict[str, str], conclusion: str, flaw: Flaw | None = None) -> Draft:
        text = pick(rng, ("; ", " / ", " | ")).join(f"{field}: {value}" for field, value in fields.items())
        return Draft(f"{text}.", family.judge(" ".join(fields.values()), conclusion), flaw)

    if rng.random() < 0.6:
        text = pick(rng, (", ", " - ")).join(fields.values()) + "."
        careless = Draft(text, family.judge(" ".join(fields.values()), "all is right, but field names are left out"))
    else:
        flaw = pick(rng, (flaws.neglect_capitals, flaws.break_off, flaws.be_rude))
        careless = fill_in(fields, "all is right", flaw)
    return family.build_task(
        f"Name: {surname}; City: {city}; Born: {year}",
        wrong=fill_in(fields | {changed: others[changed]}, f"{changed} is wrong"),
        partial=fill_in({field: fields[field] for field in fields if field != lost}, f"{lost} is missing"),
        careless=careless,
        sound=fill_in(fields, "all is right"),
    )
