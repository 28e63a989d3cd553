"""Benchmarks of one's own on other scales, through the whole of an evaluation: from YAML to figures worked by hand."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scipy.stats import pearsonr

from judgeforge.benchmarks import Benchmark, load_benchmark
from judgeforge.engines.journal import Journal
from judgeforge.engines.protocol import Completion, Conversation
from judgeforge.engines.references import build_reference
from judgeforge.errors import InputError
from judgeforge.evaluate.judging import ask_questions
from judgeforge.evaluate.plan import plan_questions
from judgeforge.evaluate.recorded import answer_from_file
from judgeforge.evaluate.rows import build_rows
from judgeforge.files import write_json_lines
from judgeforge.grading.templates import load_template, write_template
from judgeforge.report.charts import build_calibration, build_heatmap
from judgeforge.statistics.metrics import compute_metrics
from judgeforge.training_sets import write_table
from judgeforge.verdicts import VERDICTS_FILE, load_verdicts, write_verdicts

ANY = load_template("judgeforge-2")
TEN = {"criteria": "Is it good?", "levels": [f"Grade {number}." for number in range(1, 11)]}
PASS_FAIL = {"criteria": "Does it pass?", "levels": ["It fails.", "It passes."], "lowest": 0}


class RuleEngine:
    """Answers by a rule on the response that it is shown."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        self.rule = rule

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        for index, each in enumerate(conversations):
            prompt = each.messages[1]["content"]
            shown = prompt.split("###Response to evaluate:\n")[-1].split("\n\n")[0]
            text = self.rule(shown)
            shares = {str(score): 0.0 for score in each.scale.scores} | {"0": 0.25, "1": 0.75}
            probabilities = shares if shown == "weighed" else None
            yield (
                index,
                Completion(text=text, prompt_tokens=1, output_tokens=1, finish="end", probabilities=probabilities),
            )


def write_benchmark(folder: Path, rubric: dict | None, rows: list[dict[str, Any]], layout: str = "direct") -> Path:
    document = {"name": "own", "layout": layout, "file": "own.jsonl"} | ({"rubric": rubric} if rubric else {})
    (folder / "own.yaml").write_text(json.dumps(document))
    write_json_lines(folder / "own.jsonl", [{"instruction": f"Say {n}."} | row for n, row in enumerate(rows)])
    return folder / "own.yaml"


def load(folder: Path, rubric: dict | None, rows: list[dict[str, Any]], layout: str = "direct") -> Benchmark:
    return load_benchmark(str(write_benchmark(folder, rubric, rows, layout)), folder, None)


def evaluate(folder: Path, benchmark: Benchmark, rule: Callable[[str], str], samples: int = 1) -> dict[str, Any]:
    questions = plan_questions([benchmark], mode="clean", samples=samples, direct_for_pairwise=True, seed=1)
    answers = ask_questions(
        RuleEngine(rule), questions, ANY, Journal(folder, "k"), mode="clean", greedy=False, description="test"
    )
    write_verdicts(build_rows("judge", "clean", answers, {}), folder / "out")
    return compute_metrics(load_verdicts(folder / "out"), resamples=20, confidence=0.95, seed=1)["own"]


def figures(entry: dict[str, Any]) -> dict[str, float | None]:
    return {name: metric["value"] for name, metric in entry["metrics"].items()}


def answer(table: dict[str, str]) -> Callable[[str], str]:
    return lambda response: f"Fine. [RESULT] {table[response]}"


