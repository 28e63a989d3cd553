"""What was measured: the judge beside baselines and trivial judges, its other measures, and how steady it is."""

from collections.abc import Mapping
from typing import Any

from judgeforge.card.facts import Facts
from judgeforge.card.markup import Section, bullets, code, escape, join, tabulate
from judgeforge.card.words import NOT_MEASURED
from judgeforge.report.captions import BARRED_NOTE, describe_ceiling, describe_items
from judgeforge.report.comparison import check_subject
from judgeforge.report.figures import Figure, find_figure, list_measures
from judgeforge.report.numbers import ABSENT, format_cell, format_interval
from judgeforge.report.sources import Evaluation
from judgeforge.report.words import (
    BARRED,
    JUDGE_NOTES,
    MEASURE_TITLES,
    build_headline,
    describe_check,
    describe_silence,
    name_benchmark,
)
from judgeforge.statistics import MAIN_MEASURE

_STEADY = ("swap_consistency", "position_bias", "length_bias", "transitivity", "transitivity_tied", "run_alpha")
_MEANING = (
    "Same in both orders: share of pairs that get the same verdict when the responses change places. Leaning: how much "
    "more often than it deserves the first (the longer) response is preferred, in percentage points; 0 is even. Fits a "
    "ranking: share of three responses whose pairs agree on an order. Unparsable: answers that hold no verdict."
)


def title_benchmark(evaluation: Evaluation, name: str) -> str:
    """Name a benchmark, with the mark of one that too much was trained on, as Markdown."""
    return escape(name_benchmark(name)) + (f" {BARRED}" if evaluation.metrics[name].get("barred") else "")


def write_figure(figure: Figure, measure: str) -> str:
    """Write a figure with its interval, as Markdown."""
    interval = format_interval(figure, measure)
    text = format_cell(figure, measure)
    return (NOT_MEASURED if text == ABSENT else text) + (f" ({interval})" if interval else "")


def build_summary(facts: Facts) -> str:
    """Say in a sentence or two what the judge was measured to be above."""
    if facts.evaluation is None or not facts.evaluation.metrics:
        return f"The judge {facts.places.judge} was not evaluated: nothing is known of how well it judges."
    if not facts.differences:
        return f"The judge {facts.places.judge} was evaluated; how it stands to others is not measured."
    checks = {
        name: check_subject(facts.judges, facts.differences, name)
        for name, entry in facts.evaluation.metrics.items()
        if entry["items"]
    }
    return build_headline(facts.places.judge, checks)


def describe_evaluation(facts: Facts) -> Section:
    """Say what was measured."""
    evaluation = facts.evaluation
    if evaluation is None or not evaluation.metrics:
        return Section("evaluation", "Evaluation", f"{NOT_MEASURED.capitalize()}: the judge was not evaluated.")
    parts = [
        _describe_benchmarks(facts, evaluation),
        _tabulate_judges(facts, evaluation),
        BARRED_NOTE if any(entry.get("barred") for entry in evaluation.metrics.values()) else "",
        _describe_checks(facts, evaluation),
        "### All measures of this judge",
        *(_tabulate_measures(evaluation, name) for name in evaluation.metrics),
        _describe_decision(facts.decision),
    ]
    return Section("evaluation", "Evaluation", join(parts))


def _describe_benchmarks(facts: Facts, evaluation: Evaluation) -> str:
    lines = []
    for name, entry in evaluation.metrics.items():
        ceiling = describe_ceiling(entry) or "How far gold graders agree is not measured"
        lines.append(f"{title_benchmark(evaluation, name)}: {escape(describe_items(entry))}. {escape(ceiling)}.")
    if asked := facts.own.get("generation"):
        how = ", ".join(f"{code(key)} {value}" for key, value in sorted(asked.items()))
        lines.append(f"How the judge decoded: {how}.")
    confidence = next(iter(evaluation.metrics.values()))["bootstrap"]["confidence"]
    note = (
        f"Intervals are of {100 * confidence:g}%, by a bootstrap clustered by prompt. An answer without a verdict "
        "counts as wrong, or as the middle of the scale."
    )
    return join([bullets(lines), note])


