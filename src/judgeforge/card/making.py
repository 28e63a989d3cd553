"""How the judge was made: the base, the trainings, the merge, and under which values."""

from collections.abc import Mapping
from typing import Any

import yaml

from judgeforge.card.facts import Facts, Training
from judgeforge.card.markup import Section, bullets, code, enumerate_words, escape, fence, join, tabulate
from judgeforge.card.words import NOT_RECORDED, NOT_STATED, describe_base, find_base_licence
from judgeforge.params import MergeParams

_EFFORT = (
    "How long the trainings took, on which machine and with how much energy is not recorded in these files. Where "
    "they were tracked, MLflow's runs have their times and the machine's own figures."
)


def describe_making(facts: Facts) -> Section:
    """Say how it was made."""
    base = f"The base is {describe_base(facts.base)}, stored as {facts.base.dtype}."
    licence = f"Its licence: {escape(find_base_licence(facts) or NOT_STATED)}."
    parts = [
        "The recipe follows Prometheus 2 (arXiv 2405.01535): one base model is fine-tuned for each format, and the "
        "weights are merged.",
        f"{base} {licence}",
        _describe_trainings(facts),
        _describe_merge(facts),
        f"### Time, machine and energy\n\n{_EFFORT}",
    ]
    return Section("recipe", "Recipe", join(parts))


def _describe_trainings(facts: Facts) -> str:
    if not facts.trainings:
        return "### Training\n\nNo training is recorded in the files of this judge."
    head = [
        "step",
        "starts from",
        "method",
        "epochs",
        "updates",
        "rows an update",
        "learning rate",
        "loss",
        "validation",
    ]
    rows = [_write_row(each) for each in facts.trainings]
    notes = [f"{code(each.step.stage)}: {escape(note)}" for each in facts.trainings for note in _list_notes(each)]
    return join(["### Training", tabulate(head, rows, range(3, 9)), bullets(notes), _write_values(facts)])


def _list_notes(training: Training) -> list[str]:
    return list((training.record or {}).get("notes", []))


def _write_row(training: Training) -> list[str]:
    record = training.record
    if record is None:
        return [code(training.step.stage), *[NOT_RECORDED] * 8]
    values = record["train"]
    rows = values["batch_size"] * values["gradient_accumulation"] * values["distribution"]["processes"]
    rows *= values["distribution"]["nodes"]
    steps = max((point["step"] for point in training.curve), default=None)
    return [
        code(training.step.stage),
        code(record["base"]),
        _describe_method(values),
        f"{values['epochs']:g}",
        NOT_RECORDED if steps is None else f"{steps:,}",
        f"{rows:,}",
        f"{values['learning_rate']:g}",
        _find_last(training, "loss"),
        _find_last(training, "validation_loss"),
    ]


def _describe_method(values: Mapping[str, Any]) -> str:
    if values["method"] == "full":
        return "all weights"
    return f"{escape(values['method'])}, rank {values['lora']['rank']}, alpha {values['lora']['alpha']:g}"


def _find_last(training: Training, name: str) -> str:
    found = [point[name] for point in training.curve if name in point]
    return f"{found[-1]:.3f}" if found else NOT_RECORDED


def _write_values(facts: Facts) -> str:
    """Write all hyper-parameters; once, where all trainings have the same."""
    found = {each.step.stage: dict(each.record["train"]) for each in facts.trainings if each.record}
    texts = {stage: yaml.safe_dump(values, sort_keys=False, allow_unicode=True) for stage, values in found.items()}
    if len(set(texts.values())) == 1:
        return f"All values of all trainings:\n\n{fence(next(iter(texts.values())), 'yaml')}"
    return join([f"All values of {code(stage)}:\n\n{fence(text, 'yaml')}" for stage, text in texts.items()])


def _describe_merge(facts: Facts) -> str:
    if facts.merge is None:
        return "" if facts.places.judge != "merged" else "### Merge\n\nHow it was merged is not recorded in its folder."
    merge = facts.merge
    values = merge.get("values")
    known = facts.own.get("merge")
    method = describe_merge(values) if values else escape(_list_values(known)) if known else NOT_RECORDED
    lines = [f"Merged{_name_parts(facts)}: {method}."]
    if values:
        lines.append(f"Engine {escape(values['engine'])}, stored as {escape(values['dtype'])}, seed {values['seed']}.")
    if merge.get("weights_sum"):
        lines.append(f"Weights: {escape(merge['weights_sum'])}.")
    if merge.get("folded"):
        lines.append(f"Adapters that were folded into the base first: {escape(', '.join(merge['folded']))}.")
    if drift := (merge.get("checks") or {}).get("drift"):
        ends = [f"{escape(drift[end]['layer'])} {drift[end]['norm']:.3f}" for end in ("least", "most")]
        lines.append(f"Norm of a merged layer over the weighted sum of the judges': {ends[0]} to {ends[1]}.")
    if command := merge.get("command"):
        lines.append(f"The same merge again: {code(command)}")
    return f"### Merge\n\n{bullets(lines)}"


def _name_parts(facts: Facts) -> str:
    """Name the judges that were merged: what the merge read, but for that from which the others started."""
    read = next((step.sources for step in facts.steps if step.folder == facts.places.model), ())
    started = {source for step in facts.steps if step.folder in read for source in step.sources}
    judges = [code(path) for path in read if path not in started]
    return f" from {enumerate_words(judges)}" if judges else ""


def describe_merge(values: Mapping[str, Any]) -> str:
    """Name a merge's method and the values that have a part in it, as Markdown."""
    return escape(MergeParams.model_validate(values).describe())


def _list_values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items(), reverse=True))
