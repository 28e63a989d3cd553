"""Flaws of form that leave the content right: each turns a sound text into a careless one and names what it did."""

import random
import re

from judgeforge.prepare.embedded.tasks import pick

_FRAGMENTS = ("In addition, the", "And it also", "Moreover, one", "Besides, a")
_RUDE = ("Silly question.", "How boring.", "Think for yourself.", "What a waste.")


def shout(rng: random.Random, text: str) -> tuple[str, str]:
    """Write everything in capitals."""
    return text.upper(), pick(rng, ("it is all in capitals", "it shouts in capitals"))


def neglect_capitals(rng: random.Random, text: str) -> tuple[str, str]:
    """Write everything in small letters and drop the final mark."""
    return text.lower().rstrip(".!?"), pick(rng, ("it lacks capitals", "it is all in small letters"))


def break_off(rng: random.Random, text: str) -> tuple[str, str]:
    """Begin one more sentence and leave it unfinished."""
    fragment = pick(rng, _FRAGMENTS)
    return f"{text} {fragment}", f'it breaks off at "{fragment}"'


def be_rude(rng: random.Random, text: str) -> tuple[str, str]:
    """Add a rude sentence."""
    remark = pick(rng, _RUDE)
    return f"{text} {remark}", f'"{remark.rstrip(".")}" is rude'


def misspell(rng: random.Random, text: str) -> tuple[str, str]:
    """Swap two letters inside one of the longest words, or neglect capitals where there is no long word."""
    words = sorted(set(re.findall(r"\b[a-z]{5,}\b", text)), key=lambda word: (-len(word), word))[:3]
    words = [word for word in words if _places(word)]
    if not words:
        return neglect_capitals(rng, text)
    word = pick(rng, words)
    place = pick(rng, _places(word))
    wrong = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    return re.sub(rf"\b{word}\b", wrong, text, count=1), f'"{wrong}" is misspelt'


def _places(word: str) -> list[int]:
    return [place for place in range(1, len(word) - 2) if word[place] != word[place + 1]]
