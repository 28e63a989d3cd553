"""What prometheus-eval asks and reads, as JSON: run by the tests with the interpreter that has the package.

It stands beside the package where vLLM would: it keeps the prompts that it is given, and says what it is told to.
"""

import json
import sys
from typing import Any

from prometheus_eval import PrometheusEval, get_prompt_template
from prometheus_eval.parser import parse_output


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def validate_vllm(self) -> bool:
        return True

    def completions(self, prompts: list[Any], **_: Any) -> list[str]:
        self.heard += prompts
        return ["So it goes. [RESULT] A" if "Response B" in str(prompts[0]) else "So it goes. [RESULT] 1"]


def main() -> None:
    task = json.load(sys.stdin)
    listener = Listener()
    for item in task["items"]:
        reference = item.get("reference")
        chosen = [get_prompt_template(format, reference is not None) for format in ("absolute", "relative")]
        package = PrometheusEval(listener, *chosen)
        shared = {"instruction": item["instruction"], "rubric": item["rubric"], "reference_answer": reference}
        if "response" in item:
            package.single_absolute_grade(response=item["response"], **shared)
        else:
            pair = {"response_A": item["response_a"], "response_B": item["response_b"]}
            package.single_relative_grade(**pair, **shared)
    read = [parse_output(text, mode)[1] for text, mode in task["answers"]]
    json.dump({"prompts": listener.heard, "read": read}, open(task["out"], "w"))  # noqa: PTH123, SIM115


main()
