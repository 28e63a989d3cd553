"""Families that write to a form: polite e-mails with a reason, and records of three fields."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Task, compare, pick


def build_email(rng: random.Random) -> Task:
    """Ask for an e-mail that moves an appointment and gives the reason."""
    person, sender = pick(rng, words.SURNAMES), pick(rng, words.FIRST_NAMES)
    occasion, reason = pick(rng, words.OCCASIONS), pick(rng, words.REASONS)
    old, new, other = rng.sample(words.DAYS, 3)
    greeting = f"Dear {pick(rng, ('Ms', 'Mr', 'Dr'))} {person},"
    closing = f"{pick(rng, ('Kind regards', 'Best wishes', 'Yours sincerely'))}, {sender}"

    def ask(day: str, because: str) -> str:
        return pick(
            rng,
            (
                f"could we move the {occasion} to {day}{because}?",
                f"may I ask you to move our {occasion} to {day}{because}?",
                f"would {day} suit you for the {occasion}{because and ' instead,' + because}?",
            ),
        )

    because = f" because of {reason}"
    wanted = f"{new} and {reason}"
    right = compare(rng, wanted, "the task", wanted, "so all is said")
    if rng.random() < 0.5:
        wrong = Draft(
            f"{greeting} {ask(other, because)} {closing}",
            compare(rng, f"{other} and {reason}", "the task", wanted, "so the day is wrong"),
        )
    else:
        order = pick(
            rng,
            (
                f"you must move this stupid {occasion} to {new}{because}!",
                f"I am not coming, make it {new}, {reason}, and do not argue!",
            ),
        )
        wrong = Draft(
            f"{greeting} {order} {closing}",
            compare(rng, wanted, "the task", "a polite request", "so the tone is wrong"),
        )
    if rng.random() < 0.6:
        careless = Draft(
            f"{greeting} {ask(new, because)}",
            compare(rng, wanted, "the task", wanted, "so all is said, but it is not signed"),
        )
    else:
        careless = Draft(f"{greeting} {ask(new, because)} {closing}", right, pick(rng, (flaws.shout, flaws.misspell)))
    return Task(
        topic=f"an e-mail about a {occasion}",
        instruction=f"{pick(rng, ('Write', 'Draft', 'Compose'))} a polite e-mail from {sender} to {person}: the {occasion} of {old} should move to {new} because of {reason}.",
        criteria=pick(
            rng,
            (
                "Is the e-mail polite, correct and complete?",
                "Does it ask for the right day and say why?",
                "Would this e-mail serve its purpose?",
            ),
        ),
        levels=pick(
            rng,
            (
                (
                    "Not the e-mail asked for.",
                    "Wrong day, or rude.",
                    "Asks politely, gives no reason.",
                    "Day and reason given, formal slip.",
                    "Polite, signed, day and reason given.",
                ),
                (
                    "Something else is written.",
                    "The request is wrong or offends.",
                    "The reason is left out.",
                    "All said, small fault of form.",
                    "All said in good form.",
                ),
            ),
        ),
        reference=f"Dear {person}, could our {occasion} be moved to {new} because of {reason}? Kind regards, {sender}",
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        f"An e-mail to {person} should have a greeting and an end.",
                        f"{person} will surely be glad to hear from you.",
                        f"I will write to {person} tomorrow.",
                    ),
                ),
                compare(rng, "no request", "the task", wanted, "so no e-mail is written"),
            ),
            wrong,
            Draft(
                f"{greeting} {ask(new, '')} {closing}",
                compare(rng, f"{new} and no reason", "the task", wanted, "so the reason is missing"),
            ),
            careless,
            Draft(f"{greeting} {ask(new, because)} {closing}", right),
        ),
        remarks=(
            "Here is the text.",
            "You can send it at once.",
            "I kept it short and simple.",
            "It is easy to read.",
            "An e-mail is best for this.",
        ),
    )


def build_record(rng: random.Random) -> Task:
    """Ask for a sentence about a person as a record of three fields."""
    first, (surname, stranger) = pick(rng, words.FIRST_NAMES), rng.sample(words.SURNAMES, 2)
    city, other_city = rng.sample(words.TOWNS, 2)
    year = rng.randint(1941, 2008)
    other_year = year + rng.choice((-1, 1)) * rng.choice((2, 9, 11, 20))
    fields = {"Name": surname, "City": city, "Born": str(year)}
    alternatives = {"Name": stranger, "City": other_city, "Born": str(other_year)}
    changed, lost = pick(rng, list(fields)), pick(rng, list(fields))
    altered = fields | {changed: alternatives[changed]}
    kept = {field: value for field, value in fields.items() if field != lost}
    wanted = ", ".join(fields.values())

    def render(fields: dict[str, str]) -> str:
        joint = pick(rng, ("; ", " / ", " | "))
        return joint.join(f"{field}: {value}" for field, value in fields.items()) + "."

    def judge(fields: dict[str, str], conclusion: str) -> str:
        return compare(rng, ", ".join(fields.values()), "the sentence", wanted, conclusion)

    sentence = pick(
        rng,
        (
            f"{first} {surname} was born in {year} and lives in {city}.",
            f"{first} {surname} of {city} was born in {year}.",
            f"In {year} {first} {surname} was born, who now lives in {city}.",
        ),
    )
    right = judge(fields, "so all fields are right")
    if rng.random() < 0.6:
        careless = Draft(
            pick(rng, (", ", " - ")).join(fields.values()) + ".",
            judge(fields, "so all is right, but field names are missing"),
        )
    else:
        careless = Draft(render(fields), right, pick(rng, (flaws.neglect_capitals, flaws.break_off, flaws.be_rude)))
    return Task(
        topic="a person's record",
        instruction=f"{pick(rng, ('Turn this into a record with Name (surname), City and Born:', 'Fill the fields Name (surname), City and Born:', 'Make a record of three fields, Name (surname), City, Born:'))} {sentence}",
        criteria=pick(
            rng,
            (
                "Are the three fields filled in correctly?",
                "Does the record agree with the sentence?",
                "Is the record right and complete?",
            ),
        ),
        levels=pick(
            rng,
            (
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
        ),
        reference=f"Name: {surname}; City: {city}; Born: {year}",
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        "A record has fields, and each field has a value.",
                        f"{first} seems to be an interesting person.",
                        "I need more details before I can fill in anything.",
                    ),
                ),
                compare(rng, "no field", "the sentence", wanted, "so nothing is filled in"),
            ),
            Draft(render(altered), judge(altered, f"so {changed} is wrong")),
            Draft(render(kept), judge(kept, f"so {lost} is missing")),
            careless,
            Draft(render(fields), right),
        ),
        remarks=(
            "Here is what you asked for.",
            "The data come from your sentence.",
            "Keep such records in a safe place.",
            f"{first} may want to check this.",
            "Records help to find people quickly.",
        ),
    )
