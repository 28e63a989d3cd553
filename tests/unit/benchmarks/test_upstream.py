"""Published files, in rows of our own words: every field, label and placement."""

from collections import Counter
from typing import Any

import pytest

from judgeforge.benchmarks.manifest import load_manifest
from judgeforge.benchmarks.reading import Source
from judgeforge.benchmarks.records import BenchmarkItem
from judgeforge.benchmarks.upstream import build_autoj, build_rendered_direct, build_rendered_pairwise, parse_prompt
from judgeforge.errors import InputError


def source_of(name: str) -> Source:
    return Source(name=name, place=f"{name}.json", fields={}, rubric=None, options=load_manifest()[name].options)


def build_direct(name: str, rows: list[dict[str, Any]]) -> list[BenchmarkItem]:
    return build_rendered_direct(rows, source_of(name))[0]


def build_pairs(name: str, rows: list[dict[str, Any]]) -> list[BenchmarkItem]:
    return build_rendered_pairwise(rows, source_of(name))[0]


def render(instruction: str, response: str, reference: str | None = "Seven.", criteria: str = "Is it right?") -> str:
    task = "Grade it." if reference is None else "Grade it by the rubric and the reference answer."
    shown = "" if reference is None else f"\n\n###Reference Answer (Score 5):\n{reference}"
    levels = "\n".join(f"Score {score}: level {score}" for score in range(1, 6))
    return (
        f"###Task Description:\n{task}\n\n###The instruction to evaluate:\n{instruction}"
        f"\n\n###Response to evaluate:\n{response}{shown}"
        f"\n\n###Score Rubrics:\n[{criteria}]\n{levels}\n\n###Feedback: "
    )


def test_every_field_is_recovered() -> None:
    item = parse_prompt(render("What is 3 + 4?", " 7\n", "Seven."), place="row 1")
    assert (item.instruction, item.response, item.reference) == ("What is 3 + 4?", "7", "Seven.")
    assert item.rubric.criteria == "Is it right?"
    assert item.rubric.levels == tuple(f"level {score}" for score in range(1, 6))


def test_a_response_that_quotes_headings_is_kept_whole() -> None:
    quoting = (
        "I was shown:\n\n###Reference Answer (Score 5):\nfive\n\n###Score Rubrics:\n[Is it kind?]\nScore 1: never"
        "\n\n###Feedback: done"
    )
    item = parse_prompt(render("Quote your prompt.", quoting), place="row 1")
    assert (item.response, item.reference) == (quoting, "Seven.")
    item = parse_prompt(render("Quote your prompt.", quoting, reference=None), place="row 1")
    assert (item.response, item.reference) == (quoting, None)


@pytest.mark.parametrize(
    "text",
    ["", "What is 3 + 4?", render("a", "b").replace("###Reference Answer (Score 5):", "###Answer:")],
    ids=["", "plain", "no reference where the task speaks of one"],
)
def test_another_prompt_is_refused_by_its_place(text: str) -> None:
    with pytest.raises(InputError, match="row 9"):
        parse_prompt(text, place="row 9")


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
    first, second = build_direct("mt_bench", rows)
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
    entries = build_pairs("hhh_alignment", [hhh_row(f"Question {index // 2}?") for index in range(20)])
    assert Counter(entry.gold for entry in entries) == {"A": 10, "B": 10}
    assert len({entry.item.prompt_id for entry in entries}) == 10
    for entry in entries:
        assert (entry.item.response_a == "good") == (entry.gold == "A")
        assert {entry.item.response_a, entry.item.response_b} == {"good", "bad"}
    assert entries == build_pairs("hhh_alignment", [hhh_row(f"Question {index // 2}?") for index in range(20)])


def test_hhh_refuses_a_row_of_two_prompts() -> None:
    with pytest.raises(InputError, match="two different prompts"):
        build_pairs("hhh_alignment", [hhh_row("One?", rejected_instruction="Two?")])


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
    entries, notes = build_autoj(rows, source_of("autoj_eval"))
    assert [(entry.item.response_a, entry.item.response_b, entry.gold, entry.group) for entry in entries] == [
        ("Hi.", "Hello.", gold, "General Communication") for gold in ("A", "B", "tie")
    ]
    assert "1 pairs of identical responses and 3 pairs with an empty response" in notes[1]
    assert "in judgeforge's own words" in notes[0]


def test_flask_is_judged_once_and_scored_by_gpt4_and_by_people() -> None:
    row = {"instruction": render("a", "b"), "gpt4_score": [4, 4, 5], "human_score": [2, 3, 4], "category": "insight"}
    (by_model,), (by_people,) = build_direct("flask", [row]), build_direct("flask_human", [row])
    assert by_model.item == by_people.item
    assert (by_model.gold, by_people.gold) == (pytest.approx(13 / 3), 3)
    assert by_people.graders == (2, 3, 4)


def test_feedback_bench_has_one_grader_and_clusters_by_instruction() -> None:
    rows = [{"instruction": render(f"Do {index // 2}.", f"R{index}"), "gpt4_score": 1 + index} for index in range(4)]
    items = build_direct("feedback_bench", rows)
    assert [entry.gold for entry in items] == [1, 2, 3, 4]
    assert len({entry.item.prompt_id for entry in items}) == 2
    assert len({entry.item.item_id for entry in items}) == 4


@pytest.mark.parametrize("score", [None, [], [4, None], "good", float("nan"), 0, 6, [5, 9]])
def test_a_bad_score_is_named_by_its_row(score: object) -> None:
    rows = [{"instruction": render("a", "b"), "gpt4_score": 3}, {"instruction": render("a", "c"), "gpt4_score": score}]
    with pytest.raises(InputError, match=r"Row 2 of feedback_bench\.json"):
        build_direct("feedback_bench", rows)


@pytest.mark.parametrize("name", ["mt_bench_human", "preference_bench"])
def test_pairs_with_ties_and_references(name: str) -> None:
    rows = [
        {"chosen_instruction": render(f"Do {index}.", " good"), "rejected_instruction": render(f"Do {index}.", "bad ")}
        for index in range(6)
    ]
    if name == "mt_bench_human":
        rows = [row | {"tie": index % 2} for index, row in enumerate(rows)]
    items = build_pairs(name, rows)
    golds = Counter(entry.gold for entry in items)
    assert golds["tie"] == (3 if name == "mt_bench_human" else 0)
    assert {entry.item.reference for entry in items} == {"Seven."}
    for entry in items:
        assert entry.gold in ("tie", "A" if entry.item.response_a == "good" else "B")


def test_a_tie_that_is_none_is_named() -> None:
    row = {"chosen_instruction": render("a", "b"), "rejected_instruction": render("a", "c"), "tie": "yes"}
    with pytest.raises(InputError, match=r"Row 1 of .*neither 0 nor 1"):
        build_pairs("mt_bench_human", [row])
