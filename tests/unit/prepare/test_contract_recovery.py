"""The template of upstream rows: recovered exactly whatever stands in the fields, and verified on every row."""

import json
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeforge.errors import InputError
from judgeforge.grading.records import DirectItem, Format, PairwiseItem, Rubric, Verdict
from judgeforge.grading.rendering import render_prompt, render_verdict
from judgeforge.grading.templates import FIELD, JudgeTemplate, fill, load_template, write_template
from judgeforge.params import RecoveryParams
from judgeforge.prepare.contract.completion import build_recovered_template, recover_template
from judgeforge.prepare.contract.fitting import fit_pattern
from judgeforge.prepare.contract.layouts import ANSWER, PROMPT, PROMPT_COLUMNS, find_format
from judgeforge.prepare.contract.recovery import recover_part
from judgeforge.prepare.contract.verification import REASONS, verify_template

COLLECTION = Path(__file__).parents[4] / "shared" / "collections" / "vicuna_gpt4_feedback.jsonl"
OURS = load_template("judgeforge-1")
FORMATS: tuple[Format, ...] = ("direct", "pairwise")

HOSTILE = [
    *(
        "{instruction}",
        "{reference_section}",
        "{",
        "}",
        "{{x}}",
        "\n\n",
        "###Feedback:",
        "Score 5: ",
        "[RESULT] 5",
        "]",
    ),
    *(" ", "5", "a", "é\u200b", "\r\n", "\\1", "$0", "###Response to evaluate:\n", "[RESULT]", ""),
]
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), min_size=1, max_size=4)


def build_row(values: dict[str, str], template: JudgeTemplate, format: Format) -> dict[str, str]:
    """Render one upstream row by hand: fields as they are, unstripped."""
    clause, section = template.select_reference(format)
    shown = bool(values["reference"].strip())
    extra = {
        "reference_clause": clause if shown else "",
        "reference_section": fill(section, values) if shown else "",
    }
    text = fill(template.direct if format == "direct" else template.pairwise, values | extra)
    columns = {column: values[name] for name, column in PROMPT_COLUMNS[format].items()}
    verdict = {"direct": "orig_score", "pairwise": "orig_preference"}[format]
    answer = f"{values['feedback']} {template.result_marker} {values['verdict']}"
    return {
        **columns,
        "orig_reference_answer": values["reference"],
        "orig_feedback": values["feedback"],
        verdict: values["verdict"],
        PROMPT: text,
        ANSWER: answer,
    }


def names_of(format: Format) -> list[str]:
    return [*PROMPT_COLUMNS[format], "reference", "feedback"]


def build_hostile_rows(
    rng: random.Random, texts: list[str], template: JudgeTemplate, format: Format
) -> list[dict[str, str]]:
    """Rows whose fields hold placeholders, headings, markers, one another and nothing; most are their own somewhere."""

    def draw() -> str:
        return "".join(rng.choices(HOSTILE + texts, k=rng.randrange(4)))

    rows = []
    for number in range(16):
        names = names_of(format)
        values = {name: draw() + f"<{number}.{place}>" + draw() for place, name in enumerate(names)}
        one, other = rng.sample(names, 2)
        values[one] = values[other] if rng.random() < 0.5 else values[one] + values[other]
        if number in (9, 15):
            values = {name: draw() for name in names}
        if number >= 10:
            values["reference"] = rng.choice(["", " \n"])
        values["feedback"] = values["feedback"].strip()
        values["verdict"] = rng.choice("12345" if format == "direct" else "AB")
        rows.append(build_row(values, template, format))
    return rows


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9), texts=TEXTS)
def test_a_template_over_hostile_fields_is_recovered_exactly(format: Format, seed: int, texts: list[str]) -> None:
    rows = pl.DataFrame(build_hostile_rows(random.Random(seed), texts, OURS, format))
    part = recover_part(rows, format, seed=seed)
    assert part.parts.text == (OURS.direct if format == "direct" else OURS.pairwise)
    assert (part.parts.reference_clause, part.parts.reference_section) == OURS.select_reference(format)
    assert (part.result_marker, part.answer) == ("[RESULT]", "{feedback} [RESULT] {verdict}")
    assert (part.exact, part.inferred) == (len(rows), "")
    assert verify_template(rows, OURS, format).to_list() == ["exact"] * len(rows)


