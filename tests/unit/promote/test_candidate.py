from dataclasses import replace
from pathlib import Path

import pytest

from judgeforge.errors import InputError
from judgeforge.params import load_params
from judgeforge.promote.candidate import (
    Conditions,
    carry_contamination,
    list_disagreements,
    load_candidate,
)
from judgeforge.verdicts import VERDICTS_FILE, write_verdicts
from tests.evaluations import CONTENTS, build_candidate, build_rows, write_rows

ROOT = Path(__file__).resolve().parents[3]
ENGINE = load_params(ROOT / "params.yaml").evaluate
WANTED = Conditions({"d": "1", "p": "2"}, {"d": 120, "p": 240}, "clean", {"temperature": 0.0}, "t")


def test_an_evaluation_is_read_with_the_conditions_it_was_made_under(tmp_path: Path) -> None:
    found = build_candidate(tmp_path, ENGINE, mute=range(3), seen={"p": range(13), "d": range(12)})
    assert found.formats == {"d": "direct", "p": "pairwise"}
    assert found.unparsable["d"] == 0, "the three without a verdict are contaminated"
    assert found.barred == {"p"}, "12 of 120 is a tenth, 13 is more"
    assert found.select("d").height == found.select("p").height == 120
    conditions = found.conditions
    assert (conditions.contents, conditions.mode) == (CONTENTS, "clean")
    assert conditions.asked == {"d": 120, "p": 240}
    assert conditions.generation is not None and conditions.generation["temperature"] == 0
    assert conditions.template is not None and len(conditions.template) == 64


def test_an_evaluation_says_by_what_engine_it_was_made(tmp_path: Path) -> None:
    assert build_candidate(tmp_path / "old", ENGINE).conditions.engine is None
    write_rows(tmp_path / "new", build_rows("merged"), ENGINE, engine={"name": "vllm", "dtype": "bfloat16"})
    found = load_candidate(tmp_path / "new").conditions
    assert found.engine == "vllm in bfloat16"
    assert list_disagreements(found, replace(found, engine="transformers in float32")) == []


def test_verdicts_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    write_rows(tmp_path, build_rows("merged"), ENGINE)
    (tmp_path / VERDICTS_FILE).unlink()
    write_verdicts(build_rows("merged", range(3)), tmp_path)
    with pytest.raises(InputError, match="does not belong to the verdicts"):
        load_candidate(tmp_path)


def test_evaluations_under_the_same_conditions_compare_and_further_benchmarks_do_not_matter() -> None:
    assert list_disagreements(WANTED, WANTED) == []
    more = replace(WANTED, contents={**WANTED.contents, "e": "3"}, asked={**WANTED.asked, "e": 5})
    assert list_disagreements(more, WANTED) == []
    assert list_disagreements(WANTED, more) == ["e was not judged"]


def test_what_a_challenger_held_must_be_known_too() -> None:
    unknown = replace(WANTED, contents={})
    said = ["what d held is not known", "what p held is not known"]
    assert list_disagreements(WANTED, unknown) == list_disagreements(unknown, unknown) == said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"contents": {"d": "1", "p": "9"}}, "p holds other items"),
        ({"contents": {"d": "1"}}, "what p held is not known"),
        ({"asked": {"d": 360, "p": 240}}, "other numbers of samples or orders were asked of d"),
        ({"mode": "paper"}, "the mode was paper, not clean"),
        ({"generation": {"temperature": 1.0}}, "it decoded otherwise"),
        ({"template": "u"}, "it was asked by another template"),
    ],
)
def test_each_condition_that_differs_is_named(changed: dict[str, object], said: str) -> None:
    assert list_disagreements(replace(WANTED, **changed), WANTED) == [said]


def test_a_judge_may_be_asked_by_a_template_of_its_own() -> None:
    assert list_disagreements(replace(WANTED, template="u"), WANTED, template=False) == []


def test_only_what_a_judge_was_trained_on_is_left_out_when_it_is_judged_again(tmp_path: Path) -> None:
    """The new evaluation was made with a challenger's audit, and is kept for others, who were not trained on these."""
    fresh = build_candidate(tmp_path / "new", ENGINE, seen={"d": range(13), "p": range(2)})
    stored = build_candidate(tmp_path / "old", ENGINE, seen={"d": range(1, 4), "p": range(13)})
    carried = carry_contamination(fresh, stored)
    seen = carried.select("d").filter("contaminated")["item_id"].to_list()
    assert seen == ["i001", "i002", "i003"]
    assert carried.barred == {"p"}
    assert carried.judged.columns == fresh.judged.columns
    assert carried.judged["item_id"].equals(fresh.judged["item_id"])
    unknown = carry_contamination(fresh, None)
    assert not unknown.barred and not unknown.judged["contaminated"].any()
