"""Flaws of form that leave the content right: each turns a sound text into a careless one and names what it did."""

import random
import re

from judgeforge.prepare.embedded.tasks import pick

_FRAGMENTS = ("In addition, the", "And it also", "Moreover, one", "Apart from that, a", "Furthermore, we")
_RUDE = ("Even a child can see that.", "You could have found that yourself.", "What a silly question.")


def shout(rng: random.Random, text: str) -> tuple[str, str]:
    """Write everything in capitals."""
    return text.upper(), pick(rng, ("it is all in capitals", "it shouts in capitals"))


def neglect_capitals(rng: random.Random, text: str) -> tuple[str, str]:
    """Write everything in small letters and drop the final mark."""
    return text.lower().rstrip(".!?"), pick(rng, ("it lacks capital letters", "it is all in small letters"))


def break_off(rng: random.Random, text: str) -> tuple[str, str]:
    """Begin one more sentence and leave it unfinished."""
    fragment = pick(rng, _FRAGMENTS)
    return f"{text} {fragment}", f'it breaks off at "{fragment}"'


def be_rude(rng: random.Random, text: str) -> tuple[str, str]:
    """Add a rude sentence."""
    remark = pick(rng, _RUDE)
    return f"{text} {remark}", f'"{remark.rstrip(".")}" is rude'


def misspell(rng: random.Random, text: str) -> tuple[str, str]:
    """Swap two letters inside one of the longer words."""
    words = sorted(set(re.findall(r"\b[a-z]{5,}\b", text)), key=lambda word: (-len(word), word))[:3]
    if not words:
        return neglect_capitals(rng, text)
    word = pick(rng, words)
    places = [place for place in range(1, len(word) - 2) if word[place] != word[place + 1]]
    place = pick(rng, places)
    wrong = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return re.sub(rf"\b{word}\b", wrong, text, count=1), f'"{wrong}" is misspelt'
