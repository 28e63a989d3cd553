"""Judgments per second on vLLM: ours against the sequence of engine calls of prometheus-eval (version 0.1.20).

Both sides load the judge into the same vLLM, with the same arithmetic, threads and context: ours as the engine `vllm`
does, the peer as its class `VLLM` does, which leaves the rest to vLLM. Prefix caches are emptied before each run. Needs
`make setup-vllm` and a judge, by default that of `make demo`: JUDGE and BENCHMARKS in the environment name others.

1. Greedy, direct assessments and pairs in both orders, to the verdict. The peer grades all responses in one call, all
   pairs in a second, all exchanged pairs in a third, and asks again up to ten times what it cannot parse.
2. Three samples an item at a fixed length of answer, no answer used twice: the peer makes three runs of a call.
3. As 1, and both responses of every pair graded by themselves, as for the consistency across formats (the paper's Table
   13): the peer grades every response of every pair anew, in a fourth and a fifth call.
4. The transformers engine beside `generate` of transformers, in batches in file order.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness import Side, compare

from judgeforge.benchmarks import load_benchmark
from judgeforge.engines.asking import complete_journalled
from judgeforge.engines.journal import Journal, compute_question_key
from judgeforge.engines.protocol import Completion, Conversation, Engine, Generation
from judgeforge.engines.transformers import TransformersEngine
from judgeforge.engines.vllm import VllmEngine
from judgeforge.evaluate.plan import plan_questions
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.rendering import render_chat
from judgeforge.grading.templates import JudgeTemplate, load_template
from judgeforge.params import VllmParams

JUDGE = Path(os.environ.get("JUDGE", "models/merged"))
BENCHMARKS = Path(os.environ.get("BENCHMARKS", "data/benchmarks"))
PROMPTS = int(os.environ.get("PROMPTS", "12"))
"""Prompts of each embedded benchmark; all their items are judged."""
NEW_TOKENS, FIXED_TOKENS, BATCH, RETRIES, ROUNDS = 128, 48, 32, 10, 3
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


@dataclass(frozen=True)
class Work:
    """What is asked.

    Args:
        conversations: one a judgment, whether asked before or not.
        calls: their numbers as the peer asks them: a call for each way of asking, order and run.
    """

    conversations: list[Conversation]
    calls: list[list[int]]


def load_work(template: JudgeTemplate, *, samples: int = 1, direct_for_pairwise: bool = False) -> Work:
    """Load the questions of the embedded benchmarks."""
    conversations: list[Conversation] = []
    calls: dict[tuple[object, ...], list[int]] = {}
    for name in ("embedded_direct", "embedded_pairwise"):
        benchmark = load_benchmark(name, BENCHMARKS, None)
        kept = sorted({entry.item.prompt_id for entry in benchmark.items})[:PROMPTS]
        items = tuple(entry for entry in benchmark.items if entry.item.prompt_id in kept)
        part = benchmark.model_copy(update={"items": items})
        for question in plan_questions(
            [part], mode="clean", samples=samples, direct_for_pairwise=direct_for_pairwise, seed=0
        ):
            calls.setdefault((question.method, question.order, question.sample), []).append(len(conversations))
            conversations.append(question.render(template))
    return Work(conversations, list(calls.values()))


def judge_like_us(engine: Engine, work: Work) -> dict[int, Completion]:
    """Ask as an evaluation does: equal questions once, every answer into a journal."""
    with TemporaryDirectory() as folder:
        return dict(enumerate(complete_journalled(engine, work.conversations, Journal(Path(folder), "bench"), "ours")))


def judge_like_peer(llm: Any, tokenizer: Any, work: Work, marker: str, retries: int, sampling: Any) -> dict[int, str]:
    """Make the peer's calls, one after another, with its retries of what cannot be parsed."""
    found: dict[int, str] = {}
    for call in work.calls:
        open_ = call
        for _ in range(retries + 1):
            texts = [render_chat(tokenizer, list(work.conversations[index].messages)) for index in open_]
            outputs = llm.generate(texts, sampling, use_tqdm=False)
            found |= {index: output.outputs[0].text for index, output in zip(open_, outputs, strict=True)}
            open_ = [i for i in open_ if not parse_verdict(found[i], work.conversations[i].format, marker).parsed]
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


def require_equal_verdicts(work: Work, ours: dict[int, Completion], theirs: dict[int, str], marker: str) -> None:
    """Fail unless nearly all verdicts are equal."""

    def read(text: str, index: int) -> tuple[int | None, str | None]:
        verdict = parse_verdict(text, work.conversations[index].format, marker)
        return verdict.score, verdict.choice

    equal = sum(read(ours[index].text, index) == read(theirs[index], index) for index in theirs)
    print(f"equal verdicts: {equal} of {len(theirs)}")
    assert equal >= AGREE * len(theirs)


