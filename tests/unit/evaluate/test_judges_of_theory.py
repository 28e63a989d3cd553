"""Judges whose figures theory knows, through the whole of an evaluation, in both modes, on real files where present.

No model: an engine that answers by a rule stands at the outermost edge. All else is what evaluates a trained judge.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from judgeforge.benchmarks import Benchmark, BenchmarkItem, load_benchmark
from judgeforge.engines.journal import Journal
from judgeforge.engines.protocol import Completion, Conversation
from judgeforge.evaluate.judging import ask_questions
from judgeforge.evaluate.plan import plan_questions
from judgeforge.evaluate.rows import build_rows
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric
from judgeforge.grading.templates import load_template
from judgeforge.statistics.metrics import compute_metrics
from judgeforge.verdicts import load_verdicts, write_verdicts

TEMPLATE = load_template("judgeforge-1")
RUBRIC = Rubric(criteria="Is it right?", levels=("no", "hardly", "partly", "mostly", "yes"))
PUBLISHED = Path(__file__).parents[4] / "shared" / "benchmarks"
needs_files = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the benchmark files are not at {PUBLISHED}")

Rule = Callable[[str, int], str]
"""From the prompt and the number of the sample to an answer."""


class RuleEngine:
    """Answers by a rule and counts what it is asked."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.asked = rule, 0

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        for index, each in enumerate(conversations):
            self.asked += 1
            text = self.rule(each.messages[1]["content"], each.sample)
            yield index, Completion(text=text, prompt_tokens=1, output_tokens=1, finish="end")


def draw(text: str, options: int) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % options


def shown_first(prompt: str, better: str) -> bool:
    return f"###Response A:\n{better}\n" in prompt


def build_rule(kind: str, better_of: dict[str, str]) -> Rule:
    """A rule for pairs; ``better_of`` maps an instruction's responses, joined, to the better one."""

    def better(prompt: str) -> str:
        first = prompt.split("###Response A:\n")[1].split("\n\n###Response B:\n")
        second = first[1].split("\n\n###Score Rubric")[0].split("\n\n###Reference Answer")[0]
        return better_of["\0".join(sorted((first[0], second)))]

    return {
        "always A": lambda prompt, sample: "Fine. [RESULT] A",
        "flips": lambda prompt, sample: (
            f"Fine. [RESULT] {'A' if draw(better(prompt), 2) or shown_first(prompt, better(prompt)) else 'B'}"
        ),
        "perfect": lambda prompt, sample: f"Fine. [RESULT] {'A' if shown_first(prompt, better(prompt)) else 'B'}",
        "random": lambda prompt, sample: f"Fine. [RESULT] {'AB'[draw(f'{prompt}{sample}', 2)]}",
        "unparsable": lambda prompt, sample: "I cannot say.",
    }[kind]


def evaluate(
    tmp_path: Path, benchmark: Benchmark, rule: Rule, *, mode: str = "clean", **options
) -> tuple[dict, RuleEngine]:
    settings = {"samples": 1, "direct_for_pairwise": False, "seed": 1} | options
    questions = plan_questions([benchmark], mode=mode, **settings)
    engine = RuleEngine(rule)
    answers = ask_questions(
        engine, questions, TEMPLATE, Journal(tmp_path, "key"), mode=mode, greedy=mode == "clean", description="test"
    )
    write_verdicts(build_rows("judge", mode, answers, {}), tmp_path / "out")
    metrics = compute_metrics(load_verdicts(tmp_path / "out"), resamples=50, confidence=0.95, seed=1)
    return metrics[benchmark.name], engine


def figures(entry: dict) -> dict[str, float | None]:
    return {name: metric["value"] for name, metric in entry["metrics"].items()}


def make_pairs(count: int, ties: int = 0) -> Benchmark:
    items = [
        BenchmarkItem(
            item=PairwiseItem(
                item_id=f"i{index}",
                prompt_id=f"p{index // 2}",
                instruction=f"Say {index}.",
                response_a=f"One {index}",
                response_b=f"Two {index}, at length",
                rubric=RUBRIC,
            ),
            gold="tie" if index < ties else "AB"[index % 2],
        )
        for index in range(count)
    ]
    return Benchmark(name="pairs", format="pairwise", items=tuple(items))


def find_better(benchmark: Benchmark) -> dict[str, str]:
    found = {}
    for entry in benchmark.items:
        item = entry.item
        key = "\0".join(sorted((item.response_a, item.response_b)))
        found[key] = item.response_b if entry.gold == "B" else item.response_a
    return found


