"""Colours of the page: text of at least 4.5 to 1 against what it stands on (WCAG AA), in light, dark and print."""

import re
from importlib import resources

import pytest

CSS = {
    name: (resources.files("judgeforge.pages") / "templates" / f"{name}.css").read_text("utf-8")
    for name in ("style", "print")
}
ROOTS = {
    "light": CSS["style"].partition("@media")[0],
    "dark": CSS["style"].partition("@media (prefers-color-scheme: dark)")[2].partition("* {")[0],
    "print": CSS["print"],
}
PAIRS = [
    *[(ink, paper) for ink in ("ink", "soft", "faint", "accent") for paper in ("card", "page", "accent-soft")],
    *[(ink, "card") for ink in ("good", "fair", "poor", "second")],
    *[(tone, f"{tone}-soft") for tone in ("good", "fair", "poor")],
    ("good", "accent-soft"),
    ("fair", "accent-soft"),
]
DEEPEST = 0.5
"""How much of a shade a cell with a number takes at the most: heat in tables, and the confusion table."""


def read_colours(scheme: str) -> dict[str, tuple[float, ...]]:
    found = re.findall(r"--([\w-]+): #([0-9a-f]{6})", ROOTS[scheme])
    return {name: tuple(int(code[at : at + 2], 16) / 255 for at in (0, 2, 4)) for name, code in found}


def compute_luminance(colour: tuple[float, ...]) -> float:
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def compute_contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    low, high = sorted((compute_luminance(one), compute_luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_the_standard_does() -> None:
    assert compute_contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    grey = (0x76 / 255,) * 3
    assert compute_contrast(grey, (1, 1, 1)) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ROOTS)
@pytest.mark.parametrize(("ink", "paper"), PAIRS, ids=lambda name: name)
def test_text_can_be_read(scheme: str, ink: str, paper: str) -> None:
    colours = read_colours(scheme)
    assert compute_contrast(colours[ink], colours[paper]) >= 4.5


@pytest.mark.parametrize("scheme", ROOTS)
@pytest.mark.parametrize("shade", ["accent", "second", "plain"])
def test_numbers_on_the_deepest_shade_can_be_read(scheme: str, shade: str) -> None:
    colours = read_colours(scheme)
    mixed = tuple(
        DEEPEST * one + (1 - DEEPEST) * other for one, other in zip(colours[shade], colours["card"], strict=True)
    )
    assert compute_contrast(colours["ink"], mixed) >= 4.5


def test_no_shade_is_deeper() -> None:
    folder = resources.files("judgeforge.report") / "templates"
    shares = re.search(
        r"'%.3f' \| format\(([\d.]+) \+ ([\d.]+) \* cell.share", (folder / "plots.html.jinja").read_text()
    )
    assert float(shares[1]) + float(shares[2]) <= DEEPEST
    level = re.search(r"\* (\d+)\] \| max", (folder / "parts" / "groups.html.jinja").read_text())
    assert int(level[1]) <= 100 * DEEPEST
