"""A DeepEval metric that asks a judge behind ``judgeforge serve``.

    python examples/deepeval_metric.py --server http://127.0.0.1:8080

A test case's ``input`` is the instruction, ``actual_output`` the response, ``expected_output`` the reference answer (if
there is one). The score is put on DeepEval's scale: the rubric's lowest score is 0, its highest 1. The service's token
comes from JUDGEFORGE_TOKEN. DeepEval's telemetry is off; nothing goes anywhere but to the judge.
"""

import asyncio
import os
from typing import Any

# Read while DeepEval is imported; it would send usage figures, and look for a .env file, otherwise.
os.environ.setdefault("DEEPEVAL_TELEMETRY_OPT_OUT", "1")
os.environ.setdefault("DEEPEVAL_DISABLE_DOTENV", "1")
os.environ.setdefault("DEEPEVAL_NO_INSPECT_PROMPT", "1")

from deepeval import evaluate
from deepeval.evaluate.configs import CacheConfig, DisplayConfig, ErrorConfig
from deepeval.metrics import BaseMetric
from deepeval.test_case import LLMTestCase
from judge_client import Judge, JudgeFault, ServedJudge, build_parser, load_items, stop


class JudgeMetric(BaseMetric):
    """A judge's score, from 0 to 1; its feedback is the reason.

    Args:
        judge: whom to ask.
        rubric: criteria and levels, of the lowest score first (and ``lowest``, if that is not 1).
        threshold: the least score of a test case that passes; 0.75 is 4 of 1 to 5.
    """

    def __init__(self, judge: Judge, rubric: dict[str, Any], threshold: float = 0.75) -> None:
        self.judge, self.rubric, self.threshold = judge, rubric, threshold
        self.evaluation_model = judge.name
        self.async_mode, self.include_reason = True, True

    @property
    def __name__(self) -> str:  # DeepEval's name for a metric is not Python's for a class
        return "Judge"

    def measure(self, test_case: LLMTestCase, *_: Any, **__: Any) -> float | None:
        """Ask the judge. Without a verdict there is no score, ``error`` says so, and the test case fails.

        Raises:
            JudgeFault: the judge could not be asked.
        """
        self.score = self.error = None
        item = {"instruction": test_case.input, "response": test_case.actual_output, "rubric": self.rubric}
        verdict = self.judge.grade(item | {"reference": test_case.expected_output})
        self.reason = verdict["feedback"]
        if verdict["score"] is None:
            self.error = "No verdict could be parsed from the judge's answer."
        else:
            lowest = self.rubric.get("lowest", 1)
            self.score = (verdict["score"] - lowest) / (len(self.rubric["levels"]) - 1)
        self.success = self.score is not None and self.score >= self.threshold
        return self.score

    async def a_measure(self, test_case: LLMTestCase, *_: Any, **__: Any) -> float | None:
        """Ask the judge in a thread, so that test cases are judged side by side: the service makes batches of them."""
        return await asyncio.to_thread(self.measure, test_case)

    def is_successful(self) -> bool:
        """Tell whether the score reaches the threshold."""
        return bool(self.success)


def main() -> None:
    """Evaluate the items of a file, and print each score."""
    parser = build_parser(__doc__ or "")
    parser.add_argument("--server", required=True, help="address of `judgeforge serve`")
    chosen = parser.parse_args()
    rubric, items = load_items(chosen.items)
    cases = [
        LLMTestCase(input=item["instruction"], actual_output=item["response"], expected_output=item["reference"])
        for item in items
    ]
    quiet = DisplayConfig(show_indicator=False, print_results=False, inspect_after_run=False)
    try:
        metric = JudgeMetric(ServedJudge(chosen.server), rubric)
        result = evaluate(
            cases,
            [metric],
            display_config=quiet,
            cache_config=CacheConfig(write_cache=False),
            error_config=ErrorConfig(ignore_errors=False),
        )
    except JudgeFault as fault:
        stop(fault)
    for case in sorted(result.test_results, key=lambda each: each.index or 0):
        for found in case.metrics_data or []:
            print(f"{found.name}: {found.score} passed={found.success} ({found.error or found.reason!r})")


if __name__ == "__main__":
    main()
