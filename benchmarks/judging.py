"""Judgments per second on vLLM: ours against the sequence of engine calls of prometheus-eval (version 0.1.20).

The same loaded vLLM serves both sides, and its prefix cache is emptied before each. Needs `make setup-vllm` and a
judge, by default that of `make demo`; the environment variables JUDGE and BENCHMARKS name other folders.

1. Greedy, direct assessments and pairs in both orders, to the verdict. The peer grades all responses in one call, all
   pairs in a second, all exchanged pairs in a third, and asks again up to ten times what it cannot parse.
2. Three samples an item at a fixed length of answer, no answer used twice: the peer makes three runs of a call.
3. The transformers engine beside `generate` of transformers, in batches in file order.
"""

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness import Side, compare

from judgeforge.benchmarks import load_benchmark
from judgeforge.engines.protocol import Completion, Conversation, Generation
from judgeforge.engines.transformers import TransformersEngine
from judgeforge.engines.vllm import VllmEngine
from judgeforge.evaluate.plan import plan_questions
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.rendering import render_chat
from judgeforge.grading.templates import JudgeTemplate, load_template

JUDGE = Path(os.environ.get("JUDGE", "models/merged"))
BENCHMARKS = Path(os.environ.get("BENCHMARKS", "data/benchmarks"))
PROMPTS = int(os.environ.get("PROMPTS", "12"))
"""Prompts of each embedded benchmark; all their items are judged."""
NEW_TOKENS, FIXED_TOKENS, BATCH, RETRIES = 128, 48, 32, 10
GREEDY = Generation(
    max_new_tokens=NEW_TOKENS, max_prompt_tokens=1500, temperature=0, top_p=1, repetition_penalty=1, seed=0
)
SAMPLED = GREEDY.model_copy(update={"temperature": 1.0})
AGREE = 0.9
"""Share of equal verdicts below which the sides did not do the same work: batches round bfloat16 differently."""


class FixedLength(VllmEngine):
    """Answers of a fixed length, as the peer's in the second part."""

    def _build_parameters(self, request: Any, conversation: Conversation) -> Any:
        parameters = super()._build_parameters(request, conversation)
        parameters.ignore_eos, parameters.max_tokens = True, FIXED_TOKENS
        return parameters


def load_conversations(template: JudgeTemplate, samples: int) -> list[Conversation]:
    """Load what is asked, by benchmark and order as the peer would ask it."""
    found = []
    for name in ("embedded_direct", "embedded_pairwise"):
        benchmark = load_benchmark(name, BENCHMARKS, None)
        kept = sorted({entry.item.prompt_id for entry in benchmark.items})[:PROMPTS]
        items = tuple(entry for entry in benchmark.items if entry.item.prompt_id in kept)
        part = benchmark.model_copy(update={"items": items})
        options: dict[str, Any] = {"mode": "clean", "samples": samples, "direct_for_pairwise": False, "seed": 0}
        questions = plan_questions([part], **options)
        found += sorted(questions, key=lambda question: (question.sample, question.order))
    return [question.render(template) for question in found]


def list_calls(conversations: Sequence[Conversation]) -> list[list[int]]:
    """Group what the peer asks in one call: a format, an order, a run."""
    calls: list[list[int]] = []
    for index, each in enumerate(conversations):
        start = conversations[calls[-1][0]] if calls else None
        half = sum(other.format == "pairwise" and other.sample == each.sample for other in conversations) // 2
        full = each.format == "pairwise" and calls and len(calls[-1]) == half
        if start is None or (start.format, start.sample) != (each.format, each.sample) or full:
            calls.append([])
        calls[-1].append(index)
    return calls


def judge_like_peer(
    engine: VllmEngine, conversations: Sequence[Conversation], marker: str, retries: int, **parameters: Any
) -> dict[int, str]:
    """Make the peer's calls, one after another, with its retries of what cannot be parsed."""
    found: dict[int, str] = {}
    for call in list_calls(conversations):
        open_ = call
        for _ in range(retries + 1):
            texts = [render_chat(engine._tokenizer, list(conversations[index].messages)) for index in open_]
            outputs = engine._llm.generate(texts, engine._vllm.SamplingParams(**parameters), use_tqdm=False)
            found |= {index: output.outputs[0].text for index, output in zip(open_, outputs, strict=True)}
            open_ = [i for i in open_ if not parse_verdict(found[i], conversations[i].format, marker).parsed]
            if not open_:
                break
    return found


def judge_by_generate(engine: TransformersEngine, conversations: Sequence[Conversation]) -> dict[int, str]:
    """Decode batches in file order with the library's own ``generate`` and its default attention."""
    import torch  # noqa: PLC0415
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    model: Any = AutoModelForCausalLM.from_pretrained(JUDGE, dtype=torch.bfloat16)
    model.requires_grad_(False)
    tokenizer, found = engine._tokenizer, {}
    for start in range(0, len(conversations), BATCH):
        texts = [render_chat(tokenizer, list(each.messages)) for each in conversations[start : start + BATCH]]
        batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            output = model.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False)
        for offset, row in enumerate(output[:, batch["input_ids"].shape[1] :]):
            found[start + offset] = tokenizer.decode(row, skip_special_tokens=True)
    return found


