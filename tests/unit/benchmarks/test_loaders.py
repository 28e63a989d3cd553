import json
from collections import Counter
from pathlib import Path

import pytest

from judgeforge.benchmarks import Benchmark, BenchmarkItem, load_benchmark, select_prompts
from judgeforge.benchmarks.manifest import PinnedFile, load_manifest
from judgeforge.errors import InputError
from judgeforge.files import load_json_rows
from judgeforge.grading.records import DirectItem, PairwiseItem, Rubric

PUBLISHED = Path(__file__).parents[4] / "shared" / "benchmarks"
RUBRIC = Rubric(criteria="Is it right?", levels=("no", "hardly", "partly", "mostly", "yes"))


def entry(index: int, prompt: int = 0) -> BenchmarkItem:
    item = DirectItem(item_id=f"i{index}", prompt_id=f"p{prompt}", instruction="Say it.", response="It.", rubric=RUBRIC)
    return BenchmarkItem(item=item, gold=3, group="facts")


def write_rows(path: Path, rows: list[BenchmarkItem]) -> None:
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows))


def test_an_embedded_benchmark_is_read_back(tmp_path: Path) -> None:
    rows = [entry(1), entry(2)]
    write_rows(tmp_path / "embedded_direct.jsonl", rows)
    benchmark = load_benchmark("embedded_direct", tmp_path, None)
    assert (benchmark.name, benchmark.format, benchmark.items) == ("embedded_direct", "direct", tuple(rows))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no benchmark file"),
        ("", "is empty"),
        ("{}\n", "Row 1 of .*Field required"),
        ('{"item":\n', "Line 1"),
        (
            BenchmarkItem(
                item=PairwiseItem(
                    item_id="i", prompt_id="p", instruction="x", response_a="a", response_b="b", rubric=RUBRIC
                ),
                gold="A",
            ).model_dump_json(),
            "Row 1 of .* is a pairwise item",
        ),
    ],
    ids=["missing", "empty", "no fields", "broken line", "other format"],
)
def test_a_bad_embedded_file_is_named_with_its_row(tmp_path: Path, content, complaint) -> None:
    if content is not None:
        (tmp_path / "embedded_direct.jsonl").write_text(content)
    with pytest.raises(InputError, match=complaint):
        load_benchmark("embedded_direct", tmp_path, None)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'mtbench'.*embedded_direct.*mt_bench"):
        load_benchmark("mtbench", tmp_path, tmp_path)


def test_a_published_benchmark_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"evaluate\.benchmarks_folder"):
        load_benchmark("mt_bench", tmp_path, None)


def test_a_published_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mt_bench_eval\.json"):
        load_benchmark("mt_bench", tmp_path, tmp_path)


def test_a_published_file_of_other_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mt_bench_eval.json").write_text("[]")
    with pytest.raises(InputError, match="not the pinned file"):
        load_benchmark("mt_bench", tmp_path, tmp_path)


def test_the_manifest_has_the_papers_eight_and_pins_every_file() -> None:
    manifest = load_manifest()
    direct = {"vicuna_bench", "mt_bench", "flask", "flask_human", "feedback_bench"}
    pairwise = {"hhh_alignment", "mt_bench_human", "autoj_eval", "preference_bench"}
    assert {name for name, entry in manifest.items() if entry.format == "direct"} == direct
    assert {name for name, entry in manifest.items() if entry.format == "pairwise"} == pairwise
    for entry in manifest.values():
        assert len(bytes.fromhex(entry.file.git_blob)) == 20
        assert entry.file.sha256 is None or len(bytes.fromhex(entry.file.sha256)) == 32
        assert entry.file.url.endswith(entry.file.name)


@pytest.mark.parametrize("kept", ["sha256", "git_blob"])
def test_either_proof_of_a_files_content_is_enough_and_neither_is_not(tmp_path: Path, kept: str) -> None:
    (tmp_path / "rows.json").write_text("[]")
    proofs = {
        "sha256": "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945",
        "git_blob": "0637a088a01e8ddab3bf3fa98dbe804cbde1a0dc",
    }
    wrong = {name: "0" * len(digest) for name, digest in proofs.items()}
    shared = {"name": "rows.json", "url": "https://example.org/rows.json"}
    PinnedFile.model_validate(shared | wrong | {kept: proofs[kept]}).check(tmp_path / "rows.json")
    with pytest.raises(InputError, match="not the pinned file"):
        PinnedFile.model_validate(shared | wrong).check(tmp_path / "rows.json")


