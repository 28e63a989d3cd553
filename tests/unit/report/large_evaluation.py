"""Evaluations of real size on disk: eleven judges with long names, seven published benchmarks, gaps of every kind."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from judgeforge.files import hash_file, write_json
from judgeforge.report.loading import load_sources
from judgeforge.report.sources import Sources
from judgeforge.statistics.metrics import compute_metrics
from judgeforge.verdicts import METRICS_FILE, VERDICTS_FILE, VerdictRow, load_verdicts, write_verdicts

DIRECT = ("vicuna_bench", "mt_bench", "flask", "flask_human", "feedback_bench")
PAIRS = ("hhh_alignment", "mt_bench_human", "autoj_eval", "preference_bench")
OURS = ("base", "form", "direct", "pairwise", "merged")
GUESTS = (
    "prometheus-eval_prometheus-7b-v2.0-recorded1",
    "an-endpoint-of-somebody-s_with-a-long-name-x",
    "weights-that-were-not-trained-here_13b-dpo-2",
)
RECORDED, ENDPOINT, WEIGHTS = GUESTS
REFERENCES = ("majority", "random", "longer")
JUDGES = (*OURS, *GUESTS, *REFERENCES)
BARRED = "mt_bench"


def _hash(*parts: object) -> int:
    return sum((index + 1) * ord(letter) * 31 for index, letter in enumerate("/".join(map(str, parts))))


def _list_benchmarks(judge: str) -> tuple[str, ...]:
    return ("vicuna_bench", "mt_bench", "hhh_alignment", "autoj_eval") if judge == RECORDED else (*DIRECT, *PAIRS)


def _judge(judge: str, gold: Any, seed: int, choices: tuple[Any, ...]) -> Any:
    """``majority`` is constant; the others are right the more often the later they stand."""
    if judge == "majority":
        return choices[-1]
    skill = {"random": 0, "longer": 0, "base": 1, "form": 2}.get(judge, 4 + JUDGES.index(judge) % 3)
    if seed % 23 == 0 and judge in ("base", "form"):
        return None
    return gold if seed % 7 < skill and gold != "tie" else choices[seed % len(choices)]


def _build_rows(judge: str, items: int) -> Iterator[VerdictRow]:
    for benchmark in _list_benchmarks(judge):
        direct = benchmark in DIRECT
        for index in range(items):
            seed = _hash(benchmark, index)
            gold: Any = 1 + seed % 5 if direct else ("A", "B", "A", "B", "tie")[seed % 5]
            shown = [("direct", "")] if direct else [("pairwise", "given")]
            if not direct and judge != RECORDED:
                shown += [("pairwise", "swapped"), ("direct_for_pairwise", "a"), ("direct_for_pairwise", "b")]
            for method, order in shown:
                for sample in range(2):
                    yield _build_row(judge, benchmark, index, gold, method, order, sample)


def _build_row(judge: str, benchmark: str, index: int, gold: Any, method: Any, order: Any, sample: int) -> VerdictRow:
    direct, graded = benchmark in DIRECT, method != "pairwise"
    seed = _hash(judge, benchmark, index, order, sample if judge != "merged" else 0)
    score = choice = None
    if method == "direct":
        score = _judge(judge, gold, seed, (1, 2, 3, 4))
    elif graded:
        score = 4 if (order == "a") == (gold == "A") else 1 + seed % 4
    else:
        told = {"A": "B", "B": "A"}.get(gold, gold) if order == "swapped" else gold
        choice = _judge(judge, told, seed, ("B", "A"))
    return VerdictRow(
        judge=judge,
        mode="clean",
        benchmark=benchmark,
        format="direct" if direct else "pairwise",
        method=method,
        order=order,
        sample=sample,
        item_id=f"{benchmark}-{index}",
        prompt_id=f"p{index // 3}",
        group=("writing", "reasoning and mathematics", "code")[index // 3 % 3],
        contaminated=judge in (*OURS, *REFERENCES) and (index % 4 == 0 if benchmark == BARRED else index == 1),
        gold_score=gold if direct else None,
        graders=(gold, min(5, gold + index % 2), gold) if direct else (),
        gold_choice=None if direct else gold,
        score=score,
        expected_score=None,
        choice=choice,
        feedback="It says so.",
        raw_text="raw",
        prompt_tokens=1,
        output_tokens=1,
        finish="verdict",
        lengths=(9,) if direct else (8 + index % 3, 9),
        responses=("x",) if direct else (f"r{index % 3}", f"r{(index + 1) % 3}"),
    )


def write_large(root: Path, items: int = 24) -> None:
    """Write all evaluations; those of ours know what was trained on, the guests do not."""
    for judge in JUDGES:
        folder = root / "evaluation" / judge
        write_verdicts(list(_build_rows(judge, items)), folder)
        metrics = compute_metrics(load_verdicts(folder), 40, 0.95, 1, 0.2)
        origin: dict[str, Any] = {"origin": {RECORDED: "recorded", ENDPOINT: "endpoint"}.get(judge, "model")}
        if judge in REFERENCES:
            origin = {"origin": "reference"}
        if judge == "merged":
            origin["merge"] = {"method": "linear", "alpha": 0.5}
        document = {"judge": judge, "mode": "clean", "template": None, "verdicts": hash_file(folder / VERDICTS_FILE)}
        write_json(folder / METRICS_FILE, document | origin | {"benchmarks": metrics})


def load_large(root: Path) -> Sources:
    nowhere = root / "nowhere"
    places = {"evaluation": root / "evaluation", "curves": nowhere, "statistics": nowhere}
    return load_sources(JUDGES, (), **places, benchmarks={})
