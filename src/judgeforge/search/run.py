"""One search: try every candidate on the validation sets, and write the table and the choice."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from judgeforge.engines.fingerprint import compute_journal_key
from judgeforge.engines.journal import Journal
from judgeforge.engines.protocol import build_generation
from judgeforge.errors import InputError
from judgeforge.files import write_atomically, write_folder_atomically, write_json
from judgeforge.grading.templates import JudgeTemplate, load_template
from judgeforge.params import EvaluateParams, MergeParams, SearchParams
from judgeforge.progress import say
from judgeforge.search.candidates import list_candidates, open_kitchen
from judgeforge.search.choosing import Row, choose, measure_candidates
from judgeforge.search.judging import Bench
from judgeforge.search.questions import load_questions
from judgeforge.weights.adapters import check_base_identity
from judgeforge.weights.checks import check_judges, check_place
from judgeforge.weights.digests import Digests, hash_folder
from judgeforge.weights.drift import BrokenMergeError
from judgeforge.weights.parts import JudgePart

CHOICE_FILE, TABLE_FILE = "choice.json", "candidates.csv"
_SEARCHED = {"method", "alpha", "scaling", "density", "seed"}


@dataclass(frozen=True)
class Places:
    """Where a search reads and writes.

    Args:
        data: the training sets.
        base: the base model.
        direct: the direct judge.
        pairwise: the pairwise judge.
        out: folder of the choice and the table.
        journal: folder of the answers, which outlives a killed search.
    """

    data: Path
    base: Path
    direct: Path
    pairwise: Path
    out: Path
    journal: Path


def write_no_search(merge: MergeParams, out: Path) -> None:
    """Write the choice of no search: what stands in the section ``merge``.

    Args:
        merge: that section.
        out: folder of the choice and of the table, which is empty.
    """
    values = merge.model_dump(mode="json", include=_SEARCHED)
    choice = {"searched": False, "values": values, "merge": merge.model_dump(mode="json")}
    _write(pl.DataFrame(schema={"name": pl.String}), choice, out)


def search_merges(
    params: SearchParams,
    merge: MergeParams,
    evaluate: EvaluateParams,
    places: Places,
    record: Callable[[dict[str, float], int], None],
) -> Row:
    """Try candidates, and write the choice and the table.

    Args:
        params: the section ``search``.
        merge: the section ``merge``, whose values are the first candidate.
        evaluate: the section ``evaluate``: how judges are run.
        places: where everything is.
        record: told a candidate's measures, with its number.

    Returns:
        The row that was chosen.

    Raises:
        InputError: judges that do not fit together, no validation rows, or an engine that the search does not use.
        BrokenMergeError: what stands in the section ``merge`` is broken: there is nothing to compare with.
        EnvironmentFault: no room on the disk.
    """
    candidates = list_candidates(params, merge)
    parts, inputs = _check(candidates, places)
    template = load_template(places.direct)
    questions = load_questions(places.data, template, params.rows, evaluate.seed)
    say(f"Searching {len(candidates)} merges, each with {len(questions)} questions of the validation sets.")
    with closing(Bench(evaluate, places.base, template, questions)) as bench:
        journals = {
            values: Journal(places.journal, _compute_key(bench.params, inputs, template, values))
            for values in candidates
        }
        judged, failures = _try(parts, places, bench, journals)
    rows = measure_candidates(evaluate, candidates, judged, failures)
    for number, row in enumerate(rows):
        record({key: value for key, value in row.items() if isinstance(value, float)}, number)
    chosen = choose(params, rows)
    table = pl.DataFrame([row | {"chosen": row is chosen} for row in rows], infer_schema_length=None)
    choice = {
        **{"searched": True, "values": {key: chosen[key] for key in sorted(_SEARCHED)}, "row": chosen},
        **{"merge": merge.model_dump(mode="json"), "search": params.model_dump(mode="json"), "inputs": inputs},
    }
    _write(table, choice, places.out)
    next(iter(journals.values())).discard_others([journal.key for journal in journals.values()])
    return chosen


def _check(candidates: Sequence[MergeParams], places: Places) -> tuple[list[JudgePart], dict[str, Digests]]:
    """Check what a merge checks, before anything is asked; return the judges, and all inputs' digests."""
    engine = candidates[0].engine
    if engine != "streaming":
        raise InputError(
            f"The search makes its merges by our own engine, and merge.engine is {engine}.",
            "set merge.engine to streaming, or search.enabled to false.",
        )
    parts = [JudgePart(name, getattr(places, name), places.base) for name in ("direct", "pairwise")]
    check_place(places.out, (places.base, *(part.folder for part in parts)))
    check_judges(parts, places.base, needs_base=any(values.needs_base() for values in candidates))
    inputs = {name: hash_folder(getattr(places, name)) for name in ("base", "direct", "pairwise")}
    for part in parts:
        check_base_identity(part, inputs["base"])
    return parts, inputs


def _try(
    parts: Sequence[JudgePart], places: Places, bench: Bench, journals: Mapping[MergeParams, Journal]
) -> tuple[dict[MergeParams, pl.DataFrame], dict[MergeParams, str]]:
    """Ask every candidate; what is broken is said and passed over, but for the first, which all are compared with."""
    judged: dict[MergeParams, pl.DataFrame] = {}
    failures: dict[MergeParams, str] = {}
    places.journal.mkdir(parents=True, exist_ok=True)
    asked = [values for values, journal in journals.items() if not bench.is_answered(journal)]
    with open_kitchen(parts, places.base, asked, places.journal) as kitchen:
        for number, (values, journal) in enumerate(journals.items(), start=1):
            name = values.describe()
            label = f"{number}/{len(journals)} {name}"
            try:
                with kitchen.make(values) if values in asked else nullcontext() as folder:
                    judged[values] = bench.judge(name, folder, journal, label)
            except BrokenMergeError as error:
                if number == 1:
                    raise
                failures[values] = error.problem
                say(f"{label}: {error.problem}")
    return judged, failures


def _compute_key(
    params: EvaluateParams, inputs: dict[str, Digests], template: JudgeTemplate, values: MergeParams
) -> str:
    """Name all that an answer depends on, before any weights are made."""
    return compute_journal_key(
        [],
        {
            **{"generation": build_generation(params).model_dump(), "template": template.compute_digest()},
            **{"values": values.describe(), "normalize": values.normalize, "merged": values.dtype, "inputs": inputs},
            **params.model_dump(include={"engine", "batch_size", "dtype", "cpu_threads"}),
            "gpus": params.vllm.tensor_parallel_size if params.engine == "vllm" else None,
        },
        code=("engines", "grading", "weights"),
    )


def _write(table: pl.DataFrame, choice: dict[str, Any], out: Path) -> None:
    with write_folder_atomically(out) as folder:
        with write_atomically(folder / TABLE_FILE) as handle:
            table.write_csv(handle)
        write_json(folder / CHOICE_FILE, choice)
