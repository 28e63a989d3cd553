"""``judgeforge rank``: order several responses to one instruction."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from judgeforge.cli.items import build_rubric
from judgeforge.cli.judges import load_judge
from judgeforge.engines.ranking import By, Candidates, Place, count_judgments, rank_responses
from judgeforge.errors import InputError
from judgeforge.params import EvaluateParams, load_section
from judgeforge.progress import say

_EXCERPT = 60


def rank(
    *,
    instruction: Annotated[str, typer.Option(help="What was asked.")],
    response: Annotated[list[str], typer.Option(help="A response; give two or more.")],
    reference: Annotated[str | None, typer.Option(help="An answer that deserves the highest score.")] = None,
    rubric: Annotated[Path | None, typer.Option(help="JSON or YAML file: criteria and levels.")] = None,
    criteria: Annotated[str | None, typer.Option(help="The rubric's question, in place of a file.")] = None,
    level: Annotated[list[str] | None, typer.Option(help="A level, once a score, of the lowest first.")] = None,
    lowest: Annotated[int, typer.Option(min=0, help="The lowest score of --level.")] = 1,
    by: Annotated[By, typer.Option(help="Grade each by itself, or compare pairs in both orders.")] = "scores",
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of pairs; without it every pair meets.")] = None,
    model: Annotated[Path | None, typer.Option(help="A judge's folder; without it the champion ranks.")] = None,
    base: Annotated[Path | None, typer.Option(help="Base model of a LoRA judge, if not where it was.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rank responses, best first, and say beforehand how many judgments it takes.

    By scores: one judgment a response. By pairs: two a pair, N(N-1) for N responses, or about N a round.

    Example: judgeforge rank --rubric rubric.yaml --instruction "Name a prime." --response 9 --response 7 --response 2
    """
    if len(response) < 2:
        raise InputError("One response cannot be ranked.", "give --response two times or more.")
    chosen = build_rubric(rubric, criteria, level or [], lowest)
    if chosen is None:
        raise InputError("There is no rubric.", "give --rubric FILE, or --criteria and a --level for each score.")
    candidates = Candidates(instruction, tuple(response), chosen, reference)
    say(f"{len(response)} responses by {by}: {count_judgments(len(response), by, rounds)} judgments at most.")
    engine, template = load_judge(model, base, load_section("evaluate", EvaluateParams))
    places = rank_responses(engine, template, candidates, by, rounds)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in places], default=lambda value: value.model_dump()))
    else:
        _print(places, response, by)


def _print(places: list[Place], responses: list[str], by: By) -> None:
    table = Table("rank", "score" if by == "scores" else "points", "response")
    for place in places:
        text = responses[place.response]
        shown = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]} …"
        table.add_row(f"{place.rank:g}", "no verdict" if place.value is None else f"{place.value:.2f}", Text(shown))
    Console().print(table)
