"""How a watch over the champion ends where it did not fall: what cannot be said is said, with its reason."""

import pytest

from flows.drift import conclude, render_agreement
from judgeforge.promote.agreement import Agreement, Finding
from judgeforge.promote.registry import JudgeVersion
from judgeforge.statistics import Interval

VERSION = JudgeVersion(name="judge", number="3", judge="merged", run_id="r")
NONE = Interval(None, None, None)
FEW = "15 prompts are left of the rows, and an interval needs 20 prompts at least"
SMALL = "what it is held against has 15 prompts, and an interval needs 20 prompts at least"


def find(benchmark: str, measure: str, finding: Finding, why: str = "") -> Agreement:
    return Agreement(benchmark, measure, NONE, 30, 15, "d at its promotion", None, NONE, finding, why)


@pytest.mark.parametrize(
    ("found", "name", "message"),
    [
        ([find("d", "pearson", "too few rows", FEW)], "Too few rows", f"of d, nothing can be said: {FEW}"),
        (
            [find("d", "pearson", "no reference", SMALL), find("p", "accuracy", "too few rows", FEW)],
            "No reference",
            f"of d, nothing can be said: {SMALL}; of p, nothing can be said: {FEW}; "
            "state least: {pearson: ...} (docs/schedules.md)",
        ),
        (
            [find("d", "pearson", "no reference", SMALL), find("p", "accuracy", "agrees")],
            "Agrees",
            f"no fall was found; of d, nothing can be said: {SMALL}",
        ),
        ([find("p", "accuracy", "agrees")], "Agrees", "no fall was found"),
    ],
)
def test_what_cannot_be_said_is_said_with_its_reason(found: list[Agreement], name: str, message: str) -> None:
    state = conclude(VERSION, found, "page", "run")
    assert (state.type.value, state.name, state.message) == ("COMPLETED", name, message)
    assert all(each.why in render_agreement(VERSION, found) for each in found)
