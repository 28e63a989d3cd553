from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeforge.audit.run import audit
from judgeforge.benchmarks.records import BenchmarkItem
from judgeforge.errors import InputError
from judgeforge.evaluate.run import load_contaminated
from judgeforge.files import load_json, load_json_rows, write_json_lines
from judgeforge.grading.records import DirectItem, Rubric
from judgeforge.overlap import find_overlaps, find_seen, normalise
from judgeforge.overlap.texts import MIN_CONTAINED_CHARACTERS
from judgeforge.params import AuditParams, EvaluateParams, load_section
from judgeforge.training_sets import INSTRUCTIONS_SCHEMA, write_table

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared"
AUDIT = AuditParams(ngram_words=13, ngram_share=0.5)
LONG = "How can I improve my time management skills?"
RUBRIC = Rubric(criteria="Good?", levels=("1", "2", "3", "4", "5"))


@pytest.fixture
def params() -> EvaluateParams:
    return load_section("evaluate", EvaluateParams, ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("instruction", "training", "expected"),
    [
        (LONG, [LONG], True),
        (f"  {LONG.upper()}\n", [LONG.replace(" ", "\n\t")], True),
        (f'He asked: "{LONG}" Answer him.', [LONG], True),
        (LONG, [f'x"{LONG} Be brief.'], True),
        ("How can I cook?", [LONG], False),
        ("Who are you?", ["Who are you?"], True),
        ("Who are you?", ["Who are you? And where do you come from, stranger?"], False),
        ("Who are you? And where do you come from, stranger?", ["Who are you?"], False),
        (LONG.removesuffix("?") + " at work?", [LONG], False),
        (LONG, [], False),
    ],
)
def test_overlap(instruction, training, expected):
    assert find_overlaps([instruction], training) == [expected]


TEXTS = st.lists(st.text(alphabet="aB ", max_size=70), max_size=6)


@given(TEXTS, TEXTS)
def test_index_agrees_with_comparing_every_pair(instructions, training):
    def same(one: str, two: str) -> bool:
        shorter, longer = sorted((normalise(one), normalise(two)), key=len)
        return shorter == longer or (len(shorter) >= MIN_CONTAINED_CHARACTERS and shorter in longer)

    expected = [any(same(text, other) for other in training) for text in instructions]
    assert find_overlaps(instructions, training) == expected


def write_instructions(folder: Path, rows: list[dict]) -> None:
    write_table(pl.DataFrame(rows, schema=INSTRUCTIONS_SCHEMA), folder / "instructions" / "part-00000.parquet")


def write_benchmark(folder: Path, instructions: list[str], responses: list[str] | None = None) -> None:
    entries = [
        BenchmarkItem(
            item=DirectItem(item_id=f"i{n}", prompt_id=f"p{n}", instruction=text, response=response, rubric=RUBRIC),
            gold=3,
        )
        for n, (text, response) in enumerate(zip(instructions, responses or ["r"] * len(instructions), strict=True))
    ]
    write_json_lines(folder / "embedded_direct.jsonl", [entry.model_dump(mode="json") for entry in entries])


def test_contaminated_items_are_named_in_the_file(tmp_path, params):
    write_instructions(tmp_path / "train", [{"prompt_id": "x", "instruction": LONG, "responses": []}])
    write_benchmark(tmp_path / "benchmarks", ["Something else.", f"{LONG} Please.", LONG, "More."])
    params = params.model_copy(update={"benchmarks": ("embedded_direct",)})
    out = tmp_path / "audit.json"
    audit(AUDIT, params, train=[tmp_path / "train"], benchmarks=tmp_path / "benchmarks", out=out)
    by = {"instruction": 2, "instruction_ngrams": 0, "response": 0, "response_ngrams": 0}
    assert load_json(out) == {"embedded_direct": {"items": 4, "contaminated": ["i1", "i2"], "share": 0.5, "by": by}}


WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


@pytest.mark.parametrize(
    ("text", "training", "expected"),
    [
        (WORDS, [f"They said: {WORDS.upper()}, and so on."], True),
        (WORDS, [WORDS.removesuffix(" sixteen")], True),
        (WORDS, [WORDS.replace("eight", "8")], False),
        (f"{WORDS} {'and other words ' * 9}", [WORDS], False),
        ("A short answer of nine words that is equal.", ["A short answer of nine words that is equal."], False),
        ("Yes.", ["Yes."], False),
        ("", [""], False),
    ],
)
def test_seen_by_ngrams(text, training, expected):
    assert find_seen([text], training, size=13, share=0.5) == [expected]


