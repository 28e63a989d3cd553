"""Benchmarks of a user's own, and those of others that are read the same way."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

from judgeforge.benchmarks import load_benchmark
from judgeforge.errors import InputError

DOCUMENT = Path(__file__).parents[3] / "docs" / "benchmarks.md"
RUBRIC = {"criteria": "Is it right?", "levels": ["no", "hardly", "partly", "mostly", "yes"]}


def write(folder: Path, rows: list[dict], **document) -> str:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"name": "mine", "layout": "pairwise", "file": "rows.jsonl", "rubric": RUBRIC} | document
    (folder / "mine.yaml").write_text(yaml.safe_dump(settings))
    return str(folder / "mine.yaml")


def load(name: str):
    return load_benchmark(name, Path("unused"), None)


def pair(**more) -> dict:
    return {"instruction": "Add 2 and 3.", "response_a": "5", "response_b": "6", "gold": "A"} | more


def test_the_documents_example_works_as_it_stands(tmp_path: Path) -> None:
    for name, content in re.findall(r"`(support\.\w+)`:\n\n```\w+\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL):
        (tmp_path / name).write_text(content)
    benchmark = load(str(tmp_path / "support.yaml"))
    assert [entry.gold for entry in benchmark.items] == ["A", "B", "tie"]
    assert [entry.group for entry in benchmark.items] == ["lamps", "rugs", "all"]
    assert benchmark.items[0].item.response_b == "No."
    assert benchmark.items[0].item.rubric.levels[4] == "It does in full."


def test_direct_golds_are_means_of_graders_and_rows_may_bring_their_own_rubric(tmp_path: Path) -> None:
    row = {"instruction": "Add.", "response": " 5 ", "gold": [3, 4]}
    own = {"criteria": "Is it kind?", "levels": ["1", "2", "3", "4", "5"]}
    rows = [row, row | {"gold": 2, "rubric": own, "reference": "5.", "group": "sums"}]
    first, second = load(write(tmp_path, rows, layout="direct")).items
    assert (first.gold, first.graders, first.item.response) == (3.5, (3, 4), "5")
    assert (second.gold, second.item.rubric.criteria, second.item.reference) == (2, "Is it kind?", "5.")
    assert first.item.prompt_id == second.item.prompt_id and first.item.item_id != second.item.item_id


def test_llmbar_is_read_by_its_fields(tmp_path: Path) -> None:
    rows = [{"input": "Add.", "output_1": "5", "output_2": "6", "label": label} for label in (1, 2)]
    fields = {"instruction": "input", "response_a": "output_1", "response_b": "output_2", "gold": "label"}
    assert [entry.gold for entry in load(write(tmp_path, rows, fields=fields)).items] == ["A", "B"]


def test_rewardbench_pairs_chosen_with_rejected_half_of_them_first(tmp_path: Path) -> None:
    rows = [{"prompt": f"Do {n}.", "chosen": "yes", "rejected": "no", "subset": "chat", "id": n} for n in range(10)]
    items = load(write(tmp_path, rows, layout="chosen_rejected")).items
    assert sorted(entry.gold for entry in items) == ["A"] * 5 + ["B"] * 5
    assert all((entry.item.response_a == "yes") == (entry.gold == "A") for entry in items)
    assert {entry.group for entry in items} == {"chat"}


def test_rewardbench_2_pairs_every_chosen_with_every_rejected_in_one_cluster(tmp_path: Path) -> None:
    rows = [{"prompt": "Name a prime.", "chosen": ["2", "3"], "rejected": ["4", "6", "8"], "id": "t"}]
    items = load(write(tmp_path, rows, layout="chosen_rejected")).items
    assert len({entry.item.item_id for entry in items}) == 6
    assert len({entry.item.prompt_id for entry in items}) == 1


def test_pairs_with_nothing_to_compare_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [pair(), pair(response_b=" 5"), pair(response_a="\u200b"), pair(response_b="")]
    benchmark = load(write(tmp_path, rows))
    assert len(benchmark.items) == 1
    assert "1 pairs of identical responses and 2 pairs with an empty response" in benchmark.notes[0]
    assert benchmark.notes[1] == "Stripped of white space at their ends: 2 responses."


def test_direct_rows_say_what_was_stripped_and_that_empty_responses_stay(tmp_path: Path) -> None:
    rows = [{"instruction": "Add.", "response": text, "gold": 2, "reference": ""} for text in ("5", " 5", "  ")]
    benchmark = load(write(tmp_path, rows, layout="direct"))
    assert [entry.item.response for entry in benchmark.items] == ["5", "5", ""]
    assert benchmark.items[0].item.reference is None, "a blank reference is none"
    assert [note.partition(":")[2] for note in benchmark.notes] == [
        " 1 items with an empty response, which people graded, too.",
        " 2 responses.",
    ]


def test_a_pinned_file_may_be_named_in_capitals(tmp_path: Path) -> None:
    name = write(tmp_path, [pair()])
    digest = hashlib.sha256((tmp_path / "rows.jsonl").read_bytes()).hexdigest().upper()
    assert len(load(write(tmp_path, [pair()], sha256=digest)).items) == 1
    assert name.endswith("mine.yaml")


@pytest.mark.parametrize(
    ("rows", "document", "complaint"),
    [
        ([pair(), pair(gold="C")], {}, r"Row 2 of .*rows\.jsonl has the label 'c'"),
        ([pair(gold=None)], {}, "Row 1 of .* has no 'gold'"),
        ([pair(instruction=None)], {}, "has no 'instruction'"),
        ([pair()], {"rubric": None}, "Row 1 of .* has no rubric"),
        ([pair(rubric={"criteria": "x"})], {}, "a rubric without criteria and two or more levels"),
        ([pair(instruction=" ")], {}, "Row 1 of .* has a bad instruction"),
        ([pair(item_id="x"), pair(item_id="x")], {}, "two rows of the item_id 'x'"),
        ([pair(response_a=["5"])], {}, "Row 1 of .* has in 'response_a' no text, but list"),
        ([pair(response_a="5", response_b="5")], {}, "holds nothing to judge. Left out: 1 pairs of identical"),
        ([pair(instruction="\ud800")], {}, "Row 1 of .* half a surrogate pair"),
        ([pair()], {"fields": {"instuction": "q"}}, "has no field instuction; its fields are gold, group"),
        ([pair()], {"name": "hhh_alignment"}, "takes the name 'hhh_alignment'"),
        ([pair()], {"rubric": {"criteria": "x", "levels": [False, "b", "c", "d", True]}}, "quote them"),
        ([{"instruction": "a", "response": "b", "gold": True}], {"layout": "direct"}, "has the score True"),
        ([], {}, "holds nothing to judge"),
        ([pair()], {"layout": "triples"}, "layout"),
        ([pair()], {"colour": "red"}, "colour"),
        ([pair()], {"file": "other.jsonl"}, "other.jsonl, which is not there"),
        ([pair()], {"sha256": "0" * 64}, "has the SHA-256"),
        ([{"instruction": "a", "response": "b", "gold": float("nan")}], {"layout": "direct"}, "Row 1 of .*score nan"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, rows, document, complaint) -> None:
    with pytest.raises(InputError, match=complaint):
        load(write(tmp_path, rows, **document))


@pytest.mark.parametrize("chosen", [5, [], {"a": 1}, [{"role": "assistant", "content": "yes"}]])
def test_chosen_responses_that_are_no_texts_are_refused(tmp_path: Path, chosen) -> None:
    rows = [{"prompt": "Do it.", "chosen": chosen, "rejected": "no"}]
    with pytest.raises(InputError, match=r"Row 1 of .* 'chosen' neither a text nor a list of texts"):
        load(write(tmp_path, rows, layout="chosen_rejected"))


def test_a_yaml_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: [")
    with pytest.raises(InputError, match=r"mine\.yaml is not valid YAML"):
        load(str(tmp_path / "mine.yaml"))
    with pytest.raises(InputError, match="absent"):
        load(str(tmp_path / "absent.yaml"))
