"""What the card says, as the files have it: nothing is computed anew, and what a file does not have is None."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from pydantic import ValidationError

from judgeforge.card.places import Lock, Places, Step, find_file, find_recorded, list_steps
from judgeforge.errors import InputError
from judgeforge.files import load_json, load_json_rows, read_text
from judgeforge.grading.templates import TEMPLATE_FILE, JudgeTemplate, load_template
from judgeforge.lineage import describe_lineage, load_lock
from judgeforge.params import BaseParams, PromoteParams, load_section
from judgeforge.params.loading import SectionType
from judgeforge.params.section import Section
from judgeforge.params.sources import Source
from judgeforge.report.sources import OURS, REFERENCES, Evaluation, Sources
from judgeforge.statistics import JUDGED_SCHEMA
from judgeforge.verdicts import METRICS_FILE, SCHEMA

MERGE_FILE, TRAINING_FILE, ADAPTER_FILE = "merge.json", "training.json", "adapter_config.json"


class _DataParams(Section, extra="ignore"):
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Training:
    """A step that trained.

    Args:
        step: where it stands in dvc.lock.
        record: training.json; None where it is not there.
        curve: points of the loss.
    """

    step: Step
    record: Mapping[str, Any] | None
    curve: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Facts:
    """Everything that the card is written from.

    Args:
        places: of the files.
        promote: the section ``promote``: names, licences and the margin.
        base: the section ``base`` that the base was made with.
        data: the sources that the training sets were made of.
        changed: sections of params.yaml that have other values now than those the judge was made with.
        steps: that made the judge.
        trainings: those of them that trained.
        merge: merge.json.
        config: the judge's own config.json, or that of its base.
        template: with which it is asked; None: it brings none.
        adapter: whether it is an adapter.
        own: metrics.json of its evaluation.
        judges: everybody's metrics, in the order of the report; the judge's own alone where there is no report.
        differences: of the judge to the others, as the report has them; {} where the report is of another judge.
        statistics: what ``prepare`` counted.
        data_card: the data card.
        audit: what ``audit`` found.
        decision: the gate's last.
        lineage: commit and digests.
    """

    places: Places
    promote: PromoteParams
    base: BaseParams
    data: tuple[Source, ...]
    changed: tuple[str, ...]
    steps: tuple[Step, ...]
    trainings: tuple[Training, ...]
    merge: Mapping[str, Any] | None
    config: Mapping[str, Any]
    template: JudgeTemplate | None
    adapter: bool
    own: Mapping[str, Any]
    judges: Sources
    differences: Mapping[str, Any]
    statistics: Mapping[str, Any] | None
    data_card: Path | None
    audit: Mapping[str, Any] | None
    decision: Mapping[str, Any] | None
    lineage: Mapping[str, str]

    @property
    def name(self) -> str:
        """What the judge is called: the registered model's name, or one made of it."""
        own = self.promote.model_name
        return own if self.is_registered else f"{own}-{self.places.judge}"

    @property
    def is_registered(self) -> bool:
        """Whether it is the judge that promotion registers."""
        return self.places.judge == self.promote.judge

    @property
    def is_untaught(self) -> bool:
        """Whether it was not taught to judge: the base, or the base that knows the form of a verdict."""
        return self.places.judge in ("base", "form")

    @property
    def evaluation(self) -> Evaluation | None:
        """The judge's own; None: it was not evaluated."""
        return next((each for each in self.judges.evaluations if each.judge == self.places.judge), None)

    @property
    def formats(self) -> tuple[str, ...]:
        """What it was taught: ``direct``, ``pairwise``."""
        taught = {each.record["format"] for each in self.trainings if each.record}
        return tuple(kind for kind in ("direct", "pairwise") if taught & {kind, "joint"})


