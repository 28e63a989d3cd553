import html
import re

import pytest
from data_report import EXAMPLES, HOSTILE, LONG, MAKING, SOURCES, build_checked, build_findings, build_statistics
from quality_rows import build_rows, check_rows, list_reasons, only

from judgeforge.grading.parsing import JSON_MARKER
from judgeforge.prepare.quality import compute_profile, render_data_card, render_data_page
from judgeforge.prepare.quality.charts import build_bars, build_histogram
from judgeforge.prepare.quality.words import format_count, format_share


@pytest.fixture(scope="module")
def checked():
    return build_checked()


@pytest.fixture(scope="module")
def statistics(checked):
    return build_statistics(checked)


@pytest.fixture(scope="module")
def page(checked, statistics):
    return render_data_page(statistics, build_findings(checked))


@pytest.fixture(scope="module")
def card(checked, statistics):
    return render_data_card(statistics, build_findings(checked), SOURCES)


def test_the_small_data_set_has_something_for_every_part(checked):
    assert {reason.split(":")[0] for reason in list_reasons(checked.quarantined).values()} == {
        *("duplicates", "secrets", "language", "near_responses")
    }
    assert [name for name, finding in checked.findings.items() if not finding["passed"]] == [
        "markers",
        "contradictions",
    ]


def test_the_table_is_that_of_the_paper_by_hand(statistics):
    table = statistics["profile"]["table"]
    direct, pairwise = table["direct"], table["pairwise"]
    assert direct["rubrics"] == 1
    assert (direct["instructions"], direct["responses"], direct["instances"], direct["references"]) == (2, 2, 2, 0)
    assert direct["feedback_by_verdict"] == {"4": 1, "5": 1}
    assert pairwise["feedback_by_verdict"] == statistics["profile"]["positions"] == {"A": 1, "B": 1}
    # "It is good." and "One marker [RESULT] in the text."; "A is better, by far." and "B is."
    assert (direct["average_words"]["feedback"], direct["average_tokens"]["feedback"]) == (4.5, 6.5)
    assert (pairwise["average_words"]["feedback"], pairwise["average_tokens"]["feedback"]) == (3.5, 5.0)
    assert direct["average_words"]["prompt"] == 2.5
    # "Is it a colour?" and five levels of one word each.
    assert (direct["average_words"]["rubric"], direct["average_tokens"]["rubric"]) == (9.0, 10.0)
    assert direct["average_words"]["reference"] is None


def test_texts_are_counted_once_and_histograms_hold_each():
    rows = build_rows(*({"instruction": "One two.", "response": f"{'x ' * length}"} for length in (1, 2, 2, 3, 40)))
    words = compute_profile(rows, EXAMPLES.clear(), marker="[RESULT]")["words"]
    assert words["instruction"]["texts"] == 1
    assert words["response"] | {"bins": None} == {"texts": 4, "median": 2.5, "p95": 40, "max": 40, "bins": None}
    bins = {each["from_words"]: each["count"] for each in words["response"]["bins"] if each["count"]}
    assert bins == {1.0: 1, 2.0: 1, 2.83: 1, 32.0: 1}
    assert words["feedback"]["texts"] == 5


def test_json_completions_are_read():
    rows = build_rows({})
    completion = '{"feedback": "Good, \\"really\\".", "verdict": 5}'
    examples = EXAMPLES.head(1).with_columns(
        prompt_id=rows["prompt_id"], completion=rows["row_id"].replace("rows:1", completion)
    )
    direct = compute_profile(rows, examples, marker=JSON_MARKER)["table"]["direct"]
    assert direct["feedback_by_verdict"] == {"5": 1}
    assert direct["average_words"]["feedback"] == 2.0


def test_the_page_says_what_was_found(page, checked, statistics):
    text = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))
    kept = checked.kept.height
    assert f"{kept} rows to learn from, but 2 of 11 checks failed: verdict markers, feedback against score." in text
    for part in (
        "AWS Access Key: 1",
        "Not readable as a row 2 ",
        "Almost equal responses 1 ",
        " de 1 ",
        "90",
        "100,000",
    ):
        assert part in text, part
    assert statistics["rows"]["read"] == kept + checked.quarantined.height + 2


