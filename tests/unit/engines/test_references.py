from pathlib import Path

import polars as pl
import pytest

from judgeforge.engines.references import build_reference
from judgeforge.errors import InputError
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric
from judgeforge.grading.templates import load_template, write_template
from judgeforge.training_sets import EXAMPLES_SCHEMA, write_table

RUBRIC = Rubric(criteria="Is it right?", levels=("no", "hardly", "partly", "mostly", "yes"))


def direct(item_id: str, response: str = "text") -> DirectItem:
    return DirectItem(item_id=item_id, prompt_id="p", instruction="Say it.", response=response, rubric=RUBRIC)


def pair(item_id: str, first: str, second: str) -> PairwiseItem:
    return PairwiseItem(
        item_id=item_id, prompt_id="p", instruction="Say it.", response_a=first, response_b=second, rubric=RUBRIC
    )


def write_training_set(folder: Path, format: str, verdicts: list[str], scale: tuple[int, int] = (1, 5)) -> None:
    write_template(load_template("judgeforge-1"), folder)
    rows = [
        {
            "messages": [
                {"role": "user", "content": "?"},
                {"role": "assistant", "content": f"Fine. [RESULT] {verdict}"},
            ],
            "scale": list(scale),
        }
        for verdict in verdicts
    ]
    write_table(
        pl.DataFrame(rows, schema_overrides={"messages": EXAMPLES_SCHEMA["messages"]}),
        folder / format / "part-00000.parquet",
    )


def test_majority_answers_with_the_most_frequent_verdict(tmp_path: Path) -> None:
    write_training_set(tmp_path, "direct", ["4", "4", "2", "5"])
    write_training_set(tmp_path, "pairwise", ["A", "B", "B"])
    verdicts = build_reference("majority", tmp_path, 1)([direct("a"), pair("b", "x", "y")])
    assert [(verdict.score, verdict.choice) for verdict in verdicts] == [(4, None), (None, "B")]


def test_majority_settles_equal_counts_by_the_verdict_not_by_the_order(tmp_path: Path) -> None:
    write_training_set(tmp_path, "direct", ["5", "2", "2", "5"])
    assert build_reference("majority", tmp_path, 1)([direct("a")])[0].score == 2


def test_majority_counts_scores_of_the_items_scale_alone(tmp_path: Path) -> None:
    write_training_set(tmp_path, "direct", ["0", "1", "1"], scale=(0, 1))
    rubric = Rubric(criteria="Is it right?", levels=("no", "yes"), lowest=0)
    judge = build_reference("majority", tmp_path, 1)
    assert judge([direct("a").model_copy(update={"rubric": rubric})])[0].score == 1
    ten = Rubric(criteria="Is it right?", levels=tuple("abcdefghij"))
    assert judge([direct("a").model_copy(update={"rubric": ten})])[0].score == 5
    with pytest.raises(InputError, match="no verdict"):
        judge([direct("a")])


@pytest.mark.parametrize("verdicts", [None, ["none"]], ids=["no file", "no verdict"])
def test_majority_without_training_verdicts_is_an_input_error(tmp_path: Path, verdicts) -> None:
    write_training_set(tmp_path, "direct" if verdicts else "pairwise", verdicts or ["A"])
    with pytest.raises(InputError, match=r"/direct\b"):
        build_reference("majority", tmp_path, 1)([direct("a")])


def test_random_depends_on_seed_and_item_alone_and_is_about_uniform(tmp_path: Path) -> None:
    items = [direct(f"i{index}") for index in range(500)]
    pairs = [pair(f"i{index}", "x", "y") for index in range(500)]
    judge = build_reference("random", tmp_path, 1)
    scores = [verdict.score for verdict in judge(items)]
    assert scores[::-1] == [verdict.score for verdict in judge(items[::-1])]
    assert scores != [verdict.score for verdict in build_reference("random", tmp_path, 2)(items)]
    assert all(70 <= scores.count(score) <= 130 for score in (1, 2, 3, 4, 5))
    assert 200 <= [verdict.choice for verdict in judge(pairs)].count("A") <= 300


def test_longer_names_the_longer_response(tmp_path: Path) -> None:
    judge = build_reference("longer", tmp_path, 1)
    verdicts = judge([pair("a", "long text", "short"), pair("b", "short", "long text")])
    assert [verdict.choice for verdict in verdicts] == ["A", "B"]


def test_longer_draws_between_equal_lengths(tmp_path: Path) -> None:
    judge = build_reference("longer", tmp_path, 1)
    choices = [verdict.choice for verdict in judge([pair(f"i{index}", "same", "size") for index in range(100)])]
    assert 30 <= choices.count("A") <= 70


def test_longer_scores_by_fifths_of_length_and_equal_lengths_equally(tmp_path: Path) -> None:
    judge = build_reference("longer", tmp_path, 1)
    ladder = judge([direct(f"i{length}", "x" * length) for length in (50, 10, 20, 40, 30)])
    assert [verdict.score for verdict in ladder] == [5, 1, 2, 4, 3]
    assert {verdict.score for verdict in judge([direct("a", "xx"), direct("b", "yy")])} == {3}


def test_an_unknown_name_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="oracle"):
        build_reference("oracle", tmp_path, 1)
