"""``judgeforge grade``: ask a judge about one item or a file of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from judgeforge.cli.items import build_rubric, build_single_item, load_items
from judgeforge.cli.judges import load_judge
from judgeforge.errors import InputError
from judgeforge.files import write_json_lines
from judgeforge.params import EvaluateParams, load_section
from judgeforge.progress import track

if TYPE_CHECKING:
    from judgeforge.grading.records import DirectItem, PairwiseItem

Row = dict[str, Any]


def grade(
    *,
    instruction: Annotated[str | None, typer.Option(help="What was asked.")] = None,
    response: Annotated[str | None, typer.Option(help="The response to grade.")] = None,
    response_b: Annotated[str | None, typer.Option(help="A second one, to be told which is better.")] = None,
    reference: Annotated[str | None, typer.Option(help="An answer that deserves the highest score.")] = None,
    rubric: Annotated[Path | None, typer.Option(help="JSON or YAML file: criteria and levels.")] = None,
    criteria: Annotated[str | None, typer.Option(help="The rubric's question, in place of a file.")] = None,
    level: Annotated[list[str] | None, typer.Option(help="A level, once a score, of the lowest first.")] = None,
    lowest: Annotated[int, typer.Option(min=0, help="The lowest score of --level.")] = 1,
    input: Annotated[Path | None, typer.Option(help="JSON Lines file of items, in place of one.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write a file's verdicts (JSON Lines).")] = None,
    model: Annotated[Path | None, typer.Option(help="A judge's folder; without it the champion grades.")] = None,
    base: Annotated[Path | None, typer.Option(help="Base model of a LoRA judge, if not where it was.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Grade one item, or a file of items, and print feedback and verdict.

    Decoding follows the section evaluate of params.yaml, as in the judge's evaluation.

    Example: judgeforge grade --rubric rubric.yaml --instruction "Name a prime." --response "Nine."
    """
    chosen = build_rubric(rubric, criteria, level or [], lowest)
    if input is not None:
        if any(value is not None for value in (instruction, response, response_b, reference)):
            raise InputError("--input and an item's own options together.", "give the one or the other.")
        items = load_items(input, chosen)
    elif output is not None:
        raise InputError("--output without --input.", "give the file of items, or redirect what --json prints.")
    else:
        single = {"instruction": instruction, "response": response, "response_b": response_b, "reference": reference}
        items = [build_single_item(single, chosen)]
    params = load_section("evaluate", EvaluateParams)
    rows: list[Row] = [{}] * len(items)
    for index, row in track(_grade_items(items, model, base, params), "grading", len(items)):
        rows[index] = row
    if output is not None:
        write_json_lines(output, rows)
    if as_json or output is None:
        _print_rows(rows, items, as_json)


def _grade_items(
    items: "list[DirectItem | PairwiseItem]", model: Path | None, base: Path | None, params: EvaluateParams
) -> Iterator[tuple[int, Row]]:
    from judgeforge.engines.grading import compute_expected_score, stream_verdicts  # noqa: PLC0415 - torch takes seconds

    engine, template = load_judge(model, base, params)
    for index, verdict, completion in stream_verdicts(engine, items, template):
        row = {"item_id": items[index].item_id, "format": items[index].format, **verdict.model_dump()}
        expected = compute_expected_score(completion) if params.expectation else None
        weighed = {"expected_score": expected} if params.expectation else {}
        yield index, row | weighed | {"finish": completion.finish, "raw_text": completion.text}


def _print_rows(rows: list[Row], items: "list[DirectItem | PairwiseItem]", as_json: bool) -> None:
    console = Console()
    for row, item in zip(rows, items, strict=True):
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            # A judge's words are no markup: "[/INST]" and "list[0]" are to be seen as they are.
            words = Text(row["feedback"] or "(no feedback)")
            console.print(Panel(words, title=_name_verdict(row, item), title_align="left"))


def _name_verdict(row: Row, item: "DirectItem | PairwiseItem") -> str:
    verdict = row["score"] if row["format"] == "direct" else row["choice"]
    if verdict is None:
        return "no verdict could be parsed"
    if row["format"] == "pairwise":
        return f"response {verdict} is better"
    scale = item.rubric.scale
    return f"score {verdict} of {scale.highest}" if scale.lowest == 1 else f"score {verdict} ({scale.describe()})"