def test_one_to_ten(tmp_path: Path) -> None:
    rows = [{"response": name, "gold": gold} for name, gold in (("a", 1), ("b", 10), ("c", [7, 8]), ("d", 6))]
    entry = evaluate(tmp_path, load(tmp_path, TEN, rows), answer({"a": "1", "b": "10/10", "c": "8", "d": "11"}))
    found = figures(entry)
    # Only d is unparsable: it takes 5.5, the middle, and never agrees; the gold of c is the median 7.5, rounded up.
    assert entry["unparsable_rate"] == 0.25
    assert found["exact_agreement"] == 0.75
    assert found["mae"] == pytest.approx((0 + 0 + 0.5 + 0.5) / 4)
    assert found["pearson"] == pytest.approx(pearsonr([1, 10, 7.5, 6], [1, 10, 8, 5.5]).statistic)
    assert found["pearson_parsed"] == pytest.approx(pearsonr([1, 10, 7.5], [1, 10, 8]).statistic)
    # Squared gaps of gold 1, 10, 8, 6 and given 1, 10, 8, 5.5: one of 0.25 is seen; all 16 pairs sum to 360.
    assert found["quadratic_kappa"] == pytest.approx(1 - 0.25 / (360 / 4))
    assert entry["scale"] == [1, 10]
    assert [len(row) for row in entry["confusion"]] == [11] * 10
    cells = {(gold, given) for gold, row in enumerate(entry["confusion"]) for given, count in enumerate(row) if count}
    assert cells == {(0, 0), (9, 9), (7, 7), (5, 10)}


def test_pass_and_fail(tmp_path: Path) -> None:
    golds = {"a": 0, "b": 1, "c": 1, "d": 0, "weighed": 1}
    rows = [{"response": name, "gold": gold, "reference": "So."} for name, gold in golds.items()]
    table = {"a": "0", "b": "1", "c": "0", "d": "pass", "weighed": "1"}
    entry = evaluate(tmp_path, load(tmp_path, PASS_FAIL, rows), answer(table), samples=2)
    found = figures(entry)
    assert (entry["scale"], entry["unparsable_rate"], entry["answers"]) == ([0, 1], pytest.approx(0.2), 10)
    # The score 0 is a score, not a missing one; d takes a half, c is wrong, and what was weighed is 0.75.
    assert found["exact_agreement"] == pytest.approx(3 / 5)
    assert found["mae"] == pytest.approx((0 + 0 + 1 + 0.5 + 0.25) / 5)
    assert found["pearson"] == pytest.approx(pearsonr([0, 1, 1, 0, 1], [0, 1, 0, 0.5, 0.75]).statistic)
    assert entry["confusion"] == [[1, 0, 1], [1, 2, 0]]
    assert entry["run_alpha"] == pytest.approx(1)
    rows = pl.read_parquet(tmp_path / "out" / VERDICTS_FILE)
    assert rows.select("lowest", "highest").unique().rows() == [(0, 1)]
    assert [[cell["exact"] for cell in row].index(True) for row in build_heatmap(entry["confusion"])] == [0, 1]
    assert [(each["given"], each["gold"]) for each in build_calibration(entry["confusion"], 0)] == [(0, 0.5), (1, 1.0)]


def test_a_constant_judge_and_a_silent_one(tmp_path: Path) -> None:
    rows = [{"response": "a", "gold": 0}, {"response": "b", "gold": 1}]
    silent = evaluate(tmp_path / "silent", load(tmp_path, PASS_FAIL, rows), lambda _: "I cannot say.")
    assert (figures(silent)["exact_agreement"], figures(silent)["mae"], figures(silent)["pearson"]) == (0, 0.5, None)
    assert silent["confusion"] == [[0, 0, 1], [0, 0, 1]]


def test_pairs_graded_one_by_one_on_the_scale_of_their_rubric(tmp_path: Path) -> None:
    rows = [{"response_a": "a", "response_b": "b", "gold": "B"}, {"response_a": "b", "response_b": "c", "gold": "A"}]
    rows[1]["rubric"] = TEN
    benchmark = load(tmp_path, PASS_FAIL, rows, "pairwise")
    grades = {"a": 0, "b": 1, "c": 0}
    entry = evaluate(tmp_path, benchmark, lambda shown: f"Fine. [RESULT] {grades.get(shown, 'B')}")
    graded = entry["direct_for_pairwise"]
    # c's 0 is not on its scale of 1 to 10: no verdict on that pair, which is wrong.
    assert (graded["accuracy"]["value"], graded["unparsable_rate"]) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("rubric", "row", "said"),
    [
        (TEN, {"gold": 11}, "score 11, which is not from 1 to 10"),
        (TEN, {"gold": [3, 0]}, "score 0, which is not from 1 to 10"),
        (PASS_FAIL, {"gold": 2}, "score 2, which is not from 0 to 1"),
        (None, {"gold": 2, "rubric": PASS_FAIL}, "score 2, which is not from 0 to 1"),
        (TEN, {"gold": 1, "rubric": PASS_FAIL}, "scores from 0 to 1 and from 1 to 10.*benchmark of each"),
        (TEN, {"gold": 1, "rubric": {"criteria": "x", "levels": ["one"]}}, "two or more levels"),
    ],
)
def test_gold_is_checked_by_the_scale_and_a_direct_benchmark_has_one(tmp_path, rubric, row, said) -> None:
    good = {"response": "a", "gold": 1} | ({} if rubric else {"rubric": PASS_FAIL})
    with pytest.raises(InputError, match=said):
        load(tmp_path, rubric, [good, {"response": "b"} | row])


