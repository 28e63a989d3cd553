"""``judgeforge card``: the model card of a judge, and its bill of materials."""

from pathlib import Path
from typing import Annotated

import typer

from judgeforge.params import Judge, PromoteParams, load_section
from judgeforge.progress import say

_FOUND = "where dvc.lock says it is, unless named"


def card(
    judge: Annotated[Judge | None, typer.Option(help="Which judge; without it the one of promote.judge.")] = None,
    model: Annotated[Path | None, typer.Option(help=f"The judge's folder, {_FOUND}.")] = None,
    base: Annotated[Path | None, typer.Option(help=f"The base model of an adapter, {_FOUND}.")] = None,
    metrics: Annotated[Path | None, typer.Option(help=f"Metrics of all judges, {_FOUND}.")] = None,
    evaluation: Annotated[Path | None, typer.Option(help=f"Folder of all judges' verdicts, {_FOUND}.")] = None,
    decision: Annotated[Path, typer.Option(help="The gate's last decision, if there is one.")] = Path(
        "reports/decision.json"
    ),
    out: Annotated[Path, typer.Option(help="The folder to write; an older card there is replaced.")] = Path(
        "reports/card"
    ),
) -> None:
    """Write the model card of a judge from the stages' files: Markdown for the hub, a page, and a bill of materials.

    Example: judgeforge card --judge merged --out reports/card
    """
    name = judge or load_section("promote", PromoteParams).judge
    from judgeforge.card.write import CARD_FILE, write_card  # noqa: PLC0415 - half a second
    from judgeforge.promote.evidence import collect_evidence  # noqa: PLC0415

    found = collect_evidence(name, model, base, metrics, None, evaluation)
    told = decision.is_file() and name == load_section("promote", PromoteParams).judge
    write_card(found.find_card_places(decision if told else None), out)
    say(f"The card is {out / CARD_FILE}, with a page and a bill of materials beside it.")