LITERAL = st.text(st.characters(exclude_categories=["Cs"]), max_size=6).filter(lambda text: "{" not in text)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_fixed_text_in_any_order_gives_the_rows_back(data: st.DataObject) -> None:
    """Fields of a few equal letters: where two patterns are possible, the one found still renders every row."""
    names = data.draw(st.permutations(["a", "b", "c"]))
    pattern = "".join(data.draw(LITERAL) + "{" + name + "}" for name in names) + data.draw(LITERAL)
    rows = [{name: data.draw(st.text("x1{}", max_size=4)) for name in names} for _ in range(5)]
    rows.append(dict.fromkeys(names, "x"))
    texts = [fill(pattern, row) for row in rows]
    found = next(fit_pattern(texts, {name: [row[name] for row in rows] for name in names}))
    assert [fill(found, row) for row in rows] == texts
    assert set(FIELD.findall(found)) == set(names)


def plain_row(number: int, **changed: str) -> dict[str, str]:
    values = {name: f"{name} of row {number}" for name in names_of("direct")} | {"verdict": str(number % 5 + 1)}
    return build_row(values | changed, OURS, "direct")


def test_dissent_is_counted_and_named() -> None:
    rows = [plain_row(number) for number in range(20)]
    rows[3][PROMPT] = rows[3][PROMPT].replace("row 3\n\n", "row 3 \n\n")
    rows[4][PROMPT] = "Grade this."
    rows[5][ANSWER] = "Fine: 3"
    rows[6][ANSWER] = f"{rows[6]['orig_feedback']}\n[RESULT]  2"
    frame = pl.DataFrame(rows)
    part = recover_part(frame, "direct", seed=1)
    assert (part.rows, part.exact) == (20, 16)
    fits = verify_template(frame, build_recovered_template([part], name="n", system="s", other=OURS), "direct")
    assert fits[3:7].to_list() == ["white_space", "prompt_differs", "answer_differs", "white_space"]
    assert fits.value_counts().filter(pl.col("fit") == "exact")["count"].item() == 16
    assert set(fits.unique()) - {"exact", "white_space"} == set(REASONS)


def test_one_odd_row_without_a_reference_costs_nothing_else() -> None:
    rows = [plain_row(number) for number in range(9)] + [plain_row(9, reference=" ") | {PROMPT: "Grade."}]
    part = recover_part(pl.DataFrame(rows), "direct", seed=1)
    assert part.exact == 9
    assert part.inferred == "recovered from the rows with a reference answer: the prompt without one is inferred"
    assert part.parts.reference_section == OURS.reference_section


def test_rows_that_share_no_template_are_refused() -> None:
    rows = [plain_row(number) | {PROMPT: f"{number} ways to say it"} for number in range(6)]
    with pytest.raises(InputError, match=r"No one template gives most of the prompts of these 6 rows.*name a template"):
        recover_part(pl.DataFrame(rows), "direct", seed=1)
    with pytest.raises(InputError, match="no orig_criteria, output"):
        recover_part(pl.DataFrame(rows).drop(ANSWER, "orig_criteria"), "direct", seed=1)


def test_without_a_marker_there_is_no_contract() -> None:
    rows = [row | {ANSWER: f"{row['orig_feedback']} {row['orig_score']}"} for row in map(plain_row, range(8))]
    with pytest.raises(InputError, match="no marker"):
        recover_part(pl.DataFrame(rows), "direct", seed=1)


def test_the_format_is_told_by_the_columns() -> None:
    assert find_format(pl.DataFrame([plain_row(1)]).columns) == "direct"
    assert find_format([*PROMPT_COLUMNS["pairwise"].values(), "orig_feedback", "orig_preference", PROMPT, ANSWER]) == (
        "pairwise"
    )
    assert find_format(["orig_instruction"]) is None