def _tabulate_judges(facts: Facts, evaluation: Evaluation) -> str:
    measures = {name: MAIN_MEASURE[entry["format"]] for name, entry in evaluation.metrics.items()}
    rows = []
    for each in facts.judges.evaluations:
        label = f"**{code(each.judge)}**" if each is evaluation else code(each.judge)
        cells = []
        for name, measure in measures.items():
            rate = each.metrics.get(name, {}).get("unparsable_rate")
            cells += [write_figure(find_figure(each, name, measure), measure), write_rate(rate)]
        rows.append([label, escape(JUDGE_NOTES.get(each.judge, "not trained here")), *cells])
    heads = []
    for name, measure in measures.items():
        heads += [f"{title_benchmark(evaluation, name)}: {MEASURE_TITLES[measure]}", "unparsable"]
    missing = f"Baselines and trivial judges: {NOT_MEASURED}." if len(facts.judges.evaluations) == 1 else ""
    table = tabulate(["judge", "", *heads], rows, range(2, 2 + len(heads)))
    return join(["### Beside baselines and trivial judges", table, missing])


def _describe_checks(facts: Facts, evaluation: Evaluation) -> str:
    if not facts.differences:
        return f"How this judge stands to the others, item by item: {NOT_MEASURED}."
    lines = []
    for name, entry in evaluation.metrics.items():
        if not entry["items"]:
            continue
        found = check_subject(facts.judges, facts.differences, name)
        texts = [describe_check(check, MAIN_MEASURE[entry["format"]]) for check in found]
        lines += [f"{title_benchmark(evaluation, name)}: {escape(text)}." for text in texts]
    base = next((each for each in facts.judges.evaluations if each.judge == "base"), None)
    rates = {} if base is None else {name: entry["unparsable_rate"] for name, entry in base.metrics.items()}
    return join([bullets(lines), escape(describe_silence(rates) or "")])


def _tabulate_measures(evaluation: Evaluation, name: str) -> str:
    known = list_measures(evaluation.metrics[name])
    rows = []
    for measure, title in MEASURE_TITLES.items():
        if measure in known and measure not in _STEADY:
            figure = find_figure(evaluation, name, measure)
            if figure.state != "absent":
                rows.append([title, write_figure(figure, measure)])
    return join([f"{title_benchmark(evaluation, name)}:", tabulate(["measure", "value"], rows, (1,))])


def _describe_decision(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "### Promotion\n\nThe promotion gate was not asked yet, or its decision is not at hand."
    decision = record.get("decision") or {}
    by_hand = " It was made champion by hand, against the gate." if record.get("forced") else ""
    whom = f"{code(record.get('model', ''))}, version {escape(record.get('version', ''))}"
    said = escape(decision.get("summary", ""))
    return f"### Promotion\n\nThe gate's last decision, {whom}, {escape(record.get('when', ''))}: {said}{by_hand}"


def describe_steadiness(facts: Facts) -> Section:
    """Say how steady its verdicts are: orders, lengths, runs, and answers without a verdict."""
    title = "Consistency and bias"
    if facts.evaluation is None:
        return Section("consistency", title, f"{NOT_MEASURED.capitalize()}.")
    rows = []
    for name, entry in facts.evaluation.metrics.items():
        shown = title_benchmark(facts.evaluation, name)
        for measure in _STEADY:
            if measure in list_measures(entry):
                figure = find_figure(facts.evaluation, name, measure)
                why = escape(figure.reason or figure.basis)
                rows.append([shown, MEASURE_TITLES[measure], write_figure(figure, measure), why])
        rows.append([shown, "Unparsable", write_rate(entry["unparsable_rate"]), ""])
    return Section("consistency", title, join([tabulate(["benchmark", "", "value", ""], rows, (2,)), _MEANING]))


def write_rate(rate: float | None) -> str:
    """Write a share of answers."""
    return NOT_MEASURED if rate is None else f"{100 * rate:.1f}%"