def test_a_judge_that_always_says_a_in_clean_mode(tmp_path: Path) -> None:
    benchmark = make_pairs(40, ties=10)
    found = figures(evaluate(tmp_path, benchmark, build_rule("always A", {}))[0])
    # Its two orders never agree: every verdict is a tie, right for the ten gold ties alone.
    assert found == {
        "accuracy": 0.5,
        "accuracy_both_orders": 0,
        "accuracy_with_ties": 0.25,
        "accuracy_parsed": 0.5,
        "cohen_kappa": 0,
        "swap_consistency": 0,
        "position_bias": 0.5,
        "length_bias": 0,
    }


def test_a_judge_that_always_says_a_in_paper_mode(tmp_path: Path) -> None:
    benchmark = make_pairs(400, ties=100)
    entry, engine = evaluate(tmp_path, benchmark, build_rule("always A", {}), mode="paper")
    found = figures(entry)
    assert engine.asked == 400, "one order"
    assert found["accuracy_both_orders"] is None and found["swap_consistency"] is None
    # It names the first always, which is better (ties counting half) about half of the time.
    assert found["position_bias"] == pytest.approx(0.5, abs=0.09)
    # The seed places half of the better responses first; a tie is never right.
    assert found["accuracy"] == pytest.approx(0.5, abs=0.09)
    assert found["accuracy_with_ties"] == pytest.approx(found["accuracy"] * 0.75)


@pytest.mark.parametrize("mode", ["clean", "paper"])
def test_a_perfect_judge(tmp_path: Path, mode: str) -> None:
    benchmark = make_pairs(40, ties=10)
    found = figures(evaluate(tmp_path, benchmark, build_rule("perfect", find_better(benchmark)), mode=mode)[0])
    assert found["accuracy"] == found["accuracy_parsed"] == 1
    assert found["accuracy_with_ties"] == 0.75, "it has no word for a tie"
    assert found["position_bias"] == pytest.approx(0, abs=0 if mode == "clean" else 0.13), "but on the ties"
    if mode == "clean":
        assert (found["accuracy_both_orders"], found["swap_consistency"]) == (1, 1)


@pytest.mark.parametrize("mode", ["clean", "paper"])
def test_a_random_judge(tmp_path: Path, mode: str) -> None:
    found = figures(evaluate(tmp_path, make_pairs(2000), build_rule("random", {}), mode=mode)[0])
    assert found["accuracy"] == pytest.approx(0.5, abs=0.04)
    assert found["position_bias"] == pytest.approx(0, abs=0.04)
    if mode == "clean":
        assert found["accuracy_both_orders"] == pytest.approx(0.25, abs=0.04)
        assert found["swap_consistency"] == pytest.approx(0.5, abs=0.04)


def test_an_unparsable_judge_is_wrong_everywhere_and_said_to_be_unparsable(tmp_path: Path) -> None:
    entry, _ = evaluate(tmp_path, make_pairs(20), build_rule("unparsable", {}))
    found = figures(entry)
    assert (entry["unparsable_rate"], found["accuracy"], found["accuracy_with_ties"]) == (1, 0, 0)
    assert found["accuracy_parsed"] is None and found["swap_consistency"] is None and found["position_bias"] is None


def test_paper_mode_draws_an_unparsable_answer_five_times_more_and_clean_mode_never(tmp_path: Path) -> None:
    _, clean = evaluate(tmp_path / "clean", make_pairs(4), build_rule("unparsable", {}))
    entry, paper = evaluate(tmp_path / "paper", make_pairs(4), build_rule("unparsable", {}), mode="paper")
    assert clean.asked == 8
    assert paper.asked == 4 * 6
    assert (entry["answers"], entry["unparsable_rate"]) == (4, 1)


def test_paper_mode_draws_equal_grades_again_only_where_the_gold_is_no_tie(tmp_path: Path) -> None:
    """The quirk that lets the gold label in: three tries for the decided pairs, one for the ties."""

    def rule(prompt: str, sample: int) -> str:
        if "###Response A:" in prompt:
            return "Fine. [RESULT] A"
        return f"Fine. [RESULT] {5 if sample == 2 and 'Two' in prompt else 3}"

    entry, engine = evaluate(tmp_path, make_pairs(10, ties=4), rule, mode="paper", direct_for_pairwise=True)
    assert engine.asked == 10 + 2 * 10 + 2 * 6 * 2
    # The third draw prefers "Two", which is B as listed: right for the three pairs whose gold it is.
    assert entry["direct_for_pairwise"]["accuracy"]["value"] == pytest.approx(3 / 6)