def test_one_format_is_completed_by_another_template(tmp_path: Path) -> None:
    """Each format keeps its own words about the reference, in the file and in the prompts."""
    theirs = OURS.model_copy(
        update={"direct": OURS.direct.replace("###Response to", "###Answer to"), "reference_clause": ", compared"}
    )
    values = [{name: f"{name} of row {row}" for name in names_of("direct")} | {"verdict": "3"} for row in range(8)]
    values[6]["reference"] = values[7]["reference"] = ""
    rows = pl.DataFrame([build_row(each, theirs, "direct") for each in values])
    part = recover_part(rows, "direct", seed=1)
    template = build_recovered_template([part], name="collection", system="Be fair.", other=OURS)
    assert template.name == f"collection-{template.model_copy(update={'name': 'collection'}).compute_digest()[:8]}"
    write_template(template, tmp_path)
    assert load_template(tmp_path) == template
    shared = {"item_id": "", "prompt_id": "", "instruction": "I", "reference": "R"}
    rubric = Rubric(criteria="C", levels=("1", "2", "3", "4", "5"))
    pair = PairwiseItem(**shared, response_a="A", response_b="B", rubric=rubric)
    assert render_prompt(pair, template)[1] == render_prompt(pair, OURS)[1]
    item = DirectItem(**shared, response="X", rubric=rubric)
    assert render_prompt(item, template)[1] == render_prompt(item, theirs)[1]
    assert render_verdict(Verdict(feedback="F", score=2), template) == "F [RESULT] 2"


def test_a_template_of_every_scale_completes_one_of_five_points() -> None:
    """Upstream's rows are of five points, and one template shows levels in one way."""
    rows = pl.DataFrame([plain_row(number, **({"reference": ""} if number > 4 else {})) for number in range(8)])
    every = load_template("judgeforge-2")
    part = recover_part(rows, "direct", seed=1)
    template = build_recovered_template([part], name="n", system=OURS.system, other=every)
    assert template.dump() | {"name": ""} == OURS.dump() | {"name": ""}
    assert set(verify_template(rows, every, "direct")) == {"exact"}


def test_the_digest_in_the_name_follows_the_content() -> None:
    part = recover_part(pl.DataFrame([plain_row(number) for number in range(8)]), "direct", seed=1)
    names = {build_recovered_template([part], name="n", system=text, other=OURS).name for text in ("a", "b", "a")}
    assert len(names) == 2


def test_two_markers_do_not_make_one_template() -> None:
    marked = OURS.model_copy(update={"result_marker": "=>"})
    values = [{name: f"{name} of row {row}" for name in names_of("direct")} | {"verdict": "3"} for row in range(8)]
    part = recover_part(pl.DataFrame([build_row(each, marked, "direct") for each in values]), "direct", seed=1)
    with pytest.raises(InputError, match=r"different markers: =>, \[RESULT\]"):
        build_recovered_template([part], name="n", system="s", other=OURS)


def test_both_collections_give_one_template() -> None:
    other = OURS.model_copy(update={"reference_section": "###Reference Answer:\n{reference}\n\n"})
    values = {"direct": [], "pairwise": []}
    for format, template in (("direct", OURS), ("pairwise", other)):
        for row in range(10):
            filled = {name: f"{name} of row {row}" for name in names_of(format)}
            filled |= {"verdict": "A" if format == "pairwise" else "3"} | ({"reference": ""} if row > 5 else {})
            values[format].append(build_row(filled, template, format))
    frames = [pl.DataFrame(values["pairwise"]), pl.DataFrame({"text": ["no collection"]})]
    frames += [pl.DataFrame(values["direct"][:5]), pl.DataFrame(values["direct"][5:])]
    params = RecoveryParams(name="upstream", system=OURS.system, completed_by="judgeforge-1")
    template, parts = recover_template(frames, params, seed=1)
    assert [(part.format, part.rows, part.exact) for part in parts] == [("pairwise", 10, 10), ("direct", 10, 10)]
    assert template.pairwise_reference_section == other.reference_section
    assert template.pairwise_reference_clause is None
    assert template.dump() | {"name": ""} == OURS.dump() | {
        "name": "",
        "pairwise_reference_section": other.reference_section,
    }
    with pytest.raises(InputError, match="No source has rendered prompts"):
        recover_template(frames[1:2], params, seed=1)


@pytest.mark.real_data
def test_the_real_collection() -> None:
    if not COLLECTION.is_file():
        pytest.skip(f"the real collection is not at {COLLECTION}")
    rows = pl.DataFrame([json.loads(line) for line in COLLECTION.read_text("utf-8").split("\n") if line])
    part = recover_part(rows, "direct", seed=1)
    assert (part.rows, part.exact) == (960, 954)
    template = build_recovered_template([part], name="feedback-collection", system="Be fair.", other=OURS)
    fits = verify_template(rows, template, "direct").value_counts()
    assert dict(fits.iter_rows()) == {"exact": 954, "white_space": 6}
    assert part.parts.reference_clause == " a reference answer that gets a score of 5,"
    assert part.parts.reference_section == "###Reference Answer (Score 5):\n{reference}\n\n"