def test_a_response_that_was_trained_on_contaminates_its_item(tmp_path, params):
    rows = [{"prompt_id": "x", "instruction": "Another question.", "responses": [f"{WORDS} and more"]}]
    write_instructions(tmp_path, rows)
    write_benchmark(tmp_path, ["Count for me.", "Stop."], responses=[WORDS, "r"])
    params = params.model_copy(update={"benchmarks": ("embedded_direct",)})
    found = audit(AUDIT, params, train=[tmp_path], benchmarks=tmp_path, out=tmp_path / "audit.json")
    assert found["embedded_direct"]["contaminated"] == ["i0"]
    assert found["embedded_direct"]["by"]["response_ngrams"] == 1


def test_an_equal_response_is_found_in_a_language_without_spaces_and_a_stock_phrase_is_not(tmp_path, params):
    poem, phrase = "床前明月光疑是地上霜" * 11, "我不知道。"
    rows = [{"prompt_id": "x", "instruction": "Another question.", "responses": [poem, phrase]}]
    write_instructions(tmp_path, rows)
    write_benchmark(tmp_path, ["Write a poem.", "Who?"], responses=[f" {poem}\n", phrase])
    params = params.model_copy(update={"benchmarks": ("embedded_direct",)})
    found = audit(AUDIT, params, train=[tmp_path], benchmarks=tmp_path, out=tmp_path / "audit.json")
    assert found["embedded_direct"]["contaminated"] == ["i0"]
    assert found["embedded_direct"]["by"]["response"] == 1


def test_all_folders_of_training_sets_are_searched(tmp_path, params):
    for name, text in (("train", "Something else entirely."), ("form", LONG)):
        row = {"prompt_id": "x", "instruction": text, "responses": []}
        write_instructions(tmp_path / name, [row])
    write_benchmark(tmp_path, [LONG])
    params = params.model_copy(update={"benchmarks": ("embedded_direct",)})
    folders = [tmp_path / "train", tmp_path / "form"]
    found = audit(AUDIT, params, train=folders, benchmarks=tmp_path, out=tmp_path / "audit.json")
    assert found["embedded_direct"]["contaminated"] == ["i0"]


def test_a_benchmark_of_ones_own_is_found_by_the_evaluation_under_its_own_name(tmp_path, params):
    """Its YAML file is what params.yaml names; verdicts know it by the name that it gives itself."""
    rubric = '{criteria: "Good?", levels: [a, b, c, d, e]}'
    own = tmp_path / "support.yaml"
    own.write_text(f"name: support\nlayout: direct\nfile: rows.jsonl\nrubric: {rubric}\n")
    rows = [{"instruction": text, "response": "r", "gold": 3} for text in (LONG, "What else is there?")]
    write_json_lines(tmp_path / "rows.jsonl", rows)
    trained = [{"prompt_id": "x", "instruction": LONG, "responses": []}]
    write_instructions(tmp_path, trained)
    params = params.model_copy(update={"benchmarks": (str(own),)})
    audit(AUDIT, params, train=[tmp_path], benchmarks=tmp_path, out=tmp_path / "audit.json")
    assert load_contaminated(tmp_path / "audit.json", ["support"]) == {"support": {"support-1"}}
    with pytest.raises(InputError, match="says nothing of mt_bench"):
        load_contaminated(tmp_path / "audit.json", ["support", "mt_bench"])


def test_broken_instructions_are_an_error_and_nothing_is_written(tmp_path, params):
    (tmp_path / "instructions").mkdir()
    pl.DataFrame({"prompt_id": ["x"]}).write_parquet(tmp_path / "instructions" / "part-00000.parquet")
    with pytest.raises(InputError, match=r"part-00000\.parquet is broken"):
        audit(AUDIT, params, train=[tmp_path], benchmarks=tmp_path, out=tmp_path / "audit.json")
    assert not (tmp_path / "audit.json").exists()


@pytest.mark.real_data
def test_vicuna_prompts_are_found_in_the_published_benchmarks(tmp_path, params):
    source = SHARED / "collections" / "vicuna_gpt4_feedback.jsonl"
    if not source.is_file() or not (SHARED / "benchmarks").is_dir():
        pytest.skip(f"the collection and the benchmarks are not in {SHARED}")
    rows = [
        {"prompt_id": str(n), "instruction": row["orig_instruction"], "responses": [row["orig_response"]]}
        for n, row in enumerate(load_json_rows(source))
    ]
    write_instructions(tmp_path, rows)
    names = ("vicuna_bench", "mt_bench", "hhh_alignment", "autoj_eval")
    params = params.model_copy(update={"benchmarks": names, "benchmarks_folder": str(SHARED / "benchmarks")})
    found = audit(AUDIT, params, train=[tmp_path], benchmarks=tmp_path, out=tmp_path / "audit.json")
    assert {name: len(found[name]["contaminated"]) for name in names} == {
        "vicuna_bench": 320,
        "mt_bench": 8,
        "hhh_alignment": 0,
        "autoj_eval": 8,
    }
    assert {item.split("-")[1] for item in found["mt_bench"]["contaminated"]} == {"81", "130"}
