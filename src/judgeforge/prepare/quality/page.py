"""The data report: one self-contained page of what the training sets hold and what the checks found."""

from collections.abc import Mapping
from typing import Any

from judgeforge.pages import build_environment
from judgeforge.prepare.quality.charts import build_bars, build_columns, build_histogram
from judgeforge.prepare.quality.findings import Finding
from judgeforge.prepare.quality.words import (
    ACTIONS,
    COUNTS,
    PARTS,
    PUBLISHED,
    TITLES,
    build_headline,
    describe_count,
    format_count,
    format_share,
    name_check,
)

READING = "reading"
"""How rows that could not be read at all are called beside the checks that set rows aside."""


def render_data_page(statistics: Mapping[str, Any], findings: Mapping[str, Finding]) -> str:
    """Render the data report as HTML. Equal inputs give equal bytes.

    Args:
        statistics: ``source``, ``rows`` (``read``, ``quarantined``, ``kept``), ``formats`` (the sets) and ``profile``
            (of ``compute_profile``).
        findings: of ``RowChecks``, and ``position_balance``.
    """
    environment = build_environment("judgeforge.prepare.quality")
    environment.filters |= {"count": format_count, "share": format_share}
    profile = statistics["profile"]
    near = {name: findings[name] for name in ("near_instructions", "near_responses") if name in findings}
    languages = findings.get("language", {}).get("languages", {})
    aside = count_set_aside(statistics, findings)
    return environment.get_template("data.html.jinja").render(
        headline=build_headline(statistics["rows"]["kept"], findings),
        statistics=statistics,
        profile=profile,
        checks=[_describe_check(name, finding) for name, finding in findings.items()],
        scores=build_columns(profile["scores"]),
        positions=build_columns(profile["positions"]),
        histograms={name: build_histogram(words) for name, words in profile["words"].items()},
        languages=build_bars(languages),
        aside=build_bars({_name_reason(name): count for name, count in aside.items()}),
        near=[
            {"title": name_check(name), "bars": _build_near(finding), "finding": finding}
            for name, finding in near.items()
        ],
        counts=COUNTS,
        parts=PARTS,
        published=PUBLISHED,
    )


def count_set_aside(statistics: Mapping[str, Any], findings: Mapping[str, Finding]) -> dict[str, int]:
    """Count the rows that were set aside by what found them; those that no check found could not be read."""
    counts = {
        name: finding["count"]
        for name, finding in findings.items()
        if finding["action"] == "quarantine" and finding["count"]
    }
    unreadable = statistics["rows"]["quarantined"] - sum(counts.values())
    return ({READING: unreadable} if unreadable > 0 else {}) | counts


def _name_reason(name: str) -> str:
    return "Not readable as a row" if name == READING else name_check(name)


def _describe_check(name: str, finding: Finding) -> dict[str, Any]:
    bounded = finding["threshold"] is not None
    standing = "below" if not finding["passed"] else "above" if bounded else "open"
    kinds = [f"{kind}: {format_count(each['count'])}" for kind, each in finding.get("kinds", {}).items()]
    return {
        "title": name_check(name),
        "meaning": TITLES.get(name, ("", ""))[1],
        "standing": standing,
        "mark": {"above": "✓", "below": "✗", "open": "·"}[standing],
        "word": {"above": "passed", "below": "failed", "open": "no threshold"}[standing],
        "count": describe_count(name, finding),
        "share": format_share(finding["share"]),
        "threshold": format_share(finding["threshold"]) if bounded else "none",
        "action": ACTIONS[finding["action"]],
        "examples": finding["examples"],
        "kinds": kinds,
    }


def _build_near(finding: Finding) -> list[dict[str, Any]]:
    once = finding["looked_at"] - finding["count"]
    return build_bars({"said once, or first": once, "almost an earlier one": finding["count"]})
