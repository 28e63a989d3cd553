"""Score a small data set in MLflow with a judge: one scorer grades, the other compares with the expected response.

    python examples/mlflow_scorer.py --server http://127.0.0.1:8080    # a running `judgeforge serve`
    python examples/mlflow_scorer.py --model models/merged             # a judge's folder, in this process
    python examples/mlflow_scorer.py                                   # the registry's champion, in this process

The run goes to MLFLOW_TRACKING_URI. The service's token comes from JUDGEFORGE_TOKEN. MLflow asks from several threads:
behind the service that makes batches, in this process the items wait for one another.
"""

import logging
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read while MLflow is imported

import mlflow
from judge_client import Judge, JudgeFault, LocalJudge, ServedJudge, build_parser, load_items, stop
from mlflow.entities import AssessmentError, AssessmentSource, AssessmentSourceType, Feedback
from mlflow.genai.scorers import Scorer, scorer


def build_grader(judge: Judge, rubric: dict[str, Any]) -> Scorer:
    """Build a scorer whose value is the judge's score, and whose rationale is its feedback.

    A row has ``inputs["instruction"]``, ``outputs`` (the response as text) and, if there is a reference answer,
    ``expectations["expected_response"]``.
    """
    source = AssessmentSource(AssessmentSourceType.LLM_JUDGE, judge.name)

    @scorer(name="judge_score", aggregations=["mean"])
    def judge_score(inputs: dict[str, Any], outputs: str, expectations: dict[str, Any] | None = None) -> Feedback:
        item = {"instruction": inputs["instruction"], "response": outputs, "rubric": rubric}
        item["reference"] = (expectations or {}).get("expected_response")
        verdict = judge.grade(item)
        if verdict["score"] is None:
            return Feedback(error=_say_no_verdict(), rationale=verdict["feedback"], source=source)
        return Feedback(value=verdict["score"], rationale=verdict["feedback"], source=source)

    return judge_score


def build_comparer(judge: Judge, rubric: dict[str, Any]) -> Scorer:
    """Build a scorer that asks which is better, the output or the expected response, in both orders.

    Its value is the output's share of wins: 0, 0.5 (the judge chose by place) or 1.
    """
    source = AssessmentSource(AssessmentSourceType.LLM_JUDGE, judge.name)

    @scorer(name="judge_win_share", aggregations=["mean"])
    def judge_win_share(inputs: dict[str, Any], outputs: str, expectations: dict[str, Any]) -> Feedback:
        shared = {"instruction": inputs["instruction"], "rubric": rubric}
        rival = expectations["expected_response"]
        first = judge.grade(shared | {"response_a": outputs, "response_b": rival})
        second = judge.grade(shared | {"response_a": rival, "response_b": outputs})
        said = f"As A: {first['feedback']}\nAs B: {second['feedback']}"
        if first["choice"] is None or second["choice"] is None:
            return Feedback(error=_say_no_verdict(), rationale=said, source=source)
        wins = (first["choice"] == "A") + (second["choice"] == "B")
        return Feedback(value=wins / 2, rationale=said, source=source)

    return judge_win_share


def _say_no_verdict() -> AssessmentError:
    # No verdict is none: MLflow counts the row as an error and leaves it out of the mean.
    return AssessmentError("NO_VERDICT", "No verdict could be parsed from the judge's answer.")


def main() -> None:
    """Evaluate the items of a file, and print each verdict and the means."""
    parser = build_parser(__doc__ or "")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--server", help="address of `judgeforge serve`")
    place.add_argument("--model", type=Path, help="a judge's folder (default: the registry's champion)")
    chosen = parser.parse_args()
    rubric, items = load_items(chosen.items)
    try:
        judge: Judge = ServedJudge(chosen.server) if chosen.server else LocalJudge(chosen.model)
    except JudgeFault as fault:
        stop(fault)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    data = [
        {
            "inputs": {"instruction": item["instruction"]},
            "outputs": item["response"],
            "expectations": {"expected_response": item["reference"]},
        }
        for item in items
    ]
    result = mlflow.genai.evaluate(data=data, scorers=[build_grader(judge, rubric), build_comparer(judge, rubric)])
    for name, value in sorted(result.metrics.items()):
        print(f"{name}: {value}")
    faults = []
    for trace in mlflow.search_traces(run_id=result.run_id, return_type="list"):
        for each in trace.info.assessments:
            if isinstance(each, Feedback):
                print(f"{each.name}: {each.value} ({each.error_message or each.rationale!r})")
                faults += [each.error_message] if each.error_code == "SCORER_ERROR" else []
    if faults:
        stop(JudgeFault(f"{len(faults)} questions were not answered; the first: {faults[0]}"))


if __name__ == "__main__":
    main()