def require_equal_verdicts(
    conversations: Sequence[Conversation], ours: dict[int, Completion], theirs: dict[int, str], marker: str
) -> None:
    """Fail unless nearly all verdicts are equal."""

    def read(text: str, index: int) -> tuple[int | None, str | None]:
        verdict = parse_verdict(text, conversations[index].format, marker)
        return verdict.score, verdict.choice

    equal = sum(read(ours[index].text, index) == read(theirs[index], index) for index in theirs)
    print(f"equal verdicts: {equal} of {len(theirs)}")
    assert equal >= AGREE * len(theirs)


class Bench:
    """A loaded judge, and what the sides found last.

    Args:
        options: of both engines.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.template = load_template(JUDGE)
        self.options = options
        # Loaded as for sampling: on CPU, vLLM reads prompts of seeded requests in one piece.
        self.engine = VllmEngine(JUDGE, template=self.template, generation=SAMPLED, **options)
        self.engine._generation = GREEDY
        self.greedy = load_conversations(self.template, samples=1)
        self.results: dict[str, Any] = {}

    def time(self, run: Callable[[], Any], name: str) -> Callable[[], None]:
        """Build a side that starts with an empty prefix cache and keeps what it found."""

        def measured() -> None:
            self.engine._llm.reset_prefix_cache()
            self.results[name] = run()

        return measured

    def check_verdicts(self) -> None:
        """Fail unless the sides gave the same verdicts."""
        marker = self.template.result_marker
        require_equal_verdicts(self.greedy, self.results["ours"], self.results["peer"], marker)

    def compare_greedy(self) -> None:
        """Measure the whole workload."""
        marker, sampling = self.template.result_marker, {"temperature": 0.0, "max_tokens": NEW_TOKENS}
        compare(
            "judging",
            f"{len(self.greedy)} judgments, direct and pairs in both orders, greedy, vLLM on CPU",
            Side("judgeforge", self.time(lambda: dict(self.engine.complete(self.greedy)), "ours")),
            Side(
                "prometheus-eval's calls",
                self.time(lambda: judge_like_peer(self.engine, self.greedy, marker, RETRIES, **sampling), "peer"),
            ),
            check=self.check_verdicts,
            rounds=3,
            goal=0.5,
        )

    def compare_samples(self) -> None:
        """Measure three samples an item at a fixed length; the marker is one that no answer holds."""
        sampled = load_conversations(self.template, samples=3)
        silent = FixedLength.__new__(FixedLength)
        silent.__dict__ = self.engine.__dict__ | {"_generation": SAMPLED}
        silent._marker = "\0"
        sampling = {"temperature": 1.0, "max_tokens": FIXED_TOKENS, "ignore_eos": True}

        def check() -> None:
            assert len(self.results["ours"]) == len(self.results["peer"]) == len(sampled)
            assert {completion.output_tokens for completion in self.results["ours"].values()} == {FIXED_TOKENS}

        compare(
            "judging-samples",
            f"{len(sampled)} answers: three samples an item, {FIXED_TOKENS} tokens each, vLLM on CPU",
            Side("judgeforge", self.time(lambda: dict(silent.complete(sampled)), "ours")),
            Side(
                "prometheus-eval's calls",
                self.time(lambda: judge_like_peer(self.engine, sampled, "\0", 0, **sampling), "peer"),
            ),
            check=check,
            rounds=3,
            goal=0.5,
        )

    def compare_transformers(self) -> None:
        """Measure the transformers engine beside ``generate``."""
        own = TransformersEngine(JUDGE, template=self.template, generation=GREEDY, **self.options)
        compare(
            "judging-transformers",
            f"{len(self.greedy)} judgments, direct and pairs in both orders, greedy, transformers on CPU",
            Side("judgeforge", self.time(lambda: dict(own.complete(self.greedy)), "ours")),
            Side("generate", self.time(lambda: judge_by_generate(own, self.greedy), "peer")),
            check=self.check_verdicts,
            rounds=3,
            goal=0.5,
        )


def main() -> None:
    """Measure the three."""
    if find_spec("vllm") is None or not JUDGE.is_dir():
        print(f"skipped: it needs vLLM (make setup-vllm) and a judge in {JUDGE} (make demo)")
        return
    bench = Bench({"batch_size": BATCH, "dtype": "bfloat16", "cpu_threads": len(os.sched_getaffinity(0))})
    bench.compare_greedy()
    bench.compare_samples()
    bench.compare_transformers()


if __name__ == "__main__":
    main()
