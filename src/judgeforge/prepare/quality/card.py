"""The data card: in Markdown, what the data set is, where it comes from, how it was built, and what is known of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from judgeforge.prepare.quality.findings import Finding
from judgeforge.prepare.quality.page import READING, count_set_aside
from judgeforge.prepare.quality.words import (
    ACTIONS,
    COUNTS,
    PARTS,
    PUBLISHED,
    describe_count,
    format_count,
    format_share,
    name_check,
)

_BUILT = """Rows are read from the sources, checked (below), and rendered by one judge template. Each graded response is
an instance of direct assessment. For pairwise ranking, the different responses to one instruction are paired by the
same rubric; a response's score is the median of its graders', pairs of equal scores are left out, and the better one is
placed at A or B by seed, as often at each. Instructions, not rows, are split into training and validation, so that no
instruction is on both sides. The same sources, values and seed give the same bytes."""

_LIMITS = """- Checks are cheap looks, not judgements: a row that passed them can still be wrong, and feedback that
  contradicts its score in other words than the listed English ones is not found.
- Secrets are known by their form. What has no form of its own (a password in prose, a name, an address) is not found.
- Languages are guessed from the beginning of a response; short ones are left as unknown.
- Near-duplicates are estimated from shared runs of words: translations and paraphrases are not found.
- Words are what white space parts, and tokens are words and marks: a model's tokenizer counts otherwise, and words say
  little of languages that are written without spaces."""


def render_data_card(
    statistics: Mapping[str, Any], findings: Mapping[str, Finding], sources: Sequence[Mapping[str, Any]]
) -> str:
    """Render the data card as Markdown. Equal inputs give equal bytes.

    Args:
        statistics: as of ``render_data_page``.
        findings: likewise.
        sources: of each ``name``, ``location``, ``revision``, ``licence`` and ``rows``; what is None or absent is
            shown as not stated.
    """
    profile = statistics["profile"]
    rows = statistics["rows"]
    table = profile["table"]
    parts = [
        "# Data card",
        f"Feedback data for training judges: {format_count(table['direct']['instances'])} instances of direct "
        f"assessment (one response, a score by a rubric) and {format_count(table['pairwise']['instances'])} of "
        "pairwise ranking (two responses, the better one named), each with feedback in words before its verdict. "
        f"Built from {format_count(rows['read'])} rows, of which {format_count(rows['kept'])} were kept.",
        "## Sources",
        _tabulate(
            ["source", "where from", "revision", "licence", "rows"], [_describe_source(each) for each in sources]
        ),
        "## How it was built",
        _BUILT,
        _describe_making(statistics),
        "## Statistics",
        "The paper's table of its training sets (arXiv 2405.01535) for this data set, training and validation "
        "together, beside the published Feedback Collection and Preference Collection.",
        _build_counts(table),
        f"Averages, each text counted once{_describe_sample(profile)}:",
        _build_averages(table),
        "Feedback by verdict:",
        _build_verdicts(table),
        "## Quality",
        _build_findings(findings),
        "## Set aside",
        _build_set_aside(count_set_aside(statistics, findings)),
        "## Limits",
        _LIMITS,
    ]
    return "\n\n".join(parts) + "\n"


def _describe_making(statistics: Mapping[str, Any]) -> str:
    """List what is particular to this data set: judge template, token budget and teacher."""
    template, budget, teacher = (statistics[name] for name in ("template", "token_budget", "teacher"))
    lines = [f"The judge template is {_escape(template['name'])}."]
    for source, fits in template["verified"].items():
        counts = ", ".join(f"{format_count(count)} {fit.replace('_', ' ')}" for fit, count in fits.items() if count)
        lines[0] += f" It was recovered, and verified on every rendered row of {_escape(source)}: {counts}."
    if budget["max_tokens"] is not None:
        fates = {fate: sum(each[fate] for each in budget["sets"].values()) for fate in ("cut", "dropped")}
        lines.append(
            f"An example has {format_count(budget['max_tokens'])} tokens at most: {format_count(fates['cut'])} were "
            f"cut in their responses, and {format_count(fates['dropped'])} were left out."
        )
    if teacher["kind"] == "offline":
        lines.append("The feedback of pairs is composed of the single ones.")
    for task, counts in teacher.get("tasks", {}).items():
        lines.append(
            f"{_escape(teacher['model'])} wrote what was missing ({task}): {format_count(counts['written'])} texts; "
            f"rows dropped for want of an answer that holds: {format_count(counts['dropped'])}."
        )
    return "\n".join(f"- {line}" for line in lines)


def _describe_sample(profile: Mapping[str, Any]) -> str:
    measured = profile.get("measured", {"buckets": 1})
    if measured["buckets"] == 1:
        return ""
    rows = format_count(measured["rows"])
    return f", measured on {rows} rows: one of {format_count(measured['buckets'])} parts that instructions are dealt to"


def _describe_source(source: Mapping[str, Any]) -> list[str]:
    rows = source.get("rows")
    texts = [source.get(key) for key in ("name", "location", "revision", "licence")]
    return [*("not stated" if text is None or text == "" else str(text) for text in texts), format_count(rows)]


def _build_counts(table: Mapping[str, Any]) -> str:
    rows = [
        [
            COUNTS[name],
            *(format_count(table[kind][name]) for kind in ("direct", "pairwise")),
            *(format_count(PUBLISHED[kind].get(name)) for kind in ("direct", "pairwise")),
        ]
        for name in COUNTS
    ]
    return _tabulate(["number of", "direct", "pairwise", "published direct", "published pairwise"], rows, right=4)


def _build_averages(table: Mapping[str, Any]) -> str:
    rows = [
        [
            PARTS[name],
            *(
                format_count(table[kind][f"average_{unit}"][name])
                for kind in ("direct", "pairwise")
                for unit in ("words", "tokens")
            ),
        ]
        for name in PARTS
    ]
    head = ["average length of", "direct: words", "direct: tokens", "pairwise: words", "pairwise: tokens"]
    return _tabulate(head, rows, right=4)


def _build_verdicts(table: Mapping[str, Any]) -> str:
    rows = []
    for kind in ("direct", "pairwise"):
        counts = table[kind]["feedback_by_verdict"]
        total = sum(counts.values())
        rows += [[kind, verdict, format_count(count), format_share(count / total)] for verdict, count in counts.items()]
    return _tabulate(["format", "verdict", "feedback texts", "share"], rows, right=2) if rows else "None."


def _build_findings(findings: Mapping[str, Finding]) -> str:
    rows = [
        [
            name_check(name),
            describe_count(name, finding),
            format_share(finding["share"]),
            "none" if finding["threshold"] is None else format_share(finding["threshold"]),
            ("passed" if finding["passed"] else "**failed**") if finding["threshold"] is not None else "–",
            ACTIONS[finding["action"]],
            ", ".join(finding["examples"][:2]),
        ]
        for name, finding in findings.items()
    ]
    return _tabulate(["check", "found", "share", "threshold", "", "what was done", "such as rows"], rows)


def _build_set_aside(counts: Mapping[str, int]) -> str:
    if not counts:
        return "No row."
    rows = [
        ["not readable as a row" if name == READING else name_check(name), format_count(count)]
        for name, count in counts.items()
    ]
    return _tabulate(["why", "rows"], rows, right=1)


def _tabulate(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: int = 0) -> str:
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    lines = [list(head), rule, *([_escape(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escape(cell: str) -> str:
    return " ".join(cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())