def record(folder: Path, *answers: dict[str, Any]) -> Path:
    path = folder / "theirs.jsonl"
    write_json_lines(path, [{"benchmark": "own", "item_id": f"own-{n}"} | row for n, row in enumerate(answers, 1)])
    return path


def test_recorded_scores_are_checked_by_the_scale(tmp_path: Path) -> None:
    benchmark = load(tmp_path, TEN, [{"response": "a", "gold": 1}, {"response": "b", "gold": 9}])
    path = record(tmp_path, {"score": 9.25}, {"text": "Good. [RESULT] 10"})
    found = answer_from_file(path, "theirs", ANY, [benchmark])
    assert [verdict.score for _, _, verdict in found] == [9, 10]
    assert found[0][1].probabilities == {str(score): {9: 0.75, 10: 0.25}.get(score, 0.0) for score in range(1, 11)}
    for wrong in (10.5, 0, 11):
        with pytest.raises(InputError, match=rf"own-2 of own has the score {wrong:g}, which is not from 1 to 10"):
            answer_from_file(record(tmp_path, {"score": 1}, {"score": wrong}), "theirs", ANY, [benchmark])


def test_trivial_judges_keep_to_the_scale(tmp_path: Path) -> None:
    rows = [{"response": "x" * n, "gold": 1} for n in range(1, 201)]
    items = [entry.item for entry in load(tmp_path, PASS_FAIL, rows).items]
    drawn = [verdict.score for verdict in build_reference("random", tmp_path, 1)(items)]
    assert set(drawn) == {0, 1} and 70 <= sum(drawn) <= 130
    assert [verdict.score for verdict in build_reference("longer", tmp_path, 1)(items)] == [0] * 100 + [1] * 100
    write_template(ANY, tmp_path)
    taught = [("5", [1, 5]), ("5", [1, 5]), ("5", [1, 5]), ("0", [0, 1]), ("0", [0, 1]), ("1", [0, 1])]
    examples = pl.DataFrame(
        {
            "messages": [[{"role": "assistant", "content": f"So. [RESULT] {score}"}] for score, _ in taught],
            "scale": [scale for _, scale in taught],
        }
    )
    path = tmp_path / "direct" / "part-00000.parquet"
    write_table(examples, path)
    assert build_reference("majority", tmp_path, 1)(items[:1])[0].score == 0
    write_table(examples[:3], path)
    (found,) = build_reference("majority", tmp_path, 1)(items[:1])
    assert (found.score, "no score of this scale" in found.feedback) == (0, True)


def test_verdicts_from_before_there_were_other_scales_are_of_five_points(tmp_path: Path) -> None:
    benchmark = load(tmp_path, {**TEN, "levels": TEN["levels"][:5]}, [{"response": "a", "gold": 4}])
    now = evaluate(tmp_path, benchmark, lambda _: "Hm.")
    path = tmp_path / "out" / VERDICTS_FILE
    pl.read_parquet(path).drop("lowest", "highest").write_parquet(path)
    then = compute_metrics(load_verdicts(tmp_path / "out"), resamples=20, confidence=0.95, seed=1)["own"]
    assert then == now and now["metrics"]["mae"]["value"] == 1
    pl.read_parquet(path).with_columns(lowest=pl.lit(1)).write_parquet(path)
    with pytest.raises(InputError, match="other columns"):
        load_verdicts(tmp_path / "out")
