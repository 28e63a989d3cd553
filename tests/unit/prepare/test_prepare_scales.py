"""Sources whose scores are on other scales than 1 to 5."""

import json
from collections import Counter

import pytest

from judgeforge.errors import InputError
from judgeforge.files import load_json_rows
from judgeforge.training_sets import load_training_examples

EXPORT = {
    **{"id": "ticket", "instruction": "question", "response": "answer", "reference": None},
    **{"criteria": {"value": "Does it help?"}, "feedback": "remark", "score": "stars"},
}
STARS = EXPORT | {"levels": {"value": ["no", "a bit", "half", "mostly", "yes"]}}
PASS_OR_FAIL = EXPORT | {"levels": {"value": ["It fails.", "It passes."]}, "lowest": 0}


def write_export(path, scores):
    rows = [
        {
            "ticket": f"{path.stem}{n}-{score}",
            "question": f"{path.stem} {n}?",
            "answer": f"a{score}",
            "remark": "It is.",
            "stars": score,
        }
        for n in range(4)
        for score in scores
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_a_source_brings_its_own_scale(tmp_path, build, with_sources):
    passes = {"path": write_export(tmp_path / "passes.jsonl", (0, 1, 2)), "columns": PASS_OR_FAIL}
    stars = {"path": write_export(tmp_path / "stars.jsonl", (1, 3, 5)), "columns": STARS}
    values = build(with_sources(passes, stars, template="judgeforge-2", validation_fraction=0.0), tmp_path / "out")
    reasons = [row["reason"] for row in load_json_rows(tmp_path / "out" / "quarantine.jsonl")]
    assert reasons == ["stars: 2 is not a whole score from 0 to 1"] * 4
    assert values["scores"] == {"0": 4, "1": 8, "2": 0, "3": 4, "4": 0, "5": 4}
    examples = load_training_examples(tmp_path / "out" / "train", "direct")
    shown = [each for each in examples if each.scale == (0, 1)]
    assert len(shown) == 8
    assert {each.scale for each in examples} == {(0, 1), (1, 5)}
    assert all("Score 0: It fails.\nScore 1: It passes." in each.messages[1]["content"] for each in shown)
    assert Counter(each.messages[2]["content"][-1] for each in shown) == {"0": 4, "1": 4}
    pairs = load_training_examples(tmp_path / "out" / "train", "pairwise")
    assert sum("Only one does well" in each.messages[2]["content"] for each in pairs if each.scale == (0, 1)) == 4


def test_a_scale_that_the_template_cannot_show_is_an_input_error(tmp_path, build, with_sources):
    passes = {"path": write_export(tmp_path / "passes.jsonl", (0, 1, 2)), "columns": PASS_OR_FAIL}
    with pytest.raises(InputError, match="begin with 0"):
        build(with_sources(passes, template="judgeforge-1"), tmp_path / "out")