def test_direct_for_pairwise_counts_equal_grades_as_half_in_clean_mode_and_gives_the_gap(tmp_path: Path) -> None:
    def rule(prompt: str, sample: int) -> str:
        return "Fine. [RESULT] A" if "###Response A:" in prompt else "Fine. [RESULT] 3"

    entry, _ = evaluate(tmp_path, make_pairs(10), rule, direct_for_pairwise=True)
    assert entry["direct_for_pairwise"]["accuracy"]["value"] == 0.5
    assert entry["direct_for_pairwise"]["gap"]["value"] == 0


def test_paper_mode_averages_three_direct_answers(tmp_path: Path) -> None:
    items = [
        BenchmarkItem(
            item=DirectItem(
                item_id=f"i{index}", prompt_id=f"p{index}", instruction="Say.", response=f"R{index}", rubric=RUBRIC
            ),
            gold=1 + index % 5,
            graders=(1 + index % 5,),
        )
        for index in range(10)
    ]
    benchmark = Benchmark(name="grades", format="direct", items=tuple(items))
    entry, engine = evaluate(tmp_path, benchmark, lambda prompt, sample: f"Fine. [RESULT] {1 + sample}", mode="paper")
    assert engine.asked == 30
    assert [row[1] for row in entry["confusion"]] == [2] * 5, "the mean of 1, 2 and 3"


def count_steady(benchmark: Benchmark) -> float:
    """The share of decided pairs on which the judge that flips is right; on the others it says A in both orders."""
    better_of = find_better(benchmark)
    decided = [entry.item for entry in benchmark.items if entry.gold != "tie"]
    keys = ["\0".join(sorted((item.response_a, item.response_b))) for item in decided]
    return sum(draw(better_of[key], 2) == 0 for key in keys) / len(keys)


def test_a_judge_that_flips_with_the_order_on_some_pairs(tmp_path: Path) -> None:
    benchmark = make_pairs(60)
    found = figures(evaluate(tmp_path, benchmark, build_rule("flips", find_better(benchmark)))[0])
    steady = count_steady(benchmark)
    assert 0.3 < steady < 0.7
    assert found["swap_consistency"] == found["accuracy_both_orders"] == pytest.approx(steady)
    assert found["accuracy"] == pytest.approx(steady + (1 - steady) / 2)
    assert found["position_bias"] == pytest.approx((1 - steady) / 2)


@pytest.mark.real_data
@needs_files
@pytest.mark.parametrize("mode", ["clean", "paper"])
@pytest.mark.parametrize("name", ["hhh_alignment", "autoj_eval"])
def test_the_judges_of_theory_on_published_pairs(tmp_path: Path, name: str, mode: str) -> None:
    benchmark = load_benchmark(name, tmp_path, PUBLISHED)
    better_of = find_better(benchmark)
    found = {}
    for kind in ("always A", "perfect", "random", "flips", "unparsable"):
        entry = evaluate(tmp_path / kind, benchmark, build_rule(kind, better_of), mode=mode)[0]
        found[kind] = figures(entry) | {"unparsable_rate": entry["unparsable_rate"]}
    ties = sum(entry.gold == "tie" for entry in benchmark.items) / len(benchmark.items)
    steady = count_steady(benchmark)
    assert found["perfect"]["accuracy"] == 1
    assert found["perfect"]["accuracy_with_ties"] == pytest.approx(1 - ties)
    assert (found["unparsable"]["unparsable_rate"], found["unparsable"]["accuracy"]) == (1, 0)
    assert found["always A"]["position_bias"] == pytest.approx(0.5, abs=0 if mode == "clean" else 0.08)
    assert found["random"]["accuracy"] == pytest.approx(0.5, abs=0.08)
    assert found["flips"]["accuracy"] == pytest.approx(steady + (1 - steady) / 2, abs=0 if mode == "clean" else 0.08)
    if mode == "paper":
        assert found["always A"]["accuracy"] == pytest.approx(0.5, abs=0.08), "the seed places them"
        return
    assert (found["always A"]["accuracy"], found["always A"]["swap_consistency"]) == (0.5, 0)
    assert found["always A"]["accuracy_with_ties"] == pytest.approx(ties)
    assert (found["perfect"]["swap_consistency"], found["perfect"]["position_bias"]) == (1, 0)
    assert found["random"]["accuracy_both_orders"] == pytest.approx(0.25, abs=0.08)
    assert found["flips"]["accuracy_both_orders"] == pytest.approx(steady)
