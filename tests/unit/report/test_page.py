import io
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console
from small_evaluation import MATRIX, load, write_inputs

from judgeforge.errors import InputError
from judgeforge.report.breakdown import build_breakdown
from judgeforge.report.charts import build_calibration
from judgeforge.report.comparison import compute_differences
from judgeforge.report.examples import choose_examples
from judgeforge.report.page import render_page
from judgeforge.report.table import render_terminal_table

VOID = {"meta", "link", "br"}


class Outline(HTMLParser):
    """Collects what a page refers to, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attributes) -> None:
        values = dict(attributes)
        self.tags.append(tag)
        self.addresses += [values[name] for name in ("href", "src", "data", "action") if name in values]
        self.ids.add(values.get("id"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


def render(sources) -> str:
    return render_page(sources, compute_differences(sources))


def print_table(sources) -> str:
    console = Console(width=80, file=io.StringIO())
    console.print(render_terminal_table(sources))
    return console.file.getvalue()


def read(page: str) -> Outline:
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    return outline


def test_the_page_is_whole_and_asks_for_nothing_from_outside(sources) -> None:
    page = render(sources)
    outline = read(page)
    internal = [address[1:] for address in outline.addresses if address.startswith("#")]
    assert set(internal) <= outline.ids
    assert [address for address in outline.addresses if not address.startswith("#")] == ["data:,"]
    assert not re.search(r"https?://|@import|url\(", page)
    assert "script" not in outline.tags


def test_texts_of_models_and_benchmarks_cannot_become_markup(sources) -> None:
    page = render(sources)
    assert "&lt;script&gt;alert(&#39;merged&#39;)" in page
    assert "&lt;b&gt;" in page


def test_equal_inputs_give_equal_bytes(inputs: Path, sources) -> None:
    assert render(load(inputs)) == render(sources)


def test_the_page_says_how_the_merged_judge_stands_and_warns_of_a_silent_base(sources) -> None:
    page = render(sources)
    assert (
        "The merged judge is clearly above chance, the base model and every trivial judge on both benchmarks." in page
    )
    assert "Most answers of the base model hold no verdict" in page
    assert "75% unparsable" in page


def test_timings_do_not_reach_the_page(inputs: Path, sources, tmp_path: Path) -> None:
    shutil.copytree(inputs, tmp_path / "copy")
    for curve in (tmp_path / "copy" / "curves").iterdir():
        curve.write_text(curve.read_text().replace('"learning_rate"', '"tokens_per_second": 123.4, "learning_rate"'))
    assert render(load(tmp_path / "copy")) == render(sources)


def test_a_wholly_contaminated_benchmark_is_said_to_be_so(tmp_path: Path) -> None:
    write_inputs(tmp_path, contaminated=frozenset(f"direct-{index:02}" for index in range(40)))
    sources = load(tmp_path)
    page = render(sources)
    read(page)
    assert "No figures: all 40 items stand in the training set." in page
    assert "on the benchmark." in page
    assert "all in training" in print_table(sources)
    assert {example["benchmark"] for example in choose_examples(sources)} == {"embedded_pairwise"}


def test_the_breakdown_keeps_held_out_families_apart(sources) -> None:
    seen, held_out = build_breakdown(sources, "embedded_pairwise")
    assert [row["group"] for row in seen["rows"]] == ["e-mail"]
    assert [row["group"] for row in held_out["rows"]] == ["maps"]
    merged = held_out["rows"][0]["figures"]["merged"].value
    assert held_out["total"]["merged"].value == pytest.approx(merged)
    assert held_out["rows"][0]["items"] == 20


def test_examples_hold_a_right_and_a_wrong_verdict_of_every_benchmark(sources) -> None:
    examples = choose_examples(sources)
    assert [(each["benchmark"], each["kind"]) for each in examples] == [
        (name, kind) for name in ("embedded_direct", "embedded_pairwise") for kind in ("right", "wrong")
    ]
    for example in examples:
        verdicts = {verdict["judge"]: verdict for verdict in example["verdicts"]}
        assert list(verdicts) == ["base", "merged", "majority", "longer"]
        assert verdicts["merged"]["right"] == (example["kind"] == "right")
        assert (verdicts["merged"]["given"] == example["gold"]) == verdicts["merged"]["right"]


def test_the_terminal_table_fits_80_columns_and_names_every_judge(sources) -> None:
    text = print_table(sources)
    assert "…" not in text
    merged = next(line for line in text.splitlines() if "merged" in line)
    assert re.search(r"merged +━+ +0\.\d\d +0\.\d\d to 0\.\d\d +0%", merged)
    assert next(line for line in text.splitlines() if "base" in line).rstrip().endswith("75%")


def test_a_judge_that_was_not_evaluated_is_named(inputs: Path, tmp_path: Path) -> None:
    shutil.copytree(inputs, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "evaluation" / "base")
    with pytest.raises(InputError, match=r"base.metrics\.json"):
        load(tmp_path / "copy")


def test_metrics_of_other_verdicts_are_refused(inputs: Path, tmp_path: Path) -> None:
    shutil.copytree(inputs, tmp_path / "copy")
    folder = tmp_path / "copy" / "evaluation"
    shutil.copy(folder / "longer" / "verdicts.parquet", folder / "merged" / "verdicts.parquet")
    with pytest.raises(InputError, match="does not belong to the verdicts"):
        load(tmp_path / "copy")


def test_a_verdict_file_cut_off_in_the_middle_is_named(inputs: Path, tmp_path: Path) -> None:
    shutil.copytree(inputs, tmp_path / "copy")
    path = tmp_path / "copy" / "evaluation" / "merged" / "verdicts.parquet"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"verdicts\.parquet is cut off"):
        load(tmp_path / "copy")


def test_calibration_is_the_mean_gold_score_of_each_score() -> None:
    confusion = [[2, 0, 0, 0, 0, 1], [0] * 6, [2, 0, 0, 0, 3, 0], [0] * 6, [0, 0, 0, 0, 1, 0]]
    assert build_calibration(confusion) == [
        {"given": 1, "gold": 2.0, "count": 4, "share": 0.444},
        {"given": 5, "gold": 3.5, "count": 4, "share": 0.444},
    ]


def test_ceilings_and_rankings_stand_on_the_page(sources) -> None:
    metrics = sources.subject.metrics
    ceiling = {"measure": "pearson", "value": 0.87, "graders": 3}
    raised = {
        "embedded_direct": metrics["embedded_direct"] | {"ceiling": ceiling},
        "embedded_pairwise": metrics["embedded_pairwise"] | {"transitivity": {"value": 0.75, "triples": 12}},
    }
    changed = replace(sources.subject, metrics=raised)
    evaluations = tuple(changed if each is sources.subject else each for each in sources.evaluations)
    page = render(replace(sources, evaluations=evaluations))
    assert "12 triples" in page
    assert "<td>0.87</td>" in page
    assert "one gold verdict" in page


def test_a_guest_stands_between_our_judges_and_the_trivial_ones_and_never_is_the_subject(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    shutil.copytree(tmp_path / "evaluation" / "merged", tmp_path / "evaluation" / "gpt-4")
    sources = load(tmp_path, MATRIX.model_copy(update={"judges": ("base",), "guests": ("gpt-4",)}))
    assert [each.judge for each in sources.evaluations] == ["base", "gpt-4", "majority", "longer"]
    assert sources.subject.judge == "base"
    assert "gpt-4" in render(sources) and "recorded elsewhere, scored here" in render(sources)
    assert "gpt-4" in print_table(sources)
