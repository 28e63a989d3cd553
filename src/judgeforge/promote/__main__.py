"""Wire the step ``promote``: a judge with its evidence and params.yaml -> a registered version and its alias."""

from pathlib import Path
from typing import Annotated

import typer

from judgeforge.params import EvaluateParams, PromoteParams, load_section
from judgeforge.promote.consent import Alias, Request
from judgeforge.promote.evidence import collect_evidence
from judgeforge.promote.run import promote
from judgeforge.stage import run_stage

_FOUND = "where dvc.lock says it is, unless named"


def main(
    *,
    model: Annotated[Path | None, typer.Option(help=f"The judge's folder, {_FOUND}.")] = None,
    base: Annotated[Path | None, typer.Option(help=f"The base model of an adapter, {_FOUND}.")] = None,
    metrics: Annotated[Path | None, typer.Option(help=f"Metrics of all judges, {_FOUND}.")] = None,
    page: Annotated[Path | None, typer.Option(help=f"The report, {_FOUND}.")] = None,
    evaluation: Annotated[Path | None, typer.Option(help=f"Folder of all judges' verdicts, {_FOUND}.")] = None,
    to: Annotated[
        Alias, typer.Option(help="Only register (challenger), or ask the gate, too (champion).")
    ] = "champion",
    why: Annotated[str, typer.Option(help="The reason, for the record.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Promote against the gate; needs --why.")] = False,
    approved_by: Annotated[
        str | None, typer.Option(help="Who has read the decision and agrees, where promote.approval is on.")
    ] = None,
    only_version: Annotated[
        str | None, typer.Option(help="Do nothing unless the judge is this version, the one that was approved.")
    ] = None,
    decision: Annotated[Path, typer.Option(help="Where to write the decision; beside it as .md.")] = Path(
        "reports/decision.json"
    ),
) -> None:
    """Register the judge that params.yaml names, and make it champion if the gate lets it.

    Exit code 3: the gate said no, or could not decide; reports/decision.md says why. 4: it waits for approval. 75:
    somebody else was faster; ask again.

    Example: python -m judgeforge.promote --why "weekly retraining"
    """
    params = load_section("promote", PromoteParams)
    engine = load_section("evaluate", EvaluateParams)
    evidence = collect_evidence(params.judge, model, base, metrics, page, evaluation)
    promote(evidence, params, engine, Request(to, why, force, only_version, approved_by, decision))


if __name__ == "__main__":
    run_stage(main)
