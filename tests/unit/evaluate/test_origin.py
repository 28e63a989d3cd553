from pathlib import Path

import pytest

from judgeforge.evaluate.origin import describe_origin
from judgeforge.files import write_json


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"endpoint": "x.yaml"}, "endpoint"), ({"recorded": "x.jsonl"}, "recorded"), ({}, "reference")],
    ids=["endpoint", "recorded", "reference"],
)
def test_answers_that_no_weights_here_gave(given: dict[str, str], expected: str) -> None:
    paths = {name: Path(given[name]) if name in given else None for name in ("model", "endpoint", "recorded")}
    assert describe_origin(**paths) == {"origin": expected}


def test_verdicts_are_tied_to_the_weights_and_a_merged_judge_says_how_it_was_merged(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    plain = describe_origin(tmp_path, None, None)
    assert plain["origin"] == "model"
    write_json(tmp_path / "merge.json", {"values": {"method": "linear", "alpha": 0.3, "dtype": "bfloat16"}})
    assert describe_origin(tmp_path, None, None) == plain | {"merge": {"method": "linear", "alpha": 0.3}}
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert describe_origin(tmp_path, None, None)["weights"] != plain["weights"]
