"""Grade with a judge of judgeforge by the package prometheus-eval, through its vLLM interface.

    python examples/prometheus_eval_judge.py --model models/merged                   # in the words the judge was taught
    python examples/prometheus_eval_judge.py --model models/merged --package-words   # the package as it is

The package reads any judge whose template has the marker [RESULT]. But it asks in words of its own, laid out for
Mistral's chat format. A judge should be asked as it was taught: `JudgeEval` and `JudgeVLLM` below see to that, and all
else (batches, retries, parsing) stays the package's. To teach a judge the package's words: prometheus_eval_words.py.
"""

import os
import sys
from pathlib import Path
from typing import Any

from judge_client import build_parser, load_items

from judgeforge.engines.vllm_setup import import_vllm
from judgeforge.errors import InputError, JudgeforgeError
from judgeforge.grading.rendering import render_chat
from judgeforge.grading.templates import JudgeTemplate, load_template

CACHE_GIB = 4  # what vLLM keeps its cache in where there is no GPU
MARKER = "[RESULT]"
RUBRIC = "\n".join(["[{criteria}]", *(f"Score {score}: {{level_{score}}}" for score in range(1, 6))])
FIELDS = {"instruction": "instruction", "response": "response", "response_a": "response_A", "response_b": "response_B"}
FIELDS |= {"reference": "reference_answer", "rubric": "rubric"}

import_vllm(None, CACHE_GIB)  # sets what vLLM reads while it is imported
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or litellm fetches a list of prices

from prometheus_eval import ABSOLUTE_PROMPT, RELATIVE_PROMPT, PrometheusEval
from prometheus_eval.vllm import VLLM
from vllm import SamplingParams
from vllm.sampling_params import StructuredOutputsParams


def build_grade_templates(template: JudgeTemplate, *, reference: bool) -> dict[str, str]:
    """Write a judge's template as the package's two: ``absolute_grade_template`` and ``relative_grade_template``.

    Raises:
        InputError: the judge closes by another marker, or is shown rubrics in another form than the package's.
    """
    fixed = template.pin_five_points()
    if fixed.result_marker != MARKER or RUBRIC not in fixed.direct or RUBRIC not in fixed.pairwise:
        raise InputError(f"prometheus-eval cannot use the template {fixed.name}.", "use judgeforge-1 or judgeforge-2.")
    found = {}
    for name, text, (clause, section) in (
        ("absolute_grade_template", fixed.direct, fixed.select_reference("direct")),
        ("relative_grade_template", fixed.pairwise, fixed.select_reference("pairwise")),
    ):
        words = text.replace(RUBRIC, "{rubric}").replace("{reference_clause}", clause if reference else "")
        words = words.replace("{reference_section}", section if reference else "")
        words = words.replace("{", "{{").replace("}", "}}")  # the package fills by str.format
        for ours, theirs in FIELDS.items():
            words = words.replace(f"{{{{{ours}}}}}", f"{{{theirs}}}")
        found[name] = words
    return found


class JudgeEval(PrometheusEval):
    """The package, with the judge's own system message; the chat's layout is left to ``JudgeVLLM``."""

    def __init__(self, model: "JudgeVLLM", template: JudgeTemplate, *, reference: bool) -> None:
        super().__init__(model, **build_grade_templates(template, reference=reference))
        self.system = template.system

    def _get_conversation_prompt(self, messages: list[dict[str, str]]) -> Any:
        return [{"role": "system", "content": self.system}, messages[-1]]


class JudgeVLLM(VLLM):
    """The package's vLLM interface, with prompts laid out by the judge's own chat format, to the letter."""

    def completions(self, prompts: list[Any], use_tqdm: bool = True, **settings: Any) -> list[str]:
        """Return the answers to conversations. (The package's own method strips prompts and adds a second start.)"""
        tokenizer = self.model.get_tokenizer()
        texts = [render_chat(tokenizer, prompt) for prompt in prompts]
        asked = [{"prompt_token_ids": tokens} for tokens in tokenizer(texts, add_special_tokens=False)["input_ids"]]
        answers = self.model.generate(asked, SamplingParams(**settings), use_tqdm=use_tqdm)
        return [answer.outputs[0].text for answer in answers]


def build_settings(verdicts: str, max_tokens: int, constrained: bool) -> dict[str, Any]:
    """Build the settings of vLLM. They have to be named: among the package's own is one that vLLM no longer has."""
    settings: dict[str, Any] = {"max_tokens": max_tokens, "temperature": 0.0}
    if constrained:
        form = rf"[^\[\]]{{1,{max_tokens // 2}}} \[RESULT\] {verdicts}"
        settings["structured_outputs"] = StructuredOutputsParams(regex=form)
    return settings


def main() -> None:
    """Grade the items of a file, and compare each response with its reference answer."""
    parser = build_parser(__doc__ or "")
    parser.add_argument("--model", type=Path, required=True, help="the judge's folder")
    parser.add_argument("--package-words", action="store_true", help="ask in the package's words, in Mistral's format")
    parser.add_argument("--max-tokens", type=int, default=256, help="of an answer (default: %(default)s)")
    parser.add_argument("--constrained", action="store_true", help="let an answer be nothing but feedback and verdict")
    parser.add_argument("--dtype", default="auto", help="of the weights (default: %(default)s)")
    chosen = parser.parse_args()
    rubric, items = load_items(chosen.items)
    options = {"dtype": chosen.dtype, "max_model_len": 4096, "enforce_eager": True}
    try:
        template = load_template(chosen.model)
        if chosen.package_words:
            judge = PrometheusEval(VLLM(str(chosen.model), **options), ABSOLUTE_PROMPT, RELATIVE_PROMPT)
        else:
            judge = JudgeEval(JudgeVLLM(str(chosen.model), **options), template, reference=True)
    except JudgeforgeError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_code) from error
    levels = [f"Score {score}: {level}" for score, level in enumerate(rubric["levels"], start=1)]
    asked = {
        "instructions": [item["instruction"] for item in items],
        "rubric": "\n".join([f"[{rubric['criteria']}]", *levels]),
        "reference_answers": [item["reference"] for item in items],
    }
    responses = [item["response"] for item in items]
    settings = build_settings("[1-5]", chosen.max_tokens, chosen.constrained)
    graded = judge.absolute_grade(**asked, responses=responses, params=settings)
    pairs = {"responses_A": responses, "responses_B": asked["reference_answers"]}
    settings = build_settings("[AB]", chosen.max_tokens, chosen.constrained)
    compared = judge.relative_grade(**asked, **pairs, params=settings)
    for feedback, score, comparison, better in zip(*graded, *compared, strict=True):
        print(f"score: {score} ({feedback!r})")
        print(f"better: {better} ({comparison!r})")


if __name__ == "__main__":
    main()