def draw(size: int | None, seed: int = 1) -> Benchmark:
    items = tuple(entry(index, prompt=index // 3) for index in range(30))
    return select_prompts(Benchmark(name="b", format="direct", items=items), size, seed)


def test_whole_prompts_are_drawn_in_their_order() -> None:
    drawn = draw(4)
    counts = Counter(each.item.prompt_id for each in drawn.items)
    assert (len(counts), set(counts.values())) == (4, {3})
    numbers = [int(each.item.item_id[1:]) for each in drawn.items]
    assert numbers == sorted(numbers)
    assert "4 of 10 prompts" in drawn.notes[-1]


def test_the_seed_decides_and_a_larger_draw_contains_a_smaller_one() -> None:
    assert draw(4) == draw(4)
    assert draw(4).items != draw(4, seed=2).items
    assert set(draw(4).items) < set(draw(5).items)


@pytest.mark.parametrize("size", [None, 10, 99])
def test_a_draw_of_all_prompts_is_the_benchmark_itself(size) -> None:
    assert len(draw(size).items) == 30
    assert draw(size).notes == ()


needs_files = pytest.mark.skipif(not PUBLISHED.is_dir(), reason=f"the published benchmark files are not at {PUBLISHED}")


def load_published(name: str) -> Benchmark:
    return load_benchmark(name, Path("unused"), PUBLISHED)


@pytest.mark.real_data
@needs_files
@pytest.mark.parametrize(
    ("name", "file"), [("vicuna_bench", "vicuna_eval.json"), ("mt_bench", "mt_bench_eval.json")], ids=str
)
def test_direct_files_give_their_counts_and_render_back(name: str, file: str) -> None:
    benchmark = load_published(name)
    assert len(benchmark.items) == len({each.item.item_id for each in benchmark.items}) == 320
    assert set(Counter(each.item.prompt_id for each in benchmark.items).values()) == {4}
    for row, each in zip(load_json_rows(PUBLISHED / file), benchmark.items, strict=True):
        item = each.item
        assert isinstance(item, DirectItem)
        levels = "\n".join(f"Score {score}: {level}" for score, level in enumerate(item.rubric.levels, start=1))
        parts = (
            f"###The instruction to evaluate:\n{item.instruction}",
            f"###Response to evaluate:\n{item.response}",
            f"###Reference Answer (Score 5):\n{item.reference}",
            f"###Score Rubrics:\n[{item.rubric.criteria}]\n{levels}",
            "###Feedback:",
        )
        _, heading, rest = row["instruction"].partition("###The instruction to evaluate:")
        assert "\n\n".join(parts).split() == (heading + rest).split()
        assert each.graders == tuple(row["gpt4_score"])
        assert each.gold == pytest.approx(sum(row["gpt4_score"]) / 3)


@pytest.mark.real_data
@needs_files
def test_hhh_alignment_has_its_counts_and_a_balanced_placement() -> None:
    benchmark = load_published("hhh_alignment")
    assert len(benchmark.items) == 221
    assert len({each.item.prompt_id for each in benchmark.items}) == 102
    groups = Counter(each.group for each in benchmark.items)
    assert groups == {"helpful": 59, "harmless": 58, "honest": 61, "other": 43}
    assert Counter(each.gold for each in benchmark.items) == {"A": 110, "B": 111}
    for row, each in zip(load_json_rows(PUBLISHED / "hhh_alignment_eval.json"), benchmark.items, strict=True):
        assert isinstance(each.item, PairwiseItem)
        chosen = each.item.response_a if each.gold == "A" else each.item.response_b
        assert f"###Response to evaluate:\n{chosen}" in row["chosen_instruction"]


@pytest.mark.real_data
@needs_files
def test_autoj_has_its_counts_less_the_pairs_without_a_comparison() -> None:
    rows = load_json_rows(PUBLISHED / "autoj_pairwise.json")
    assert Counter(row["label"] for row in rows) == {0: 520, 1: 499, 2: 373}
    benchmark = load_published("autoj_eval")
    # Nine identical pairs (a label 1, eight ties), one empty response (label 0) and an invisible one (label 1).
    assert Counter(each.gold for each in benchmark.items) == {"A": 519, "B": 497, "tie": 365}
    assert len({each.group for each in benchmark.items}) == 8
    assert any("9 pairs of identical responses and 2 pairs" in note for note in benchmark.notes)


@pytest.mark.real_data
@needs_files
def test_autoj_responses_no_longer_leak_by_leading_spaces() -> None:
    for each in load_published("autoj_eval").items:
        assert isinstance(each.item, PairwiseItem)
        for response in (each.item.response_a, each.item.response_b):
            assert response == response.strip() != ""


def test_an_embedded_benchmark_may_be_a_json_array(tmp_path: Path) -> None:
    rows = [json.loads(entry(1).model_dump_json())]
    (tmp_path / "embedded_direct.jsonl").write_text(json.dumps(rows))
    assert len(load_benchmark("embedded_direct", tmp_path, None).items) == 1
