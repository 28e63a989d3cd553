"""Write a judge's card: card.md, card.html, sbom.cdx.json, and the data card beside them."""

import functools
import shutil
from pathlib import Path

from judgeforge.card.bom import render_bom
from judgeforge.card.data import DATA_CARD_FILE, describe_data
from judgeforge.card.facts import Facts, load_facts
from judgeforge.card.front import render_front_matter
from judgeforge.card.introduction import describe_asking, describe_judge, describe_use
from judgeforge.card.limits import describe_limits
from judgeforge.card.making import describe_making
from judgeforge.card.markup import Section, escape
from judgeforge.card.measured import build_summary, describe_evaluation, describe_steadiness
from judgeforge.card.origin import BOM_FILE, describe_citation, describe_licence, describe_lineage
from judgeforge.card.packages import list_packages
from judgeforge.card.page import render_page
from judgeforge.card.places import Places
from judgeforge.files import write_folder_atomically, write_text

CARD_FILE, PAGE_FILE = "card.md", "card.html"

_list_installed = functools.cache(list_packages)
"""A second of reading; a process that registers several judges does it once."""


def write_card(places: Places, folder: Path) -> None:
    """Write the card of one judge into ``folder``, whole or not at all; an older one there is replaced.

    Args:
        places: the files that it is written from.
        folder: of the card.

    Raises:
        InputError: there is no judge or no params.yaml, or a file is broken.
        EnvironmentFault: no room on the disk; what stood there before is untouched.
    """
    facts = load_facts(places)
    title = facts.name
    summary, sections = build_summary(facts), build_sections(facts)
    bill = render_bom(facts, _list_installed())
    with write_folder_atomically(folder) as out:
        write_text(out / CARD_FILE, render_front_matter(facts) + render_markdown(title, summary, sections))
        write_text(out / PAGE_FILE, render_page(facts, title, summary, sections))
        write_text(out / BOM_FILE, bill)
        if facts.data_card is not None:
            shutil.copyfile(facts.data_card, out / DATA_CARD_FILE)
            (out / DATA_CARD_FILE).chmod(0o644)


def build_sections(facts: Facts) -> list[Section]:
    """Build the card's sections, in their order."""
    describers = (
        *(describe_judge, describe_use, describe_limits, describe_asking, describe_evaluation, describe_steadiness),
        *(describe_making, describe_data, describe_licence, describe_citation, describe_lineage),
    )
    return [describe(facts) for describe in describers]


def render_markdown(title: str, summary: str, sections: list[Section]) -> str:
    """Render the card's text.

    Args:
        title: plain text.
        summary: likewise.
        sections: Markdown.
    """
    parts = [f"# {escape(title)}", escape(summary), *(f"## {each.title}\n\n{each.body}" for each in sections)]
    return "\n" + "\n\n".join(parts) + "\n"
