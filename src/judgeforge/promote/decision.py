"""What a decision is: every check with figure, interval, threshold and verdict, and what they add up to."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["passed", "failed", "undecided"]
Outcome = Literal["promoted", "refused", "undecided"]
Kind = Literal["limit", "non_inferiority", "superiority", "rival"]


class Check(BaseModel):
    """One condition.

    Args:
        kind: ``limit`` (the challenger's own figure is within the threshold, to either side of 0), ``non_inferiority``
            (the interval's lower end is above the threshold, the margin below 0), ``superiority`` (better than the
            champion; one of these is enough) or ``rival`` (the lower end of the difference is above 0).
        benchmark: its name.
        measure: its name.
        against: whom the challenger is compared with; None: nobody.
        challenger: the challenger's value.
        other: the other's value; chance, where its own is undefined.
        figure: what is checked: a difference, or of a limit the value; None: undefined.
        interval: of the figure; either end holds at the level alpha. None where there are too few prompts to claim one.
        threshold: see ``kind``.
        verdict: ``undecided`` where the items at hand cannot tell.
        items: that it rests on.
        prompts: that these belong to: the clusters.
        needed: about how many items would do, where it is undecided and this can be said.
        p: one-sided, of the challenger not being better (superiority).
        p_holm: the same, corrected for all primary measures: the verdict rests on it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    benchmark: str
    measure: str
    against: str | None
    challenger: float | None
    other: float | None
    figure: float | None
    interval: tuple[float, float] | None
    threshold: float
    verdict: Verdict
    items: int
    prompts: int
    needed: int | None = None
    p: float | None = None
    p_holm: float | None = None

    @property
    def name(self) -> str:
        """Benchmark and measure."""
        return f"{self.benchmark}/{self.measure}"


class Decision(BaseModel):
    """What the gate found.

    Args:
        rule: ``first`` (there is no champion yet) or ``successor``.
        outcome: ``refused`` where a check failed, ``undecided`` where none did and one could not be decided.
        summary: one sentence for a person.
        alpha: level of each test.
        margin: how far behind the challenger may fall.
        checks: all that were made.
        notes: what else a reader must know: whence verdicts came, and which benchmarks do not count.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Literal["first", "successor"]
    outcome: Outcome
    summary: str
    alpha: float
    margin: float
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()


class Record(BaseModel):
    """A decision as it is kept: reports/decision.json, and beside the version that it is about.

    Args:
        who: asked for it.
        when: ISO 8601, UTC.
        why: the reason that was given.
        forced: the version was made champion against the gate.
        awaits_approval: a person has to agree before the version becomes champion.
        approved_by: who agreed; None: nobody was asked, or nobody has yet.
        model: the registered model.
        version: the challenger's.
        champion: the champion's version at that time; None: there was none.
        first_champion: the first champion's version, likewise.
        decision: the gate's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: str
    when: str
    why: str
    forced: bool
    awaits_approval: bool = False
    approved_by: str | None = None
    model: str
    version: str
    champion: str | None
    first_champion: str | None
    decision: Decision


def conclude(checks: Sequence[Check], rule: Literal["first", "successor"]) -> Outcome:
    """Add the checks up: all must pass, but that of several kinds of superiority one is enough.

    A successor of which no superiority could be checked is undecided; so is a first champion held against nobody.
    """
    gains = {check.verdict for check in checks if check.kind == "superiority"}
    verdicts = {check.verdict for check in checks if check.kind != "superiority"}
    if rule == "successor":
        wanting: Verdict = "undecided" if "undecided" in gains or not gains else "failed"
        verdicts.add("passed" if "passed" in gains else wanting)
    elif not any(check.kind == "rival" for check in checks):
        verdicts.add("undecided")
    if "failed" in verdicts:
        return "refused"
    return "undecided" if "undecided" in verdicts else "promoted"
