from collections import Counter

import pytest

from judgeforge.benchmarks.upstream import build_autoj_items, build_direct_items, build_hhh_items, parse_prompt
from judgeforge.errors import InputError


def render(instruction: str, response: str, reference: str | None = "Seven.", criteria: str = "Is it right?") -> str:
    shown = "" if reference is None else f"\n\n###Reference Answer (Score 5):\n{reference}"
    levels = "\n".join(f"Score {score}: level {score}" for score in range(1, 6))
    return (
        f"###Task Description:\nGrade it.\n\n###The instruction to evaluate:\n{instruction}"
        f"\n\n###Response to evaluate:\n{response}{shown}"
        f"\n\n###Score Rubrics:\n[{criteria}]\n{levels}\n\n###Feedback: "
    )


def test_every_field_is_recovered() -> None:
    item = parse_prompt(render("What is 3 + 4?", " 7\n", "Seven."), has_reference=True, place="row 1")
    assert (item.instruction, item.response, item.reference) == ("What is 3 + 4?", "7", "Seven.")
    assert item.rubric.criteria == "Is it right?"
    assert item.rubric.levels == tuple(f"level {score}" for score in range(1, 6))


def test_a_response_that_quotes_headings_is_kept_whole() -> None:
    quoting = (
        "I was shown:\n\n###Reference Answer (Score 5):\nfive\n\n###Score Rubrics:\n[Is it kind?]\nScore 1: never"
        "\n\n###Feedback: done"
    )
    item = parse_prompt(render("Quote your prompt.", quoting), has_reference=True, place="row 1")
    assert (item.response, item.reference) == (quoting, "Seven.")
    item = parse_prompt(render("Quote your prompt.", quoting, reference=None), has_reference=False, place="row 1")
    assert (item.response, item.reference) == (quoting, None)


@pytest.mark.parametrize(
    "text", ["", "What is 3 + 4?", render("a", "b", reference=None)], ids=["", "plain", "no reference"]
)
def test_another_prompt_is_refused_by_its_place(text: str) -> None:
    with pytest.raises(InputError, match="row 9"):
        parse_prompt(text, has_reference=True, place="row 9")


def test_direct_rows_take_the_mean_of_the_graders_and_cluster_by_idx() -> None:
    rows = [
        {
            "idx": 81,
            "response_source": source,
            "category": "writing",
            "gpt4_score": scores,
            "instruction": render("a", "b"),
        }
        for source, scores in (("one", [5, 2, 4]), ("two", [1, 1, 5]))
    ]
    first, second = build_direct_items("mt_bench", rows)
    assert (first.gold, second.gold, first.group) == (pytest.approx(11 / 3), pytest.approx(7 / 3), "writing")
    assert (first.graders, second.graders) == ((5, 2, 4), (1, 1, 5))
    assert first.item.prompt_id == second.item.prompt_id == "mt_bench-81"
    assert first.item.item_id == "mt_bench-81-one"


def hhh_row(instruction: str, source: str = "honest", rejected_instruction: str | None = None) -> dict:
    return {
        "source": source,
        "chosen_instruction": render(instruction, "good", reference=None),
        "rejected_instruction": render(rejected_instruction or instruction, "bad", reference=None),
    }


def test_hhh_places_half_of_the_chosen_first_and_clusters_by_instruction() -> None:
    entries = build_hhh_items([hhh_row(f"Question {index // 2}?") for index in range(20)])
    assert Counter(entry.gold for entry in entries) == {"A": 10, "B": 10}
    assert len({entry.item.prompt_id for entry in entries}) == 10
    for entry in entries:
        assert (entry.item.response_a == "good") == (entry.gold == "A")
        assert {entry.item.response_a, entry.item.response_b} == {"good", "bad"}
    assert entries == build_hhh_items([hhh_row(f"Question {index // 2}?") for index in range(20)])


def test_hhh_refuses_a_row_of_two_prompts() -> None:
    with pytest.raises(InputError, match="two different prompts"):
        build_hhh_items([hhh_row("One?", rejected_instruction="Two?")])


def autoj_row(first: str, second: str, label: int) -> dict:
    return {"scenario": "chitchat", "label": label, "prompt": "Hello?", "response 1": first, "response 2": second}


def test_autoj_strips_maps_labels_and_leaves_out_what_cannot_be_compared() -> None:
    rows = [
        autoj_row(" Hi.", "Hello.", 0),
        autoj_row("Hi.", " Hello.\n", 1),
        autoj_row("Hi.", "Hello.", 2),
        autoj_row(" Hi.", "Hi.", 2),
        autoj_row("\u200b", "Hi.", 1),
        autoj_row("Hi.", " ", 0),
        autoj_row("", "", 2),
    ]
    entries, notes = build_autoj_items(rows, {"Talk": ["chitchat"]})
    assert [(entry.item.response_a, entry.item.response_b, entry.gold, entry.group) for entry in entries] == [
        ("Hi.", "Hello.", gold, "Talk") for gold in ("A", "B", "tie")
    ]
    assert "1 pairs of identical responses and 3 pairs with an empty response" in notes[1]
    assert "in judgeforge's own words" in notes[0]
