"""Known limits and leanings, worked out from the figures: each says where it was measured and how large it is."""

from collections.abc import Iterator, Mapping
from typing import Any

from judgeforge.card.facts import Facts
from judgeforge.card.markup import Section, bullets, code, enumerate_words, escape, join
from judgeforge.card.measured import title_benchmark, write_rate
from judgeforge.card.words import NOT_MEASURED, is_synthetic, list_languages
from judgeforge.grading.records import FIVE_POINTS
from judgeforge.report.figures import Figure, find_figure, list_measures
from judgeforge.report.numbers import format_difference, format_figure, format_interval
from judgeforge.report.sources import Evaluation
from judgeforge.report.words import MEASURE_TITLES
from judgeforge.statistics import MAIN_MEASURE
from judgeforge.statistics.one_sided import FEWEST_CLUSTERS

_UNKNOWN = (
    "Whether the feedback itself is right; only verdicts are compared with people's or the maker's.",
    "Whether a response can talk the judge into a verdict (instructions to the judge, praise of itself).",
    "Whether it treats texts of or about different groups of people alike.",
)
_LEANINGS = {
    "position_bias": ("Position bias", ("first", "second")),
    "length_bias": ("Length bias", ("longer", "shorter")),
}
_RARELY = 0.5
"""A score is said to be given rarely where it is given less often than this share of how often it is deserved."""


def describe_limits(facts: Facts) -> Section:
    """List what is known to be weak, what the figures are too few for, and what nobody has measured."""
    parts, unknown = [bullets([*_list_of_data(facts)])], list(_UNKNOWN)
    if facts.evaluation is None:
        unknown.insert(0, "How well it judges at all, and whether it leans to positions or lengths.")
    else:
        for name, entry in facts.evaluation.metrics.items():
            found = [*_list_of_benchmark(facts, facts.evaluation, name, entry)]
            parts.append(f"### On {title_benchmark(facts.evaluation, name)}\n\n{bullets(found)}")
        unknown = [*_list_unmeasured(facts, facts.evaluation), *unknown]
    return Section("limits", "Known limits and biases", join([*parts, "### Not measured", bullets(unknown)]))


def _list_of_data(facts: Facts) -> Iterator[str]:
    if facts.is_untaught:
        yield "It was not taught to judge."
        return
    if is_synthetic(facts):
        yield "The training data is synthetic: what it says of this judge says nothing about other text."
    if languages := list_languages(facts.statistics):
        yield f"It learnt from text in {escape(', '.join(languages))} alone, as far as languages could be told."
    if facts.template is not None and not facts.template.any_scale:
        yield f"Its template has a place for scores from {FIVE_POINTS.describe()} alone."
    lengths = {each.record["train"]["max_length_tokens"] for each in facts.trainings if each.record}
    if lengths:
        longest = f"{max(lengths):,}"
        yield f"It was trained on no text (prompt and answer together) of more than {longest} tokens."
    failed = [
        code(name)
        for name, each in ((facts.statistics or {}).get("findings") or {}).items()
        if each["threshold"] is not None and not each["passed"]
    ]
    if failed:
        yield f"Its training data failed the checks {enumerate_words(failed)}."


