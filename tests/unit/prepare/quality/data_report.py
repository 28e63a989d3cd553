"""A small data set with something for every part of the data report, and what is computed of it."""

from typing import Any

import polars as pl
from quality_rows import Checked, build_rows, check_rows, load_committed

from judgeforge.params import QualityParams
from judgeforge.prepare.quality import build_position_finding, compute_profile

LONG = " ".join(f"word{number}" for number in range(60))
SOURCES = [
    {"name": "mine", "location": "exports/june.parquet", "revision": "2f1c9e", "licence": "Apache-2.0", "rows": 12},
    {"name": "a|b", "location": "x", "revision": None, "licence": "", "rows": None},
]
HOSTILE = "<script>alert(1)</script>"


def build_checked() -> Checked:
    """Check rows of which every check finds something."""
    ask = {"instruction": "Tell me a long story of many words."}
    texts = ["The river rises in the hills and flows slowly to the sea, past old mills."] * 8
    rows = build_rows(
        *({"response": text, "score": 1 + number % 5} for number, text in enumerate(texts)),
        ask | {"response": LONG},
        ask | {"response": LONG + " more"},
        ask | {"response": LONG},
        {"response": "Der Fluss entspringt in den Hügeln und fließt langsam ins Meer. [RESULT] 5"},
        {"response": "Write to jane@firm.org, AKIA" + "IOSFODNN7EXAMPLE is the key of my house."},
        {"feedback": "So a score of 1."},
        source=HOSTILE,
    )
    values = load_committed().model_dump()
    for name in ("duplicates", "secrets"):
        values[name]["action"] = "quarantine"
    values["language"] |= {"action": "quarantine", "min_share": 0.2}
    values["lengths"]["max_share"] = None
    values["markers"]["max_share"] = 0.01
    for each in ("instructions", "responses"):
        values["near_duplicates"][each]["action"] = "quarantine"
    return check_rows(rows, QualityParams.model_validate(values))


EXAMPLES = pl.DataFrame(
    {
        "format": ["direct", "direct", "pairwise", "pairwise"],
        "prompt_id": ["", "", "", ""],
        "prompt": ["Judge this.", "Judge that, please.", "Which one?", "Which is it?"],
        "completion": [
            "It is good. [RESULT] 4",
            "One marker [RESULT] in the text. [RESULT] 5",
            "A is better, by far. [RESULT] A",
            "B is. [RESULT] B",
        ],
    }
)


MAKING = {
    "template": {"name": "upstream-1a2b", "verified": {"mine": {"exact": 12, "white_space": 2, "prompt_differs": 0}}},
    "token_budget": {
        "max_tokens": 2048,
        "sets": {"direct": {"cut": 1, "dropped": 2}, "pairwise": {"cut": 3, "dropped": 0}},
    },
    "teacher": {"kind": "endpoint", "model": "a|b", "tasks": {"pairwise": {"written": 9, "dropped": 1}}},
}


def build_statistics(checked: Checked) -> dict[str, Any]:
    """Build the statistics of the data set, with two rows that could not be read."""
    ids = checked.kept["prompt_id"]
    examples = EXAMPLES.with_columns(prompt_id=pl.Series([ids[0], ids[1], ids[0], ids[0]]))
    part = {"rows": 2, "instructions": 2}
    pairs = part | {"better_is": {"A": 1, "B": 1}, "longer_wins_share": 0.5}
    aside = checked.quarantined.height + 2
    return {
        **MAKING,
        "source": HOSTILE,
        "rows": {"read": checked.kept.height + aside, "quarantined": aside, "kept": checked.kept.height},
        "formats": {"direct": part, "pairwise": pairs},
        "profile": compute_profile(checked.kept, examples, marker="[RESULT]"),
    }


def build_findings(checked: Checked) -> dict[str, Any]:
    """Build the findings, positions included."""
    return checked.findings | {"position_balance": build_position_finding(1, 1, 0.02)}
