"""Values from files are text: whatever they hold, rendered Markdown shows it and nothing else."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from judgeforge.card.markup import code, escape, fence, tabulate

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
"""With HTML let through, which is the worst that a reader of the card may do."""
LINES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), max_size=40).map(
    lambda text: " ".join(text.split())
)


def show(markdown: str) -> str:
    rendered = MARKDOWN.render(markdown).strip()
    return html.unescape(rendered.removeprefix("<p>").removesuffix("</p>"))


@given(LINES)
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    assert show(escape(text)) == text


@given(LINES)
def test_it_is_shown_within_a_list_and_a_table(text: str) -> None:
    item = re.fullmatch(r"<ul>\n<li>(.*)</li>\n</ul>\n", MARKDOWN.render(f"- {escape(text)}"))
    assert item and html.unescape(item[1]) == text
    table = MARKDOWN.render(tabulate(["head", "other"], [[escape(text), code(text)]]))
    cells = re.findall(r"<td>(.*?)</td>", table)
    assert [html.unescape(cell) for cell in cells] == [text, f"<code>{text}</code>" if text else ""]


@given(LINES.filter(lambda text: "|" not in text))
def test_code_is_shown_as_it_is(text: str) -> None:
    assert show(f"x {code(text)}") == (f"x <code>{text}</code>" if text else "x")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]) | st.just("\n")))
def test_a_block_of_code_is_one_block(text: str) -> None:
    rendered = MARKDOWN.render(fence(text, "yaml") + "\n\nafter")
    assert rendered.count("<pre>") == 1 and rendered.endswith("<p>after</p>\n")


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", "[a](javascript:b)", "a | b", "# a", "1. a", "- a", "&lt;b>", "`` ` ``", "~~a~~"],
)
def test_markup_in_names_is_text(text: str) -> None:
    assert show(escape(text)) == text
    assert MARKDOWN.render(escape(text)).count("<") == 2, "a paragraph, and nothing in it"
