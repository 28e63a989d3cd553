"""``judgeforge grade``: ask a judge about one item, a file of them, or those of the standard input.

Where the verdicts go to a file, answers are kept as they come: a run that was killed goes on where it stopped.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from judgeforge.cli.items import build_rubric, build_single_item, load_items
from judgeforge.cli.judges import find_judge, load_judge
from judgeforge.errors import InputError
from judgeforge.files import write_json_lines
from judgeforge.params import EvaluateParams, load_section
from judgeforge.progress import say, track

if TYPE_CHECKING:
    from judgeforge.engines.protocol import Completion
    from judgeforge.grading.records import DirectItem, PairwiseItem, Verdict

Row = dict[str, Any]

_STANDARD_INPUT = Path("/dev/stdin")
_JOURNALS = Path(".judgeforge/journal/grade")


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
    input: Annotated[Path | None, typer.Option(help="JSON Lines file of items; -: standard input.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write the verdicts (JSON Lines).")] = None,
    model: Annotated[Path | None, typer.Option(help="A judge's folder; without it the champion grades.")] = None,
    base: Annotated[Path | None, typer.Option(help="Base model of a LoRA judge, if not where it was.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON Lines.")] = False,
) -> None:
    """Grade one item, or a file of items, and print feedback and verdict.

    Decoding follows the section evaluate of params.yaml, as in the judge's evaluation. With --output, a run that was
    killed goes on where it stopped. Exit codes: 0 graded, 2 wrong input, 75 try again later.

    Example: judgeforge grade --rubric rubric.yaml --instruction "Name a prime." --response "Nine."
    """
    chosen = build_rubric(rubric, criteria, level or [], lowest)
    if input is not None:
        if any(value is not None for value in (instruction, response, response_b, reference)):
            raise InputError("--input and an item's own options together.", "give the one or the other.")
        if output is not None:
            _check_output(output)
        items = load_items(_STANDARD_INPUT if input == Path("-") else input, chosen)
    elif output is not None:
        raise InputError("--output without --input.", "give the file of items, or redirect what --json prints.")
    else:
        single = {"instruction": instruction, "response": response, "response_b": response_b, "reference": reference}
        items = [build_single_item(single, chosen)]
    params = load_section("evaluate", EvaluateParams)
    if output is None:
        found = dict(track(_grade_items(items, model, base, params), "grading", len(items)))
        rows = [found[index] for index in range(len(items))]
    else:
        rows = _grade_into(output, items, model, base, params)
    if (unparsed := sum(row["score"] is None and row["choice"] is None for row in rows)) and len(rows) > 1:
        say(f"{unparsed} of {len(rows)} have no verdict that could be parsed.")
    if as_json or output is None:
        _print_rows(rows, items, as_json)


def _check_output(output: Path) -> None:
    """Refuse before the work what could not be written after it; a device or a pipe would be replaced by a file."""
    if output.exists() and not output.is_file():
        raise InputError(f"{output} is no file.", "name one for --output, or redirect what --json prints.")
    folder = next(each for each in output.resolve().parents if each.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise InputError(f"{output} cannot be written.", "name another file for --output, or change its rights.")


def _grade_items(
    items: "list[DirectItem | PairwiseItem]", model: Path | None, base: Path | None, params: EvaluateParams
) -> Iterator[tuple[int, Row]]:
    from judgeforge.engines.grading import stream_verdicts  # noqa: PLC0415 - torch takes seconds

    engine, template = load_judge(model, base, params)
    for index, verdict, completion in stream_verdicts(engine, items, template):
        yield index, _build_row(items[index], verdict, completion, params)


def _grade_into(
    output: Path,
    items: "list[DirectItem | PairwiseItem]",
    model: Path | None,
    base: Path | None,
    params: EvaluateParams,
) -> list[Row]:
    """Grade items into a file, by way of a journal of its own, which is gone once the file is whole."""
    from judgeforge.engines.asking import complete_journalled, is_answered  # noqa: PLC0415
    from judgeforge.engines.building import build_engine  # noqa: PLC0415
    from judgeforge.engines.fingerprint import compute_journal_key, list_weights  # noqa: PLC0415
    from judgeforge.engines.grading import build_conversation, read_verdict  # noqa: PLC0415
    from judgeforge.engines.journal import Journal  # noqa: PLC0415
    from judgeforge.grading.templates import load_template  # noqa: PLC0415

    folder, base = find_judge(model, base)
    template = load_template(folder)
    conversations = [build_conversation(item, template) for item in items]
    place = _JOURNALS / hashlib.sha256(str(output.resolve()).encode()).hexdigest()[:16]
    asked_by = {"params": params.model_dump(mode="json"), "template": template.compute_digest()}
    journal = Journal(place, compute_journal_key(list_weights(folder, base), asked_by))
    engine = None if is_answered(conversations, journal) else build_engine(params, folder, base, template)
    completions = complete_journalled(engine, conversations, journal, "grading")
    rows = [
        _build_row(item, read_verdict(completion, conversation, template), completion, params)
        for item, conversation, completion in zip(items, conversations, completions, strict=True)
    ]
    write_json_lines(output, rows)
    shutil.rmtree(place, ignore_errors=True)
    return rows


def _build_row(
    item: "DirectItem | PairwiseItem", verdict: "Verdict", completion: "Completion", params: EvaluateParams
) -> Row:
    from judgeforge.engines.grading import compute_expected_score  # noqa: PLC0415

    row = {"item_id": item.item_id, "format": item.format, **verdict.model_dump()}
    weighed = {"expected_score": compute_expected_score(completion)} if params.expectation else {}
    return row | weighed | {"finish": completion.finish, "raw_text": completion.text}


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
