"""Loading what the report shows: the files of the other stages, checked against one another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from judgeforge.benchmarks import Benchmark
from judgeforge.errors import InputError
from judgeforge.files import load_json, load_json_rows
from judgeforge.report.items import share_items
from judgeforge.report.searching import TABLE, load_search
from judgeforge.report.sources import OURS, REFERENCES, Evaluation, Sources
from judgeforge.statistics import build_judged_items, select_main
from judgeforge.verdicts import Origin, load_evaluation


def load_sources(
    judges: Sequence[str],
    trainings: Sequence[str],
    *,
    evaluation: Path,
    curves: Path,
    statistics: Path,
    benchmarks: Mapping[str, Benchmark],
    search: Path | None = None,
) -> Sources:
    """Load what a report shows; files of other judges and formats are left alone.

    Args:
        judges: names of folders in ``evaluation``.
        trainings: formats that were trained; with none, there are neither curves nor statistics.
        evaluation: a folder a judge.
        curves: a file a format.
        statistics: of the training sets.
        benchmarks: those whose texts are at hand.
        search: the folder of a search for a merge; None: there was none.

    Raises:
        InputError: see ``load_evaluations`` and ``share_items``.
    """
    found = load_evaluations(judges, evaluation)
    judged = {name for each in found for name in each.metrics}
    sources = Sources(
        evaluations=found,
        benchmarks={name: each for name, each in benchmarks.items() if name in judged},
        curves={kind: load_json_rows(curves / f"{kind}.jsonl") for kind in trainings},
        statistics=load_json(statistics) if trainings else None,
        search=None if search is None else load_search(search / TABLE),
    )
    return share_items(sources)


def load_evaluations(judges: Sequence[str], folder: Path) -> tuple[Evaluation, ...]:
    """Load evaluations by the judges' names; our judges first, then guests, then references.

    Args:
        judges: names of folders in ``folder``.
        folder: of all evaluations.

    Raises:
        InputError: none is named, a file is missing or broken, or judges of the pipeline judged different benchmarks.
    """
    if not any(name not in REFERENCES for name in judges):
        raise InputError(
            "No judge is named for the report.",
            "name one in matrix.judges or matrix.guests of params.yaml, or with 'judgeforge report --judges NAME'.",
        )
    order = sorted(judges, key=lambda name: 2 if name in REFERENCES else 0 if name in OURS else 1)
    found = [_load_one(folder / name, name) for name in dict.fromkeys(order)]
    own = [each for each in found if each.is_ours or each.is_reference]
    for other in own:
        if set(other.metrics) != set(own[0].metrics):
            raise InputError(
                f"{own[0].judge} and {other.judge} judged different benchmarks.",
                "evaluate both again with 'dvc repro'.",
            )
    return tuple(found)


def _load_one(folder: Path, name: str) -> Evaluation:
    document, verdicts = load_evaluation(folder)
    found = document["benchmarks"]
    template = document.get("template")
    return Evaluation(
        judge=name,
        metrics={benchmark: found[benchmark] for benchmark in verdicts["benchmark"].unique(maintain_order=True)},
        verdicts=verdicts,
        judged=select_main(build_judged_items(verdicts)),
        template=template["name"] if template else None,
        origin=document.get("origin") or _guess_origin(name, document),
        merge=document.get("merge"),
    )


def _guess_origin(name: str, document: dict[str, Any]) -> Origin:
    """Guess what evaluations of before ``origin`` was written leave open."""
    if name in REFERENCES:
        return "reference"
    return "model" if name in OURS or document.get("fingerprint") else "recorded"