def _list_of_benchmark(facts: Facts, evaluation: Evaluation, name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if not entry["items"]:
        yield "No figure: all its items were trained on."
        return
    measure = MAIN_MEASURE[entry["format"]]
    yield from _list_of_size(facts, entry, find_figure(evaluation, name, measure), measure)
    yield from _list_rivals(facts, name)
    for leaning in _LEANINGS:
        if leaning in entry["metrics"]:
            yield _describe_leaning(find_figure(evaluation, name, leaning), leaning)
    consistency = find_figure(evaluation, name, "swap_consistency")
    if entry["format"] == "pairwise" and consistency.value is not None:
        share = format_figure(1 - consistency.value, "swap_consistency")
        yield f"{share} of the pairs get another verdict when the responses change places: ask in both orders."
    if rate := entry["unparsable_rate"]:
        yield f"{write_rate(rate)} of the answers hold no verdict that can be read."
    if "confusion" in entry:
        yield from _list_of_scores(entry)
    yield from _list_weakest(entry, measure)
    if entry["contaminated"]:
        barred = " So many that no decision rests on this benchmark." if entry.get("barred") else ""
        yield f"{entry['contaminated']:,} items were trained on and are left out.{barred}"


def _list_of_size(facts: Facts, entry: Mapping[str, Any], main: Figure, measure: str) -> Iterator[str]:
    prompts, title = entry["prompts"], MEASURE_TITLES[measure]
    if main.value is None:
        yield f"{title} is undefined, as where all verdicts are the same."
    if prompts < FEWEST_CLUSTERS:
        yield f"{prompts} prompts are too few for an interval to be relied on: fewer than {FEWEST_CLUSTERS}."
    elif main.low is not None and main.high is not None:
        half, margin = (
            format_difference(each, measure).lstrip("+") for each in ((main.high - main.low) / 2, facts.promote.margin)
        )
        if (main.high - main.low) / 2 > facts.promote.margin:
            yield f"{title} is known to ±{half} at best, on {prompts} prompts: more than promotion's margin, {margin}."


def _list_rivals(facts: Facts, name: str) -> Iterator[str]:
    """Name judges that it is worse than beyond chance, and trivial or untaught ones that it is not clearly above."""
    for judge, own in facts.differences.items():
        each = own.get(name)
        if each is None or each["low"] is None:
            continue
        ends = [format_difference(each[end], each["measure"]).removesuffix(" points") for end in ("low", "high")]
        shown = f"{format_difference(each['value'], each['measure'])} ({' to '.join(ends)})"
        rival = next(one for one in facts.judges.evaluations if one.judge == judge)
        if each["high"] < 0:
            yield f"Worse than the judge {code(judge)}: {shown}."
        elif each["low"] <= 0 and (rival.is_reference or judge in ("base", "form")):
            yield f"Not clearly better than {code(judge)}: {shown}."


def _describe_leaning(figure: Figure, measure: str) -> str:
    title, sides = _LEANINGS[measure]
    if figure.value is None:
        return f"{title} is not known ({escape(figure.reason or NOT_MEASURED)})."
    if figure.low is None or figure.high is None:
        return f"{title} is {format_figure(figure.value, measure)} points, without an interval."
    interval = format_interval(figure, measure)
    if figure.low <= 0 <= figure.high:
        return f"No {title.lower()} is shown: {format_figure(figure.value, measure)} points ({interval})."
    size = format_figure(abs(figure.value), measure).lstrip("+")
    return f"{title}: it leans to the {sides[figure.value < 0]} response, by {size} points ({interval})."


def _list_of_scores(entry: Mapping[str, Any]) -> Iterator[str]:
    """Say how generous it is, and which scores it gives too seldom."""
    table, lowest = entry["confusion"], entry.get("scale", FIVE_POINTS)[0]
    parsed = sum(sum(row[:-1]) for row in table)
    if not parsed:
        return
    error = sum((given - gold) * count for gold, row in enumerate(table) for given, count in enumerate(row[:-1]))
    side = "above" if error > 0 else "below"
    yield f"On average its scores lie {abs(error) / parsed:.2f} {side} the gold (no interval)."
    rare = []
    for place, row in enumerate(table):
        given, gold = sum(each[place] for each in table), sum(row)
        if given < _RARELY * gold:
            rare.append(f"a {lowest + place} to {given:,} items, where {gold:,} deserve it")
    if rare:
        yield f"It seldom gives some scores: {'; '.join(rare)}."


def _list_weakest(entry: Mapping[str, Any], measure: str) -> Iterator[str]:
    known = {name: each for name, each in (entry.get("groups") or {}).items() if each["value"] is not None}
    if len(known) > 1:
        name = min(known, key=lambda group: known[group]["value"])
        figure = format_figure(known[name]["value"], measure)
        yield f"Weakest on {code(name)}: {figure} on {known[name]['items']:,} items (no interval)."


def _list_unmeasured(facts: Facts, evaluation: Evaluation) -> Iterator[str]:
    kinds = {entry["format"] for entry in evaluation.metrics.values() if entry["items"]}
    for kind in ("direct", "pairwise"):
        if kind in (facts.formats or ("direct", "pairwise")) and kind not in kinds:
            yield f"How well it judges in the format {kind}: no benchmark of it has an item left."
    if "pairwise" not in kinds:
        yield "Position bias and length bias: they are measured on pairs alone."
    if all(entry["run_alpha"] is None for entry in evaluation.metrics.values() if "run_alpha" in list_measures(entry)):
        yield "How far its verdicts vary from run to run, and between trainings with other seeds: each was done once."
    if all(not entry["ceiling"] for entry in evaluation.metrics.values()):
        yield "How far people would agree with one another on these items."
