"""Whose report it is, on which items, and what is missing: said, never filled in or refused without need."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from large_evaluation import BARRED, ENDPOINT, GUESTS, RECORDED
from small_evaluation import MATRIX, load, write_inputs, write_judge

from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json
from judgeforge.params import MatrixParams
from judgeforge.report.comparison import compute_differences
from judgeforge.report.figures import find_figure
from judgeforge.report.items import has_other_items, share_items
from judgeforge.report.loading import load_sources
from judgeforge.report.page import render_page
from judgeforge.report.sections import choose_best, list_marks
from judgeforge.report.sources import Sources
from judgeforge.verdicts import METRICS_FILE


def load_guests(root: Path, *judges: str) -> Sources:
    nowhere = root / "nowhere"
    return load_sources(judges, (), evaluation=root / "evaluation", curves=nowhere, statistics=nowhere, benchmarks={})


def rename(root: Path, judge: str, name: str, origin: str = "recorded") -> None:
    folder = root / "evaluation" / name
    shutil.copytree(root / "evaluation" / judge, folder)
    write_json(folder / METRICS_FILE, load_json(folder / METRICS_FILE) | {"origin": origin})


@pytest.fixture
def guests(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    rename(tmp_path, "merged", "gpt-4", "endpoint")
    rename(tmp_path, "base", "theirs")
    return tmp_path


def render(sources: Sources) -> str:
    return render_page(sources, compute_differences(sources))


def test_nothing_has_to_be_trained() -> None:
    matrix = MATRIX.model_dump() | {"formats": (), "judges": (), "guests": ("gpt-4",)}
    assert MatrixParams.model_validate(matrix).judges == ()


def test_guests_alone_make_a_report_without_training(guests: Path) -> None:
    sources = load_guests(guests, "gpt-4", "theirs", "longer")
    assert sources.subject.judge == "gpt-4"
    page = render(sources)
    assert 'id="training"' not in page and "Training collection" not in page and 'id="examples"' not in page
    assert "The gpt-4 judge is clearly above chance" in page
    assert "recorded elsewhere, scored here" in page and "asked at an endpoint" in page


def test_the_last_own_judge_is_the_subject_before_any_guest(guests: Path) -> None:
    assert load_guests(guests, "gpt-4", "base").subject.judge == "base"
    assert load_guests(guests, "gpt-4", "merged", "base").subject.judge == "merged"


def test_no_judge_at_all_is_said(guests: Path) -> None:
    with pytest.raises(InputError, match=r"No judge is named.*--judges"):
        load_guests(guests, "longer")


def test_what_the_subject_was_trained_on_is_left_out_of_a_guest_too(tmp_path: Path) -> None:
    lost = frozenset(f"direct-{index:02}" for index in range(0, 24))
    write_inputs(tmp_path, contaminated=lost)
    write_judge(tmp_path / "evaluation" / "theirs", "merged")
    sources = load(tmp_path, MATRIX.model_copy(update={"guests": ("theirs",)}))
    theirs = next(each for each in sources.evaluations if each.judge == "theirs")
    before = load_json(tmp_path / "evaluation" / "theirs" / METRICS_FILE)["benchmarks"]["embedded_direct"]
    after, ours = theirs.metrics["embedded_direct"], sources.subject.metrics["embedded_direct"]
    assert (before["items"], after["items"], after["contaminated"]) == (40, 16, 24)
    assert after["metrics"]["pearson"] == ours["metrics"]["pearson"] != before["metrics"]["pearson"]
    assert after["barred"] == ours["barred"]
    assert theirs.list_counted("embedded_direct") == sources.subject.list_counted("embedded_direct")
    assert theirs.metrics["embedded_pairwise"] == sources.subject.metrics["embedded_pairwise"]


def test_a_guest_that_leaves_out_more_is_marked_and_is_never_best(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    write_judge(tmp_path / "evaluation" / "theirs", "merged", frozenset({"direct-00", "direct-08"}))
    sources = load(tmp_path, MATRIX.model_copy(update={"guests": ("theirs",)}))
    theirs = next(each for each in sources.evaluations if each.judge == "theirs")
    assert has_other_items(sources, theirs, "embedded_direct")
    figures = {each.judge: find_figure(each, "embedded_direct", "pearson") for each in sources.evaluations}
    assert figures["theirs"].value > figures["merged"].value
    assert choose_best(sources, "embedded_direct", figures) == ["merged"]
    assert list_marks(sources, theirs, "embedded_direct") == ["on other items"]


def test_other_items_and_other_modes_are_refused_by_name(sources) -> None:
    base = next(each for each in sources.evaluations if each.judge == "base")
    fewer = replace(base, judge="theirs", judged=base.judged.filter(pl.col("item_id") != "direct-03"))
    with pytest.raises(InputError, match=r"merged and theirs judged different items of embedded_direct.*max_prompts"):
        share_items(replace(sources, evaluations=(sources.subject, fewer)))
    paper = {name: entry | {"mode": "paper"} for name, entry in base.metrics.items()}
    with pytest.raises(InputError, match=r"merged and base were judged in different modes"):
        share_items(replace(sources, evaluations=(sources.subject, replace(base, metrics=paper))))


def test_a_guest_with_fewer_benchmarks_has_dashes(large) -> None:
    recorded = next(each for each in large.evaluations if each.judge == RECORDED)
    figure = find_figure(recorded, "flask", "pearson")
    assert (figure.value, figure.state, figure.reason) == (None, "absent", "not judged")
    assert "flask" not in compute_differences(large)[RECORDED]
    assert list_marks(large, recorded, "hhh_alignment") == ["one order only"]
    assert list_marks(large, recorded, "flask") == []


def test_a_benchmark_that_the_subject_did_not_judge_is_shown_all_the_same(large) -> None:
    kept = tuple(each for each in large.evaluations if each.judge in (RECORDED, ENDPOINT))
    swapped = replace(large, evaluations=kept)
    assert swapped.subject.judge == RECORDED
    page = render(swapped)
    assert swapped.names[:4] == ["vicuna_bench", "mt_bench", "hhh_alignment", "autoj_eval"] and len(swapped.names) == 9
    assert f"Not judged by {RECORDED}." in page


def test_undefined_is_told_apart_from_not_measured(large) -> None:
    majority = next(each for each in large.evaluations if each.judge == "majority")
    assert find_figure(majority, "flask", "pearson").state == "undefined"
    recorded = next(each for each in large.evaluations if each.judge == RECORDED)
    for measure, reason in {
        "swap_consistency": "asked in one order only",
        "format_gap": "the responses were not graded one by one",
    }.items():
        figure = find_figure(recorded, "hhh_alignment", measure)
        assert (figure.state, figure.reason) == ("absent", reason)
    page = render(large)
    assert 'class="undefined">undefined</span>' in page
    assert '<span title="asked in one order only">–</span>' in page
    assert "–: not measured. undefined: measured" in page


def test_runs_of_one_sample_have_no_alpha_and_equal_runs_an_undefined_one(sources, large) -> None:
    assert find_figure(sources.subject, "embedded_direct", "run_alpha").reason == "each question was asked once"
    majority = next(each for each in large.evaluations if each.judge == "majority")
    assert find_figure(majority, "flask", "run_alpha").state == "undefined"


def test_mode_and_barred_benchmarks_stand_in_every_table(large) -> None:
    page = render(large)
    captions = re.findall(r"<caption><span>(.*?)</span></caption>", page, flags=re.DOTALL)
    assert len(captions) == page.count("<caption>") == page.count("<table") > 20
    assert all("ode clean." in caption for caption in captions)
    assert "mode clean" in page.partition("<h1>")[0].lower()
    tables = re.findall(r"<article.*?</article>|<table.*?</table>", page, flags=re.DOTALL)
    named = [table for table in tables if re.search(r">MT Bench\b(?!, people)", table)]
    assert len(named) > 8
    assert not [table for table in named if re.search(r">MT Bench</", table)], "without its mark"
    assert BARRED == "mt_bench" and page.count("MT Bench † 6") > 5, "the number left out stands beside"


def test_names_of_guests_are_long_enough_to_break_a_page() -> None:
    assert {len(name) for name in GUESTS} == {44}


def test_evaluations_of_before_origins_were_written_are_guessed(guests: Path) -> None:
    path = guests / "evaluation" / "theirs" / METRICS_FILE
    write_json(path, {name: value for name, value in load_json(path).items() if name != "origin"})
    found = {each.judge: each.origin for each in load_guests(guests, "theirs", "base", "longer").evaluations}
    assert found == {"base": "model", "theirs": "recorded", "longer": "reference"}