def load_facts(places: Places) -> Facts:
    """Read the files of one judge.

    Raises:
        InputError: there is no judge or no params.yaml, or a file is broken.
    """
    places.require()
    lock = load_lock(places.lock)
    steps = list_steps(lock, places.model)
    judges, differences = _load_judges(places)
    adapter = (places.model / ADAPTER_FILE).is_file()
    return Facts(
        places=places,
        promote=load_section("promote", PromoteParams, places.params),
        base=_load_recorded(lock, "base", BaseParams, places.params),
        data=_load_recorded(lock, "prepare", _DataParams, places.params).sources,
        changed=_list_changed(lock, places.params),
        steps=steps,
        trainings=_load_trainings(steps, places.model),
        merge=_load(places.model / MERGE_FILE),
        config=_load((places.base if adapter and places.base else places.model) / "config.json") or {},
        template=load_template(places.model) if (places.model / TEMPLATE_FILE).is_file() else None,
        adapter=adapter,
        own=_load(places.verdicts / METRICS_FILE) or {},
        judges=judges,
        differences=differences,
        statistics=_load(find_file(lock, "prepare", ".json")),
        data_card=_if_there(find_file(lock, "prepare", ".md")),
        audit=_load(find_file(lock, "audit", ".json")),
        decision=_load(places.decision),
        lineage=describe_lineage(places.lock),
    )


def _if_there(path: Path | None) -> Path | None:
    return path if path is not None and path.is_file() else None


def _load(path: Path | None) -> Any:
    return load_json(path) if path is not None and path.is_file() else None


def _load_recorded(lock: Lock, stage: str, kind: type[SectionType], params: Path) -> SectionType:
    """Take a section as the stage ran with it, lest a value that was changed since be told of the judge."""
    recorded = find_recorded(lock, stage, stage)
    if recorded is None:
        return load_section(stage, kind, params)
    try:
        return kind.model_validate(recorded)
    except ValidationError as error:
        raise InputError(
            f"dvc.lock: the stage {stage} ran with values that this version does not know.", "run 'dvc repro' first."
        ) from error


def _list_changed(lock: Lock, params: Path) -> tuple[str, ...]:
    now = yaml.safe_load(read_text(params))
    changed = []
    for stage in lock:
        section = {"warm_up": "train"}.get(name := stage.partition("@")[0], name)
        recorded = find_recorded(lock, stage, section) if section in ("base", "prepare", "train", "merge") else None
        if recorded is not None and _differs(recorded, now.get(section)):
            changed.append(section)
    return tuple(dict.fromkeys(changed))


def _differs(recorded: Any, now: Any) -> bool:
    """Tell whether a value is another now; one that there was not at that time changes nothing."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        return any(_differs(value, now.get(key)) for key, value in recorded.items())
    return bool(recorded != now)


def _load_trainings(steps: Sequence[Step], model: Path) -> tuple[Training, ...]:
    trained = [step for step in steps if step.stage.partition("@")[0] in ("warm_up", "train")]
    if not steps and (model / TRAINING_FILE).is_file():
        trained = [Step("train", model)]
    return tuple(
        Training(step, _load(step.folder / TRAINING_FILE), load_json_rows(curve) if curve else [])
        for step in trained
        for curve in [_if_there(step.curve)]
    )


def _load_judges(places: Places) -> tuple[Sources, Mapping[str, Any]]:
    document = dict(_load(places.metrics) or {})
    differences = document.pop("differences", {})
    own = (_load(places.verdicts / METRICS_FILE) or {}).get("benchmarks")
    if places.judge not in document and own:
        document[places.judge] = own
    rank = {name: number for number, name in enumerate((*OURS, None, *REFERENCES))}
    names = sorted(document, key=lambda name: rank.get(name, rank[None]))
    # The answers themselves are not looked at: the figures are those of the files.
    answers, items = pl.DataFrame(schema=SCHEMA), pl.DataFrame(schema=JUDGED_SCHEMA)
    found = Sources(tuple(Evaluation(name, document[name], answers, items, None) for name in names))
    is_subject = bool(names) and found.subject.judge == places.judge and places.judge not in differences
    return found, differences if is_subject else {}
