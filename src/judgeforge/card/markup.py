"""Markdown as the card is written in: what comes from files is escaped, so that no name can become markup."""

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$!])")
_LIST = re.compile(r"^(\d+(?=[.)](\s|$))|(?=[-+=]))")
_PIPE = re.compile(r"(?<!\\)\|")
_TICKS = re.compile("`+")


class Section(NamedTuple):
    """A part of the card.

    Args:
        name: its anchor.
        title: what stands above it.
        body: Markdown.
    """

    name: str
    title: str
    body: str


def escape(value: object) -> str:
    """Write a value as plain text on one line: nothing in it is markup, and it begins no list."""
    text = _MARKUP.sub(r"\\\1", " ".join(str(value).split()))
    return _LIST.sub(r"\1\\", text)


def code(value: object) -> str:
    """Write a value as code within a line, whatever backticks it holds."""
    text = " ".join(str(value).split())
    fence = "`" * (_longest_run(text) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}" if text else ""


def fence(text: str, language: str = "") -> str:
    """Write lines as a block of code, whatever fences they hold."""
    marks = "`" * max(3, _longest_run(text) + 1)
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"


def bullets(lines: Sequence[str]) -> str:
    """Write Markdown texts as a list."""
    return "\n".join(f"- {line}" for line in lines)


def tabulate(head: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Write a table.

    Args:
        head: Markdown texts.
        rows: likewise.
        right: columns whose cells stand at the right.
    """
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    lines = [list(head), rule, *map(list, rows)]
    return "\n".join("| " + " | ".join(_PIPE.sub(r"\\|", cell) for cell in line) + " |" for line in lines)


def join(parts: Sequence[str]) -> str:
    """Put blocks below one another; empty ones are left out."""
    return "\n\n".join(part for part in parts if part)


def enumerate_words(words: Sequence[str]) -> str:
    """Write words as one reads them: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _longest_run(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)