def test_the_page_brings_everything_along_and_quotes_nothing_dangerous(page):
    assert "<script" not in page
    assert HOSTILE not in page and html.escape(HOSTILE) in page
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page)
    assert "IOSFODNN7" not in page and "jane@firm" not in page
    assert LONG not in page


def test_equal_data_give_equal_bytes(page, card):
    again = build_checked()
    statistics = build_statistics(again)
    assert render_data_page(statistics, build_findings(again)) == page
    assert render_data_card(statistics, build_findings(again), SOURCES) == card


def test_the_card_states_sources_counts_findings_and_limits(card):
    assert "| mine | exports/june.parquet | 2f1c9e | Apache-2.0 | 12 |" in card
    assert "| a\\|b | x | not stated | not stated | – |" in card
    assert "| instances | 2 | 2 | 100,000 | 200,000 |" in card
    assert "| feedback | 4.5 | 6.5 | 3.5 | 5 |" in card
    assert "| Verdict markers | 1 of 14 | 7.1% | 1% | **failed** | made harmless |" in card
    assert "| not readable as a row | 2 |" in card
    made = card[card.index("- The judge template") : card.index("## Statistics")].splitlines()
    assert made[0] == (
        "- The judge template is upstream-1a2b. It was recovered, and verified on every rendered row of mine: "
        "12 exact, 2 white space."
    )
    assert "2,048 tokens at most: 4 were cut in their responses, and 2 were left out" in made[1]
    assert made[2].startswith("- a\\|b wrote what was missing (pairwise): 9 texts; rows dropped")
    assert "## Limits" in card and "<script" not in card and "IOSFODNN7" not in card
    widths = [{line.replace("\\|", "").count("|") for line in block.splitlines()} for block in card.split("\n\n")]
    assert all(len(width) == 1 for width in widths if width != {0})


def test_a_data_set_of_nothing_can_be_shown():
    checked = check_rows(build_rows({}).clear(), only("duplicates", action="report"))
    profile = compute_profile(checked.kept, EXAMPLES.clear(), marker="[RESULT]")
    statistics = {
        "source": "x",
        "rows": dict.fromkeys(("read", "quarantined", "kept"), 0),
        "formats": {},
        "profile": profile,
        **MAKING,
    }
    page = render_data_page(statistics, checked.findings)
    assert "There are no pairs" in page and "No row was set aside" in page and "near-duplicates is skipped" in page
    assert "No row." in render_data_card(statistics, checked.findings, [])


def test_many_bars_become_eight():
    bars = build_bars({f"l{number:02}": 20 - number for number in range(20)})
    assert len(bars) == 8
    assert bars[-1]["label"] == "13 others"
    assert bars[0]["width"] < bars[-1]["width"] == 100


@pytest.mark.parametrize("words", [[1], [30], [1, 2000], [90, 110], [0, 0]])
def test_a_histogram_lies_within_its_frame_and_has_ticks(words):
    rows = build_rows(*({"response": "x " * count, "score": number} for number, count in enumerate(words)))
    plot = build_histogram(compute_profile(rows, EXAMPLES.clear(), marker="[RESULT]")["words"]["response"])
    assert plot["ticks"]
    places = [*(tick["place"] for tick in plot["ticks"]), *(bar["x"] + bar["width"] for bar in plot["bars"])]
    assert all(0 <= place <= 100.1 for place in [*places, plot["median"]])
    assert max(bar["height"] for bar in plot["bars"]) == 100


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0%"), (0.0001, "<0.1%"), (0.5, "50%"), (0.123, "12.3%"), (0.9999, ">99.9%"), (1.0, "100%")],
)
def test_shares(value, text):
    assert format_share(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0, "0"), (1234567, "1,234,567"), (12.5, "12.5"), (3.0, "3")])
def test_counts(value, text):
    assert format_count(value) == text
