"""Families that answer from a given text: facts in a passage, and summaries with required points."""

import random

from judgeforge.prepare.embedded import flaws, words
from judgeforge.prepare.embedded.tasks import Draft, Task, compare, pick


def build_passage_facts(rng: random.Random) -> Task:
    """Ask for the year and the designer that a passage states."""
    building, town = pick(rng, words.BUILDINGS), pick(rng, words.TOWNS)
    person, stranger = rng.sample(words.SURNAMES, 2)
    year = rng.randint(1820, 1999)
    other_year = year + rng.choice((-1, 1)) * rng.choice((9, 10, 18, 20, 30))
    sentences = [f"The {building} of {town} opened in {year}.", f"It was designed by {person}."]
    sentences.insert(rng.randrange(1, 3), f"It has {pick(rng, words.FEATURES)}.")
    question = pick(
        rng,
        (
            f"When did the {building} open, and who designed it?",
            f"Who designed the {building}, and in which year did it open?",
            f"Name the year of opening and the designer of the {building}.",
        ),
    )

    def answer(year: int, person: str) -> str:
        return pick(
            rng,
            (
                f"The {building} opened in {year}. Its designer was {person}.",
                f"{person} designed the {building}, which opened in {year}.",
                f"It opened in {year} and was designed by {person}.",
            ),
        )

    wanted = f"{year} and {person}"
    right = compare(rng, wanted, "the passage", wanted, "so both facts are right")
    if rng.random() < 0.5:
        wrong = Draft(
            answer(other_year, person),
            compare(rng, f"{other_year} and {person}", "the passage", wanted, "so the year is wrong"),
        )
    else:
        wrong = Draft(
            answer(year, stranger),
            compare(rng, f"{year} and {stranger}", "the passage", wanted, "so the designer is wrong"),
        )
    if rng.random() < 0.5:
        partial = Draft(
            pick(rng, (f"The {building} opened in {year}.", f"It was in {year} that it opened.")),
            compare(rng, f"{year} and no designer", "the passage", wanted, "so the designer is missing"),
        )
    else:
        partial = Draft(
            pick(rng, (f"The {building} was designed by {person}.", f"{person} was its designer.")),
            compare(rng, f"{person} and no year", "the passage", wanted, "so the year is missing"),
        )
    return Task(
        topic=f"the {building} of {town}",
        instruction=f"{' '.join(sentences)} {question}",
        criteria=pick(
            rng,
            (
                "Are both facts given as in the passage?",
                "Does the answer agree with the passage?",
                "Is the answer true to the text and complete?",
            ),
        ),
        levels=pick(
            rng,
            (
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
        ),
        reference=f"The {building} opened in {year} and was designed by {person}.",
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        f"The question about the {building} is an interesting one.",
                        f"I shall look up the {building} and tell you soon.",
                        f"Sorry, I cannot say anything about the {building}.",
                    ),
                ),
                compare(rng, "no year and no designer", "the passage", wanted, "so nothing is answered"),
            ),
            wrong,
            partial,
            Draft(answer(year, person), right, pick(rng, (flaws.neglect_capitals, flaws.break_off, flaws.misspell))),
            Draft(answer(year, person), right),
        ),
        remarks=(
            "This is what the passage tells us.",
            f"Many people visit {town} every summer.",
            f"The {building} is well known in {town}.",
            "I read it with care.",
            "Old buildings have long stories.",
        ),
    )


def build_summary(rng: random.Random) -> Task:
    """Ask for a summary of a notice that names place, day and price."""
    event, town, other_town = pick(rng, words.EVENTS), *rng.sample(words.TOWNS, 2)
    day, other_day = rng.sample(words.DAYS, 2)
    price = rng.randint(4, 29)
    other_price = price + rng.choice((3, 10, 20))
    notice = f"The {event} comes to {town} on {day}. {pick(rng, ('Hundreds of guests are expected.', 'Food is sold at the gate.', 'Children may bring a friend.', 'Dogs must stay outside.'))} A ticket costs {price} euros."

    def summarise(points: dict[str, str]) -> str:
        place = f" in {points['place']}" if "place" in points else ""
        when = f" on {points['day']}" if "day" in points else ""
        cost = f" for {points['price']} euros" if "price" in points else ""
        return pick(
            rng,
            (
                f"The {event} takes place{place}{when}{cost}.",
                f"You can see the {event}{place}{when}{cost}.",
                f"There is a {event}{place}{when}{cost}.",
            ),
        )

    points = {"place": town, "day": day, "price": str(price)}
    wanted = f"{town}, {day}, {price}"
    lost = pick(rng, ("place", "day", "price"))
    kept = {name: value for name, value in points.items() if name != lost}
    changed = pick(rng, ("place", "day", "price"))
    altered = points | {changed: {"place": other_town, "day": other_day, "price": str(other_price)}[changed]}
    right = compare(rng, wanted, "the notice", wanted, "so all points are right")
    return Task(
        topic=f"a {event}",
        instruction=f"{pick(rng, ('Sum up this notice in a sentence with place, day and price:', 'Summarise, and name place, day and price:', 'Shorten this notice; keep place, day and price:'))} {notice}",
        criteria=pick(
            rng,
            (
                "Does the summary hold all three points?",
                "Are place, day and price kept?",
                "Is the summary faithful and complete?",
            ),
        ),
        levels=pick(
            rng,
            (
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
        ),
        reference=f"The {event} is in {town} on {day} and costs {price} euros.",
        drafts=(
            Draft(
                pick(
                    rng,
                    (
                        f"Notices about a {event} are always nice to read.",
                        "A summary should be short and clear.",
                        f"I have read about the {event} and may sum it up later.",
                    ),
                ),
                compare(rng, "no point at all", "the notice", wanted, "so nothing is summed up"),
            ),
            Draft(
                summarise(altered),
                compare(rng, ", ".join(altered.values()), "the notice", wanted, f"so the {changed} is wrong"),
            ),
            Draft(
                summarise(kept),
                compare(rng, ", ".join(kept.values()), "the notice", wanted, f"so the {lost} is missing"),
            ),
            Draft(summarise(points), right, pick(rng, (flaws.shout, flaws.be_rude, flaws.break_off))),
            Draft(summarise(points), right),
        ),
        remarks=(
            "That is the notice in short.",
            "Guests are welcome there.",
            "It should be a pleasant event for families.",
            "Tell your friends about it.",
            "The notice was put up this week.",
        ),
    )