class Bench:
    """A loaded judge on both sides, and what the sides found last.

    Args:
        options: of our engines.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.template = load_template(JUDGE)
        self.options = options
        # Loaded as for sampling: on CPU, vLLM reads prompts of seeded requests in one piece.
        machine = VllmParams(tensor_parallel_size=1, gpu_memory_utilization=0.4, cpu_cache_gib=4)
        self.engine = VllmEngine(JUDGE, template=self.template, generation=SAMPLED, machine=machine, **options)
        self.engine._generation = GREEDY
        self.peer = self._load_peer(options["dtype"])
        self.results: dict[str, Any] = {}

    def _load_peer(self, dtype: str) -> Any:
        """Load the judge as the peer does, with our arithmetic and context; compiling gains nothing here."""
        length = GREEDY.max_prompt_tokens + GREEDY.max_new_tokens
        alike = {"dtype": dtype, "max_model_len": length, "enforce_eager": True, "gpu_memory_utilization": 0.4}
        return self.engine._vllm.LLM(model=str(JUDGE), **alike)

    def measure(self, name: str, kind: str, work: Work, ours: Side, peer: Side, check: Callable[[], None]) -> None:
        """Compare two sides that find the prefix caches empty, and keep what each found."""

        def fresh(side: Side) -> Side:
            def run() -> None:
                self.engine._llm.reset_prefix_cache()
                self.peer.reset_prefix_cache()
                self.results[side.name] = side.run()

            return Side(side.name, run)

        different = len(set(map(compute_question_key, work.conversations)))
        text = f"{len(work.conversations)} {kind}, {different} of them different"
        compare(name, text, fresh(ours), fresh(peer), check=check, rounds=ROUNDS, goal=0.5)

    def judge_like_peer(self, work: Work, marker: str, retries: int, **sampling: Any) -> dict[int, str]:
        """See the function of this name."""
        parameters = self.engine._vllm.SamplingParams(**sampling)
        return judge_like_peer(self.peer, self.engine._tokenizer, work, marker, retries, parameters)

    def compare_greedy(self, name: str, work: Work) -> None:
        """Measure judging to the verdict."""
        marker, sampling = self.template.result_marker, {"temperature": 0.0, "max_tokens": NEW_TOKENS}
        ours = Side("judgeforge", lambda: judge_like_us(self.engine, work))
        peer = Side("prometheus-eval's calls", lambda: self.judge_like_peer(work, marker, RETRIES, **sampling))

        def check() -> None:
            require_equal_verdicts(work, self.results[ours.name], self.results[peer.name], marker)

        self.measure(name, "judgments, greedy, vLLM on CPU", work, ours, peer, check)

    def compare_samples(self, work: Work) -> None:
        """Measure three samples an item at a fixed length; the marker is one that no answer holds."""
        silent = FixedLength.__new__(FixedLength)
        silent.__dict__ = self.engine.__dict__ | {"_generation": SAMPLED, "_marker": "\0"}
        sampling = {"temperature": 1.0, "max_tokens": FIXED_TOKENS, "ignore_eos": True}
        ours = Side("judgeforge", lambda: judge_like_us(silent, work))
        peer = Side("prometheus-eval's calls", lambda: self.judge_like_peer(work, "\0", 0, **sampling))

        def check() -> None:
            found = self.results[ours.name]
            assert len(found) == len(self.results[peer.name]) == len(work.conversations)
            assert {completion.output_tokens for completion in found.values()} == {FIXED_TOKENS}

        kind = f"answers of {FIXED_TOKENS} tokens, three samples an item, vLLM on CPU"
        self.measure("judging-samples", kind, work, ours, peer, check)

    def compare_transformers(self, work: Work) -> None:
        """Measure the transformers engine beside ``generate``."""
        own = TransformersEngine(JUDGE, template=self.template, generation=GREEDY, **self.options)
        ours = Side("judgeforge", lambda: judge_like_us(own, work))
        peer = Side("generate", lambda: judge_by_generate(own, work.conversations))

        def check() -> None:
            require_equal_verdicts(work, self.results[ours.name], self.results[peer.name], self.template.result_marker)

        self.measure("judging-transformers", "judgments, greedy, transformers on CPU", work, ours, peer, check)


def main() -> None:
    """Measure the four, or those that PARTS names."""
    if find_spec("vllm") is None or not JUDGE.is_dir():
        print(f"skipped: it needs vLLM (make setup-vllm) and a judge in {JUDGE} (make demo)")
        return
    bench = Bench({"batch_size": BATCH, "dtype": "bfloat16", "cpu_threads": len(os.sched_getaffinity(0))})
    pairs, parts = load_work(bench.template), os.environ.get("PARTS", "greedy samples formats transformers").split()
    if "greedy" in parts:
        bench.compare_greedy("judging", pairs)
    if "samples" in parts:
        bench.compare_samples(load_work(bench.template, samples=3))
    if "formats" in parts:
        bench.compare_greedy("judging-formats", load_work(bench.template, direct_for_pairwise=True))
    if "transformers" in parts:
        bench.compare_transformers(pairs)


if __name__ == "__main__":
    main()
