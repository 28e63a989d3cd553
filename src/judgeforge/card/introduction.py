"""What the judge is, what it is for and not for, and how to ask it."""

from judgeforge.card.facts import Facts
from judgeforge.card.markup import Section, bullets, code, enumerate_words, escape, fence, join, tabulate
from judgeforge.card.words import (
    FORMATS,
    NOT_RECORDED,
    NOT_STATED,
    describe_base,
    find_base_licence,
    is_synthetic,
    list_languages,
)
from judgeforge.grading.records import FIVE_POINTS
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.report.words import JUDGE_NOTES, name_benchmark

_RUBRIC = """criteria: Is the number a prime above 10?
levels:
  - No number is named.
  - A number of 10 or below, or no whole number.
  - A number above 10 that is no prime.
  - A prime above 10, with a wrong remark.
  - A prime above 10."""


def describe_judge(facts: Facts) -> Section:
    """Say what it is."""
    note = JUDGE_NOTES.get(facts.places.judge, "")
    text = (
        f"{code(facts.name)} is an LLM judge: a language model that grades other models' answers. It reads an "
        "instruction, one or two responses, a rubric and, if there is one, a reference answer; it writes feedback and "
        "closes with a verdict."
    )
    return Section("judge", "The judge", join([f"{text} {_describe_schooling(facts)}", _tabulate_facts(facts, note)]))


def _describe_schooling(facts: Facts) -> str:
    if facts.is_untaught:
        return "This one was not taught to judge: it is a baseline."
    if not facts.formats:
        return "What it was trained for is not recorded in its files."
    return f"It was trained for {enumerate_words([FORMATS[kind] for kind in facts.formats])}."


def _tabulate_facts(facts: Facts, note: str) -> str:
    count = (facts.merge or {}).get("parameters")
    kind = enumerate_words(facts.config.get("architectures") or [NOT_RECORDED])
    rows = [
        ["judge", code(facts.places.judge) + (f": {escape(note)}" if note else "")],
        ["kind of weights", "an adapter: its base is needed, too" if facts.adapter else "whole weights (safetensors)"],
        ["architecture", escape(kind)],
        ["parameters", f"{count:,}" if count else NOT_RECORDED],
        ["base", f"{describe_base(facts.base)}; licence: {escape(find_base_licence(facts) or NOT_STATED)}"],
        ["licence", escape(facts.promote.licence or NOT_STATED)],
    ]
    if not facts.is_untaught:
        rows.append(["languages of the training data", _list_languages(facts)])
    return tabulate(["", ""], rows)


def _list_languages(facts: Facts) -> str:
    found = list_languages(facts.statistics)
    return f"{escape(', '.join(found))} (guessed from the responses)" if found else NOT_RECORDED


def describe_use(facts: Facts) -> Section:
    """Say what it is meant for, and what not."""
    template = facts.template
    meant = [
        f"To grade or compare answers by a rubric, in the {'format' if len(facts.formats) == 1 else 'formats'} that it "
        "was trained for, where people look at a sample of the verdicts.",
        "To rank models or versions of a model in development, on the average of many items.",
    ]
    if facts.is_untaught:
        meant = ["As a baseline: what judges that were trained are above it, they are by judging."]
    elif is_synthetic(facts):
        meant = ["To see a judge learn, and to try out the program: its training data is synthetic."]
    elsewhere = enumerate_words([escape(name_benchmark(name)) for name in sorted(_list_measured(facts))] or ["nothing"])
    other = [
        "To decide about people (applicants, pupils, patients, users), or as the only guard against harm.",
        f"On other text than it was measured on ({elsewhere}), unless it is measured there first.",
        "As a judge of facts: it has no source but its weights, the rubric and the reference answer.",
    ]
    if facts.is_untaught:
        other.insert(0, "As a judge: it was not taught to be one.")
    elif is_synthetic(facts):
        other.insert(0, "As a judge of real text: nothing can be said of that from a synthetic collection.")
    if missing := [FORMATS[kind] for kind in FORMATS if facts.formats and kind not in facts.formats]:
        other.append(f"For {enumerate_words(missing)}: it was not trained for it.")
    if template is not None and not template.any_scale:
        other.append(f"With rubrics of other scales than {FIVE_POINTS.describe()}: its template has no place for them.")
    if facts.formats and (languages := list_languages(facts.statistics)):
        other.append(f"In other languages than {escape(', '.join(languages))}.")
    return Section("use", "Intended use", join([bullets(meant), "### Out of scope", bullets(other)]))


def _list_measured(facts: Facts) -> list[str]:
    return list(facts.evaluation.metrics) if facts.evaluation else []


def describe_asking(facts: Facts) -> Section:
    """Say how to ask it, by the program and by its prompts."""
    model = facts.places.model
    base = f" --base {facts.places.base}" if facts.adapter and facts.places.base else ""
    item = '--rubric rubric.yaml --instruction "Name a prime above 10."'
    commands = [f'judgeforge grade --model {model}{base} {item} --response "Twelve."']
    if "pairwise" in facts.formats:
        commands.append(f'judgeforge grade --model {model}{base} {item} --response "Twelve." --response-b "13."')
    commands += [f"judgeforge serve --model {model}{base}"]
    python = f'import mlflow\n\njudge = mlflow.pyfunc.load_model("models:/{facts.promote.model_name}@champion")'
    parts = [
        "With judgeforge, from its folder; `rubric.yaml` holds a question and what each score means:",
        fence("\n".join(commands), "bash"),
        fence(_RUBRIC, "yaml"),
    ]
    if facts.is_registered:
        parts.append("From MLflow's registry, if it is the champion:")
        parts.append(fence(f"{python}\nverdicts = judge.predict(frame)", "python"))
    return Section("asking", "How to use it", join([*parts, _describe_prompts(facts.template)]))


def _describe_prompts(template: JudgeTemplate | None) -> str:
    if template is None:
        return "It brings no judge template: it was not taught one."
    given = (
        f"It was trained with the judge template {code(template.name)}, and should be asked with it, through its chat "
        f"template. The system message is {code(template.system)}; the verdict follows {code(template.result_marker)}. "
        "Without a reference answer, the clause and the section of it are left out."
    )
    reference = {"{reference_clause}": template.reference_clause, "{reference_section}": template.reference_section}
    blocks = [
        f"{title}:\n\n{fence(_show(text, reference))}"
        for kind, title, text in (
            ("direct", "Direct assessment", template.direct),
            ("pairwise", "Pairwise ranking", template.pairwise),
        )
        if kind
    ]
    return join(["### Prompts", given, *blocks])


def _show(text: str, reference: dict[str, str]) -> str:
    for field, part in reference.items():
        text = text.replace(field, part)
    return text
