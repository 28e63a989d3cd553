"""What judged_answers.yaml calls: the questions, and a judge's score of each answer."""

import functools
import os
import sys
from pathlib import Path
from typing import Any

import datasets

sys.path.append(str(Path(__file__).parents[1]))  # lm-eval loads this file by its path
from judge_client import ITEMS, JudgeFault, ServedJudge, load_items, stop


def load_questions(**_: Any) -> dict[str, datasets.Dataset]:
    """Load the distinct instructions of the file, with their reference answers: what the model is asked."""
    connect()  # before the model spends hours on its answers
    rubric, items = load_items(Path(os.environ.get("JUDGEFORGE_ITEMS", ITEMS)))
    references = {item["instruction"]: item["reference"] for item in items}
    rows = [{"instruction": asked, "reference": answer, "rubric": rubric} for asked, answer in references.items()]
    return {"test": datasets.Dataset.from_list(rows)}


@functools.cache
def connect() -> ServedJudge:
    """Reach the judge once."""
    try:
        return ServedJudge(os.environ.get("JUDGEFORGE_SERVER", "http://127.0.0.1:8080"))
    except JudgeFault as fault:
        stop(fault)


def grade_answer(question: dict[str, Any], answers: list[str]) -> dict[str, float]:
    """Return the judge's score of the model's answer; none where the judge gave no verdict: it is not made up."""
    item = {name: question[name] for name in ("instruction", "reference", "rubric")}
    try:
        score = connect().grade(item | {"response": answers[0]})["score"]
    except JudgeFault as fault:
        stop(fault)
    return {"judge_no_verdict": float(score is None)} | ({} if score is None else {"judge_score": score})
