"""Evaluations with verdicts as a test wants them: one benchmark of scores, ``d``, and one of pairs, ``p``."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from judgeforge.engines.protocol import build_generation
from judgeforge.files import hash_file, write_json
from judgeforge.grading.templates import load_template
from judgeforge.params import EvaluateParams
from judgeforge.promote.candidate import Candidate, load_candidate
from judgeforge.statistics.metrics import compute_metrics
from judgeforge.verdicts import METRICS_FILE, VERDICTS_FILE, VerdictRow, load_verdicts, write_verdicts

PROMPTS, ITEMS = 40, 120
"""Three items a prompt."""

CONTENTS = {"d": "1", "p": "2"}
_EXCHANGED = {"A": "B", "B": "A"}


def build_rows(
    judge: str,
    wrong_scores: Collection[int] = (),
    wrong_choices: Collection[int] = (),
    *,
    fickle: Collection[int] = (),
    mute: Collection[int] = (),
    seen: Mapping[str, Collection[int]] | None = None,
) -> list[VerdictRow]:
    """Build the verdicts of a judge that is right but for what is named.

    Args:
        judge: its name.
        wrong_scores: items of ``d`` that get the score at the other end of the scale.
        wrong_choices: items of ``p`` of which the worse response is preferred in both orders.
        fickle: items of ``p`` of which the first response is preferred in both orders.
        mute: items of either without a verdict.
        seen: contaminated items, by benchmark.
    """
    rows = []
    for index in range(ITEMS):
        facts: dict[str, Any] = {
            "judge": judge,
            "mode": "clean",
            "sample": 0,
            "group": "",
            "feedback": "",
            "raw_text": "",
        }
        facts |= {"item_id": f"i{index:03}", "prompt_id": f"q{index % PROMPTS:02}", "finish": "stop", "graders": ()}
        facts |= {"prompt_tokens": 1, "output_tokens": 1, "expected_score": None}
        gold = 1 + index % 5
        score = None if index in mute else 6 - gold if index in wrong_scores else gold
        marked = index in (seen or {}).get("d", ())
        rows.append(_build_score(gold, score, facts | {"contaminated": marked}))
        for order in ("given", "swapped"):
            better = "AB"[index % 2]
            right = better if order == "given" else _EXCHANGED[better]
            chosen = "A" if index in fickle else _EXCHANGED[right] if index in wrong_choices else right
            marked = index in (seen or {}).get("p", ())
            facts |= {"order": order, "lengths": (9, 5 + index % 9), "contaminated": marked}
            rows.append(_build_choice(better, None if index in mute else chosen, facts))
    return rows


def _build_score(gold: int, score: int | None, facts: dict[str, Any]) -> VerdictRow:
    place = {
        "benchmark": "d",
        "format": "direct",
        "method": "direct",
        "order": "",
        "lengths": (9,),
        "responses": ("a",),
    }
    return VerdictRow(**facts, **place, gold_score=float(gold), gold_choice=None, score=score, choice=None)


def _build_choice(better: str, choice: str | None, facts: dict[str, Any]) -> VerdictRow:
    place = {"benchmark": "p", "format": "pairwise", "method": "pairwise", "responses": ("a", "b")}
    return VerdictRow(**facts, **place, gold_score=None, gold_choice=better, score=None, choice=choice)


def write_rows(folder: Path, rows: list[VerdictRow], engine: EvaluateParams, /, **facts: Any) -> Path:
    """Write an evaluation as the stage does; ``facts`` replace what its metrics file says."""
    write_verdicts(rows, folder)
    document = {
        "judge": rows[0].judge,
        "origin": "model",
        "template": {"name": "judgeforge-1", "digest": load_template("judgeforge-1").compute_digest()},
        "mode": rows[0].mode,
        "generation": build_generation(engine).model_dump(),
        "fingerprint": "abc",
        "contents": CONTENTS,
        "verdicts": hash_file(folder / VERDICTS_FILE),
        "benchmarks": compute_metrics(load_verdicts(folder), 50, 0.95, 1, max_contaminated_share=0.1),
    }
    write_json(folder / METRICS_FILE, document | facts)
    return folder


def build_candidate(folder: Path, engine: EvaluateParams, *wrong: Collection[int], **options: Any) -> Candidate:
    """Build a judge as the gate sees it; arguments as in ``build_rows``."""
    return load_candidate(write_rows(folder, build_rows("merged", *wrong, **options), engine))
