"""Polite e-mails that move an appointment and give the reason."""

import random

from judgeforge.prepare.embedded import words
from judgeforge.prepare.embedded.tasks import SUBTLE_SHARE, Draft, Family, Task, Wording, pick

_WORDING = Wording(
    requests=(
        "Write a polite e-mail from {sender} to {person}: {day}, not {old}, for the {occasion}, as there is {reason}.",
        "{sender} has {reason}. Draft a polite e-mail to {person}: shift the {occasion} from {old} to {day}; say why.",
        "Write a kind e-mail to {person}, signed {sender}: the {occasion} on {day}, not {old}, due to {reason}.",
    ),
    criteria=(
        "Is the e-mail polite, correct and complete?",
        "Does it ask for the right day and say why?",
        "Would this e-mail serve its purpose?",
    ),
    levels=(
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
    evasions=(
        "An e-mail to {person} should have a greeting and an end.",
        "{person} will surely be glad to hear from you.",
        "I will write to {person} tomorrow.",
    ),
    remarks=(
        "Here is the text.",
        "You can send it at once.",
        "I kept it short and simple.",
        "It is easy to read.",
        "An e-mail is best for this.",
    ),
)
_HEAD, _FOOT = "Dear {title} {person}, ", " {closing}, {sender}"
_REQUESTS = (
    "could we move the {occasion} to {day}{because}?",
    "may I ask you to move our {occasion} to {day}{because}?",
    "would it suit you to have the {occasion} on {day}{because}?",
)
_ORDERS = {
    "stupid {occasion}": "you must move this stupid {occasion} to {day}{because}!",
    "do not argue": "I want the {occasion} on {day}{because}, and do not argue!",
    "or else": "move the {occasion} to {day}{because}, or else!",
}


def build_email(rng: random.Random) -> Task:
    """Draw an appointment and ask for an e-mail that moves it."""
    person, sender = pick(rng, words.SURNAMES), pick(rng, words.FIRST_NAMES)
    occasion, reason = pick(rng, words.OCCASIONS), pick(rng, words.REASONS)
    old, day, other_day = rng.sample(words.DAYS, 3)
    title, closing = pick(rng, ("Ms", "Mr", "Dr")), pick(rng, ("Kind regards", "Best wishes", "Yours sincerely"))
    drawn = {"person": person, "sender": sender, "occasion": occasion, "reason": reason, "old": old}
    because = f" because of {reason}"
    family = Family(_WORDING, rng, **drawn, day=day, title=title, closing=closing, because=because)
    letters = tuple(_HEAD + request + _FOOT for request in _REQUESTS)
    if rng.random() < SUBTLE_SHARE:
        wrong = Draft(family.phrase(letters, day=other_day), "The day is wrong")
    else:
        rude = pick(rng, list(_ORDERS))
        text = family.phrase((_HEAD + _ORDERS[rude] + _FOOT,))
        wrong = Draft(text, "The tone is wrong")
    unsigned = family.phrase(tuple(_HEAD + request for request in _REQUESTS))
    return family.build_task(
        f"Dear {person}, could our {occasion} be moved to {day} because of {reason}? Kind regards, {sender}",
        wrong=wrong,
        partial=Draft(family.phrase(letters, because=""), "The reason is missing"),
        careless=Draft(unsigned, "All is right, but the name is left out"),
        sound=Draft(family.phrase(letters), "All is right"),
    )
