"""A decision in words: one sentence for a manager, and a page of Markdown with every check."""

from collections.abc import Iterable, Sequence
from typing import Literal

from judgeforge.promote.decision import Check, Outcome, Record
from judgeforge.statistics.one_sided import FEWEST_CLUSTERS

_WORDS = {
    "limit": "own limit",
    "non_inferiority": "not worse by the margin",
    "superiority": "better (one is enough)",
    "rival": "better",
}


def summarise(outcome: Outcome, rule: Literal["first", "successor"], checks: Sequence[Check], margin: float) -> str:
    """Say in a sentence what was decided and why.

    Args:
        outcome: of the checks.
        rule: by which it was decided.
        checks: all of them.
        margin: how far behind the challenger may fall.
    """
    gains = [check for check in checks if check.kind == "superiority"]
    if outcome == "promoted" and rule == "first":
        rivals = dict.fromkeys(check.against for check in checks if check.kind == "rival")
        return f"Promoted as the first champion: better than {_list(rivals)} on every primary measure."
    if outcome == "promoted":
        won = _list(f"{each.name} by {each.figure:.3f}" for each in gains if each.verdict == "passed")
        return (
            f"Promoted: better than the champion on {won}, and on no benchmark that counts worse by {margin:g} or more."
        )
    wanted = "failed" if outcome == "refused" else "undecided"
    found = [explain(each) for each in checks if each.kind != "superiority" and each.verdict == wanted]
    if rule == "successor" and not any(each.verdict == "passed" for each in gains):
        found += _explain_gains(gains, wanted)
    return f"{'Not promoted' if outcome == 'refused' else 'Cannot decide'}: {'; '.join(found)}."


def explain(check: Check) -> str:
    """Say in half a sentence what a check found that did not pass."""
    if check.kind == "limit":
        figure = "undefined" if check.figure is None else f"{check.figure:.3f}"
        side = " to either side" if check.measure.endswith("bias") else ""
        return f"{check.name} is {figure} where at most {check.threshold:.3f} is allowed{side}"
    asked = "better" if check.kind != "non_inferiority" else f"less than {-check.threshold:g} worse"
    whom = f"{check.name} against {check.against}"
    if check.figure is None:
        return f"{whom} is undefined{'' if check.items else ': there are no items to compare'}"
    shown = f"{whom} is {check.figure:+.3f} ({_write_ends(check)}, {check.items} items)"
    if check.verdict == "failed":
        return f"{shown} where {asked} is asked"
    needed = "" if check.needed is None else f" (about {check.needed:,} are needed)"
    return f"{shown}: too few items to tell whether it is {asked}{needed}"


def _explain_gains(gains: Sequence[Check], wanted: str) -> list[str]:
    if not gains:
        return ["no primary measure can be compared with the champion's"] if wanted == "undecided" else []
    told = "undecided" if any(each.verdict == "undecided" for each in gains) else "failed"
    if told != wanted:
        return []
    tested = sum(each.p_holm is not None for each in gains)
    figures = _list(
        f"{each.name} {'undefined' if each.figure is None else f'{each.figure:+.3f}'} ({_write_ends(each)}"
        f"{f', p {each.p_holm:.3f} of {tested} measures' if each.p_holm is not None and tested > 1 else ''})"
        for each in gains
    )
    needed = [each.needed for each in gains if each.needed is not None]
    items = f"; about {min(needed):,} items are needed" if wanted == "undecided" and needed else ""
    return [f"no gain over the champion is shown on a primary measure: {figures}{items}"]


def render_markdown(record: Record) -> str:
    """Render a decision as a page: the sentence first, then a table of the checks."""
    decision = record.decision
    champion = f"champion {record.champion}" if record.champion else "no champion yet"
    made = "is to be" if record.awaits_approval else "was"
    forced = f" It {made} made champion all the same, by hand." if record.forced else ""
    consent = " It waits for approval." if record.awaits_approval else ""
    consent += f" Approved by {record.approved_by}." if record.approved_by else ""
    lines = [
        f"# {record.model}, version {record.version}: {decision.outcome}",
        "",
        f"{decision.summary}{forced}{consent}",
        "",
        f"Asked by {record.who} on {record.when}; {champion}. Reason given: {record.why or 'none'}.",
        "",
        f"Margin {decision.margin:g}; intervals of {1 - 2 * decision.alpha:.0%}, clustered by prompt.",
        "",
        "| check | against | asked | challenger | other | difference or figure | interval | asked: above, or at most "
        "| items | prompts | verdict |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        *(_render_row(check) for check in decision.checks),
    ]
    if decision.notes:
        lines += ["", *(f"- {note}" for note in decision.notes)]
    return "\n".join(lines) + "\n"


def _render_row(check: Check) -> str:
    told = [f"about {check.needed:,} items needed"] if check.needed is not None else []
    told += [f"p {check.p_holm:.3f}"] if check.p_holm is not None else []
    verdict = check.verdict if check.verdict == "passed" else f"**{check.verdict}**"
    cells = [
        check.name,
        check.against or "",
        _WORDS[check.kind],
        _write(check.challenger),
        _write(check.other),
        "undefined" if check.figure is None else _write(check.figure),
        _write_ends(check) if check.interval else "",
        _write(check.threshold),
        f"{check.items:,}",
        f"{check.prompts:,}",
        f"{verdict} ({', '.join(told)})" if told else verdict,
    ]
    return f"| {' | '.join(cells)} |"


def _write(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _write_ends(check: Check) -> str:
    if check.interval is None:
        few = check.prompts < FEWEST_CLUSTERS
        why = f"{check.prompts} prompts, at least {FEWEST_CLUSTERS} are needed" if few else "it is undefined too often"
        return f"no interval: {why}"
    return f"{check.interval[0]:+.3f} to {check.interval[1]:+.3f}"


def _list(names: Iterable[object]) -> str:
    words = [str(name) for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
