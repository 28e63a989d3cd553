"""Published rows beside ours: the papers' digits, their sources, and what they call by another name."""

from dataclasses import replace

import pytest

from judgeforge.report.numbers import format_cell
from judgeforge.report.published import build_published_tables, load_published


@pytest.fixture(scope="module")
def tables(large) -> dict:
    return {table["title"]: table for table in build_published_tables(large)}


def read(table: dict, name: str, source: str | None = None) -> dict[tuple[str, str], str]:
    row = next(row for row in table["rows"] if row["name"] == name and row.get("source") in (None, source))
    texts = [
        format_cell(figure, column[1], True) for figure, column in zip(row["figures"], table["columns"], strict=True)
    ]
    return dict(zip(table["columns"], texts, strict=True))


P2, RERUN = "arXiv 2405.01535", "arXiv 2409.14664"


def test_rows_stand_beside_ours_and_say_so(sources) -> None:
    renamed = {"embedded_direct": "vicuna_bench", "embedded_pairwise": "hhh_alignment"}
    evaluations = tuple(
        replace(each, metrics={renamed[name]: entry for name, entry in each.metrics.items()})
        for each in sources.evaluations
    )
    pairwise = build_published_tables(replace(sources, evaluations=evaluations))[1]
    assert pairwise["columns"] == [("hhh_alignment", "accuracy")]
    assert pairwise["sources"] == f"{P2}, Table 4; {RERUN}, Table 1"
    ours = sources.subject.metrics["embedded_pairwise"]["metrics"]["accuracy"]["value"]
    merged = next(row for row in pairwise["rows"] if row["name"] == "merged")
    assert (merged["figures"][0].value, merged["published"]) == (ours, False)


def test_published_digits_are_kept(tables) -> None:
    direct = read(tables["Direct assessment"], "Prometheus-2-7B", P2)
    assert direct["vicuna_bench", "pearson"] == "0.666" and direct["mt_bench", "kendall"] == "0.390"
    pairwise = read(tables["Pairwise ranking"], "Prometheus-2-7B", P2)
    assert pairwise["autoj_eval", "accuracy_with_ties"] == "54.96%"
    alpha = read(tables["Consistency"], "Prometheus-2-8x7B", P2)
    assert alpha["flask", "run_alpha"] == "0.787" and alpha["whole", "paper_transitivity"] == "96.75%"


def test_the_table_of_formats_has_both_accuracies_and_the_signed_gap(tables) -> None:
    found = read(tables["Pairs judged by direct grades"], "Prometheus-2-7B", P2)
    columns = ("direct_for_pairwise_accuracy", "accuracy", "format_gap")
    assert [found["mt_bench_human", column] for column in columns] == ["63.24%", "70.78%", "+7.54"]
    gaps = read(tables["Pairs judged by direct grades"], "GPT-4-1106", P2)
    assert [gaps[name, "format_gap"] for name in ("hhh_alignment", "mt_bench_human", "autoj_eval")] == [
        "+7.24",
        "+11.86",
        "+28.85",
    ]
    assert gaps["hhh_alignment", "direct_for_pairwise_accuracy"] == "–"
    assert "sign" in tables["Pairs judged by direct grades"]["note"]


def test_a_rerun_by_others_is_a_row_of_its_own_with_its_protocol(tables) -> None:
    assert read(tables["Pairwise ranking"], "SFR-Judge-8B", RERUN)["hhh_alignment", "accuracy"] == "94.12%"
    assert read(tables["Pairwise ranking"], "Prometheus-2-7B", RERUN)["hhh_alignment", "accuracy"] == "79.64%"
    assert "better of two orders" in tables["Pairwise ranking"]["note"]
    assert "no transitivity" in tables["Consistency"]["note"]


def test_merging_names_method_and_alpha_and_averages(tables) -> None:
    table = tables["Ways of merging"]
    assert [row["name"] for row in table["rows"] if not row["published"]] == ["merged (linear, α = 0.5)"]
    linear = read(table, "7B, Linear", P2)
    assert (linear["merging_average", "pearson"], linear["merging_average", "accuracy"]) == ("0.652", "78.06%")
    ours = table["rows"][0]["figures"]
    by_column = dict(zip(table["columns"], ours, strict=True))
    parts = [by_column[name, "pearson"].value for name in ("vicuna_bench", "mt_bench", "flask_human", "feedback_bench")]
    assert by_column["merging_average", "pearson"].value == pytest.approx(sum(parts) / 4)
    training = read(tables["Ways of training"], "7B, merged", P2)
    assert training["training_average", "accuracy"] == "73.50%"


def test_a_judge_without_all_benchmarks_has_no_average(tables) -> None:
    names = [row["name"] for row in tables["Ways of training"]["rows"]]
    assert not [name for name in names if name.startswith("prometheus-eval")]


def test_every_published_figure_is_one_that_can_be() -> None:
    rows = load_published()
    keys = [(row.table, row.model, row.measure, row.source, name) for row in rows for name in row.values]
    assert len(keys) == len(set(keys))
    assert all(-1 <= value <= 1 for row in rows for value in row.values.values())
