"""prometheus-eval with our judges: the prompts to the letter, its parser, and its vLLM interface for real."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from judgeforge.base.miniature import build_miniature
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric, Verdict
from judgeforge.grading.rendering import render_chat, render_prompt, render_verdict
from judgeforge.grading.templates import JudgeTemplate, load_template, write_template
from tests.integration.examples.conftest import EXAMPLES, ROOT, expect_one_line, read_values

pytestmark = pytest.mark.examples
SCRIPT = EXAMPLES / "prometheus_eval_judge.py"
RUBRIC = Rubric(criteria="Is it {right}?", levels=("no", "hardly", "half", "nearly", "yes"))
ASKED = {"instruction": "Say {it}.\nAnd again.", "rubric": RUBRIC, "prompt_id": "1"}
ITEMS = [
    DirectItem(item_id="1", response="It is {1}.", **ASKED),
    DirectItem(item_id="2", response="Two.", reference="Three.", **ASKED),
    PairwiseItem(item_id="3", response_a="A lot.", response_b="Be it.", **ASKED),
    PairwiseItem(item_id="4", response_a="A lot.", response_b="Be it.", reference="C.", **ASKED),
]


@pytest.fixture
def python(python_with: Any) -> Path:
    return python_with("prometheus_eval", "fastchat", "vllm")


@pytest.fixture
def ask_package(python: Path, run: Any, tmp_path: Path) -> Any:
    """Return the package's prompts for ITEMS, and what it reads from answers."""

    def ask(answers: list[tuple[str, str]]) -> dict[str, Any]:
        levels = [f"Score {score}: {level}" for score, level in enumerate(RUBRIC.levels, start=1)]
        shown = "\n".join([f"[{RUBRIC.criteria}]", *levels])
        rows = [item.model_dump(exclude={"rubric"}, exclude_none=True) | {"rubric": shown} for item in ITEMS]
        (tmp_path / "task.json").write_text(json.dumps({"items": rows, "answers": answers, "out": "said.json"}))
        side = EXAMPLES.parent / "tests/integration/examples/package_side.py"
        done = run("bash", "-c", f"{python} {side} < task.json", LITELLM_LOCAL_MODEL_COST_MAP="True")
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "said.json").read_text())

    return ask


@pytest.fixture
def taught(python: Path, run: Any, tmp_path: Path) -> tuple[Path, Any]:
    """Build a judge of the package's words and layout, whose tokenizer puts a token in front, as Mistral's does.

    Its weights are large, so that an answer hangs on every letter of its prompt.
    """
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    folder = tmp_path / "taught"
    folder.mkdir()
    build_miniature(folder, "float32", seed=0)
    weights = load_file(folder / "model.safetensors")
    larger = {name: (12 * each if each.ndim == 2 else each).contiguous() for name, each in weights.items()}
    save_file(larger, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    first = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A", pair=f"{first} $A $B", special_tokens=[(first, tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(folder)
    words = EXAMPLES / "prometheus_eval_words.py"
    done = run(python, words, "--template", "package.json", "--chat", folder / "chat_template.jinja")
    assert done.returncode == 0, done.stderr
    write_template(load_template(tmp_path / "package.json"), folder)
    return folder, AutoTokenizer.from_pretrained(folder)


def test_a_judge_taught_by_the_written_words_is_asked_to_the_letter(ask_package: Any, taught: Any) -> None:
    folder, tokenizer = taught
    template = load_template(folder)
    prompts = ask_package([])["prompts"]
    assert [render_chat(tokenizer, render_prompt(item, template)) for item in ITEMS] == [
        f"{tokenizer.bos_token}{prompt}" for prompt in prompts
    ]
    conversation = [*render_prompt(ITEMS[0], template), {"role": "assistant", "content": "So. [RESULT] 1"}]
    whole = tokenizer.apply_chat_template(conversation, tokenize=False)
    assert whole == f"{tokenizer.bos_token}{prompts[0]} So. [RESULT] 1{tokenizer.eos_token}", "as it is trained"


@pytest.mark.parametrize("name", ["judgeforge-1", "judgeforge-2"])
def test_the_package_reads_what_our_judges_are_taught_to_write(ask_package: Any, name: str) -> None:
    template = load_template(name)
    scores = [Verdict(feedback="It says 7 of 9. All is right.", score=score) for score in range(1, 6)]
    choices = [Verdict(feedback="Response A is better than B.", choice=choice) for choice in ("A", "B")]
    answers = [(render_verdict(each, template), "absolute") for each in scores]
    answers += [(render_verdict(each, template), "relative") for each in choices]
    assert ask_package(answers)["read"] == [1, 2, 3, 4, 5, "A", "B"]


def test_the_package_is_handed_the_judges_own_words(python: Path, run: Any, tmp_path: Path) -> None:
    names = ("judgeforge-1", "judgeforge-2")
    code = (
        "import json, prometheus_eval_judge as ours; from judgeforge.grading.templates import load_template as load\n"
        f"print(json.dumps([[ours.build_grade_templates(load(name), reference=shown) for shown in (False, True)]"
        f" for name in {names}]))"
    )
    done = run(python, "-c", code, PYTHONPATH=f"{ROOT}/src:{EXAMPLES}")
    assert done.returncode == 0, done.stderr
    levels = [f"Score {score}: {level}" for score, level in enumerate(RUBRIC.levels, start=1)]
    fields = {"instruction": ASKED["instruction"], "rubric": "\n".join([f"[{RUBRIC.criteria}]", *levels])}
    for name, written in zip(names, json.loads(done.stdout.splitlines()[-1]), strict=True):
        for item in ITEMS:
            words = written[item.reference is not None]
            if isinstance(item, DirectItem):
                said = words["absolute_grade_template"].format(response=item.response, **_refer(item), **fields)
            else:
                pair = {"response_A": item.response_a, "response_B": item.response_b}
                said = words["relative_grade_template"].format(**pair, **_refer(item), **fields)
            assert said == render_prompt(item, load_template(name))[1]["content"]


def _refer(item: DirectItem | PairwiseItem) -> dict[str, str | None]:
    return {"reference_answer": item.reference}


def test_the_vllm_interface_gives_the_same_with_our_classes_and_as_it_is(python: Path, run: Any, taught: Any) -> None:
    options = ["--model", taught[0], "--dtype", "float32", "--max-tokens", 60, "--constrained"]
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1"}
    own = run(python, SCRIPT, *options, **settings)
    package = run(python, SCRIPT, *options, "--package-words", **settings)
    for done in (own, package):
        assert done.returncode == 0, done.stderr[-3000:]
    scores = read_values(own.stdout, "score")
    assert len(scores) == 3 and set(scores) <= set("12345")
    assert set(read_values(own.stdout, "better")) <= {"A", "B"}
    lines = [
        [line for line in done.stdout.splitlines() if line.startswith(("score", "better"))] for done in (own, package)
    ]
    assert lines[0] == lines[1], "equal prompts, equal answers"
    assert len(set(lines[0])) == 6, "different prompts, different answers"


def test_a_judge_that_the_package_cannot_use_is_said_in_one_line(
    python: Path, run: Any, tmp_path: Path, miniature: Path, template: JudgeTemplate
) -> None:
    shutil.copytree(miniature, tmp_path / "judge")
    write_template(load_template("judgeforge-json-1"), tmp_path / "judge")
    expect_one_line(run(python, SCRIPT, "--model", "judge"), 2, "judgeforge-json-1")
