"""CSV and Markdown: every figure of the page, and where it came from."""

import io

import polars as pl
import pytest

from judgeforge.report.figures import find_figure
from judgeforge.report.files import write_figures, write_main_figures
from judgeforge.report.markdown import write_markdown


@pytest.fixture(scope="module")
def table(large) -> pl.DataFrame:
    return pl.read_csv(io.StringIO(write_figures(large)), infer_schema_length=None)


def test_the_figures_beside_the_page_are_those_of_the_metrics(sources) -> None:
    table = pl.read_csv(io.StringIO(write_figures(sources)), infer_schema_length=None)
    row = table.filter(
        (pl.col("judge") == "merged")
        & (pl.col("benchmark") == "embedded_pairwise")
        & (pl.col("measure") == "accuracy")
        & pl.col("part").is_null()
    ).row(0, named=True)
    expected = sources.subject.metrics["embedded_pairwise"]["metrics"]["accuracy"]
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert (row["mode"], row["state"]) == ("clean", "measured")
    assert "published" not in table["origin"], "no embedded benchmark has published figures"
    text = write_markdown(sources)
    assert "| judge | answers | Embedded, direct: Pearson" in text
    assert "Mode clean." in text and "published" not in text


def test_the_csv_has_what_stands_outside_the_metrics_too(large, table) -> None:
    merged = table.filter((pl.col("judge") == "merged") & (pl.col("benchmark") == "hhh_alignment"))
    measures = set(merged["measure"])
    assert {"run_alpha", "format_gap", "direct_for_pairwise_accuracy", "transitivity"} <= measures
    gap = merged.filter(pl.col("measure") == "format_gap")["value"][0]
    assert gap == pytest.approx(find_figure(large.subject, "hhh_alignment", "format_gap").value)
    assert set(merged["part"].drop_nulls()) == {"writing", "reasoning and mathematics", "code"}
    graders = table.filter((pl.col("origin") == "graders") & (pl.col("benchmark") == "vicuna_bench"))
    assert set(graders["measure"]) == {"agreement", "ceiling"}


def test_the_csv_tells_published_recorded_and_undefined_apart(table) -> None:
    published = table.filter((pl.col("origin") == "published") & (pl.col("judge") == "SFR-Judge-8B"))
    assert set(published["source"]) == {f"arXiv 2409.14664, Table {number}" for number in (1, 2, 6)}
    recorded = table.filter(pl.col("judge").str.starts_with("prometheus-eval"))
    assert set(recorded["origin"]) == {"recorded"}
    constant = table.filter(
        (pl.col("judge") == "majority") & (pl.col("measure") == "pearson") & pl.col("part").is_null()
    )
    assert set(constant["state"]) == {"undefined"} and constant["value"].is_null().all()
    assert recorded.filter(pl.col("measure") == "swap_consistency").height == 0, "it was asked in one order"


def test_no_two_bars_of_the_plot_share_a_name(large) -> None:
    table = pl.read_csv(io.StringIO(write_main_figures(large)))
    assert table["row"].n_unique() == table.height
    assert table["value"].null_count() == 0
    assert {"judge", "benchmark", "value", "low", "high"} <= set(table.columns)


def test_markdown_names_mode_marks_and_sources(large) -> None:
    text = write_markdown(large)
    assert "Mode clean. Items left out because they were trained on: " in text
    assert "† So many of its items were trained on" in text
    assert "MT Bench †: Pearson" in text
    assert "one order only" in text
    assert "arXiv 2405.01535, Tables 3, 11, 12; arXiv 2409.14664, Table 2." in text
    assert "| 0.666 |" in text and "| 74.66% |" in text
    assert "Gold graders agree by" in text
