"""The stage as one function: read and check, decide, render and write."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from judgeforge.errors import InputError
from judgeforge.files import scratch_folder, write_folder_atomically, write_json, write_text
from judgeforge.grading.columns import count_template_levels
from judgeforge.grading.records import FIVE_POINTS
from judgeforge.grading.templates import JudgeTemplate, write_template
from judgeforge.params import PrepareParams
from judgeforge.params.sources import EmbeddedSource, FileSource, Source
from judgeforge.prepare.build import Writer
from judgeforge.prepare.collecting import Collection, collect_rows
from judgeforge.prepare.completing import complete_rows, name_gaps
from judgeforge.prepare.contract.heads import choose_template
from judgeforge.prepare.contract.items import build_token_budget, require_tokenizer
from judgeforge.prepare.embedded.benchmarks import build_embedded_benchmarks, write_embedded_benchmarks
from judgeforge.prepare.embedded.registry import build_embedded_collection
from judgeforge.prepare.feedback import OfflineTeacher, Teacher
from judgeforge.prepare.lineage import write_lineage
from judgeforge.prepare.plan import SETS, Plan, build_plan
from judgeforge.prepare.profiling import build_profile
from judgeforge.prepare.quality import build_position_finding, render_data_card, render_data_page, require_passed
from judgeforge.prepare.quality.findings import Finding
from judgeforge.prepare.screening import Screen
from judgeforge.prepare.sources.loading import Loader
from judgeforge.prepare.statistics import describe_rows, describe_set, describe_template
from judgeforge.progress import say

WATCHED = Path("collections")
TOKENIZER = Path("models/base")
"""The folders on which dvc.yaml makes the stage depend; of the base model, on which one it is."""


@dataclass(frozen=True)
class Outputs:
    """Where the stage writes to.

    Args:
        train: folder of the training sets.
        form: folder of the embedded rows that teach the form alone, written whatever the sources; they may be none.
        benchmarks: folder of the embedded benchmarks, written whatever the sources.
        statistics: JSON file.
        quarantine: JSON Lines file of the bad rows; written first, so that it is there when a source is refused.
        page: the data report, as HTML.
        card: the data card, as Markdown. These and the statistics are there when a check fails, too.
    """

    train: Path
    form: Path
    benchmarks: Path
    statistics: Path
    quarantine: Path
    page: Path
    card: Path


def prepare(params: PrepareParams, out: Outputs, teacher: Teacher) -> dict[str, Any]:
    """Build and write everything, and return the statistics.

    Args:
        params: of the stage.
        out: where to.
        teacher: who writes what rows lack; the form's rows lack nothing.

    Raises:
        InputError: a source cannot be used, its scores cannot be shown, a check of the rows failed, or the teacher has
            no answer for too many of them; the training sets are as they were.
    """
    template, verifier, recovered = choose_template(params)
    embedded = build_embedded_collection(params.seed, params.embedded)
    _require_scales(params, template)
    _require_levels(teacher, template)
    require_tokenizer(params.token_budget)
    _warn_of_unwatched(params)
    out.train.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(out.train.parent, "rows") as scratch:
        levels = count_template_levels(template)
        loader = Loader(params, embedded.training, levels, teacher.writes_direct, teacher.rubric_levels, verifier)
        with Screen(params.quality) as screen:
            collection = collect_rows(loader, params, screen, scratch / "rows", out.quarantine)
        if loader.unused_withdrawals:
            some = ", ".join(sorted(loader.unused_withdrawals)[:5])
            say(f"{collection.withdrawals_unused} of the withdrawn ids are no row's, such as {some}.")
        if not all(finding["passed"] for finding in screen.findings.values()):
            # The stage will fail, with its report: nothing must be paid for, or be sent to anybody, before.
            teacher = OfflineTeacher()
        collection, plan = _plan_sets(collection, params, teacher, scratch / "completed")
        with write_folder_atomically(out.train) as folder:
            writer = _write_sets(collection, plan, params, template, teacher, folder)
            values = _describe(collection, plan, params, writer, folder)
            values["template"] = describe_template(template, recovered, verifier)
            values |= _report(collection, plan, values, params, writer, screen.findings, out)
            require_passed(values["findings"])
            _require_examples(plan, values)
        form = params.model_copy(update={"sources": (_FORM,) if embedded.form else (), "withdrawn": None})
        loader = Loader(form, embedded.form, levels, blank_feedback=False)
        collection = collect_rows(loader, form, None, scratch / "form", scratch / "quarantine.jsonl")
        collection, plan = _plan_sets(collection, form, OfflineTeacher(), scratch)
        with write_folder_atomically(out.form) as folder:
            _write_sets(collection, plan, form, template, OfflineTeacher(), folder)
    write_embedded_benchmarks(build_embedded_benchmarks(embedded.benchmark, params.seed), out.benchmarks)
    return values


_FORM = EmbeddedSource(name="form", kind="embedded", weight=1.0)


def _plan_sets(
    collection: Collection, params: PrepareParams, teacher: Teacher, folder: Path
) -> tuple[Collection, Plan]:
    """Decide what goes where, and have rubrics and references written for that."""
    collection = name_gaps(collection, teacher)
    plan = build_plan(collection.graded_keys, collection.compared_keys, params)
    return complete_rows(collection, plan, teacher, folder), plan


def _write_sets(
    collection: Collection, plan: Plan, params: PrepareParams, template: JudgeTemplate, teacher: Teacher, folder: Path
) -> Writer:
    budget = build_token_budget(params.token_budget, template)
    writer = Writer(folder, template, teacher, params.rows_per_file, budget)
    writer.write(plan, collection.graded, collection.compared, collection.buckets)
    write_lineage(plan, writer.dropped, folder)
    write_template(template, folder)
    return writer


def _report(
    collection: Collection,
    plan: Plan,
    values: dict[str, Any],
    params: PrepareParams,
    writer: Writer,
    found: dict[str, Finding],
    out: Outputs,
) -> dict[str, Any]:
    """Write the statistics, the page and the card, and return what they add to the statistics."""
    better = values["formats"]["pairwise"]["better_is"]
    balance = build_position_finding(better["A"], better["B"], params.quality.balance.max_position_lean)
    added = {
        "findings": found | {"position_balance": balance},
        "profile": build_profile(collection, plan, writer.dropped, writer.folder, writer.template.result_marker),
    }
    values = values | added
    write_json(out.statistics, values)
    write_text(out.page, render_data_page(values, added["findings"]))
    sources = [_describe_source(source, collection.counts[source.name].read) for source in params.sources]
    write_text(out.card, render_data_card(values, added["findings"], sources))
    return added


def _describe_source(source: Source, rows: int) -> dict[str, Any]:
    location: str | None = "generated by judgeforge"
    if not isinstance(source, EmbeddedSource):
        location = source.path if isinstance(source, FileSource) else source.repository
    return {
        "name": source.name,
        "location": location,
        "revision": getattr(source, "revision", None),
        "licence": source.licence,
        "rows": rows,
    }


def _describe(
    collection: Collection, plan: Plan, params: PrepareParams, writer: Writer, folder: Path
) -> dict[str, Any]:
    counts = list(collection.counts.values())
    duplicates, not_drawn = plan.counts["duplicates"], plan.counts["not_drawn"]
    rows = {
        "read": sum(each.read for each in counts),
        "quarantined": sum(each.quarantined for each in counts),
        "withdrawn": sum(each.withdrawn for each in counts),
        "not_drawn": not_drawn,
        "duplicates": duplicates,
    }
    rows["kept"] = rows["read"] - sum(value for name, value in rows.items() if name != "read")
    left_out = {name: count for name, count in plan.counts.items() if name not in rows}
    for reason, numbers in (("untaught", writer.untaught), ("too_long", writer.too_long)):
        left_out |= {f"{reason}_{name}": len(numbers[name]) for name in SETS}
    return {
        "source": ", ".join(source.name for source in params.sources),
        "sources": {name: asdict(each) for name, each in collection.counts.items()},
        "rows": rows,
        "withdrawn_ids_unknown": collection.withdrawals_unused,
        **describe_rows(plan),
        "left_out": left_out,
        "untaught_for": dict(sorted(writer.untaught_for.items())),
        "teacher": writer.teacher.describe(),
        "token_budget": params.token_budget.model_dump() | {"sets": writer.budget.fates if writer.budget else {}},
        "formats": {name: describe_set(name, plan, writer.dropped[name], folder) for name in SETS},
    }


def _require_scales(params: PrepareParams, template: JudgeTemplate) -> None:
    for source in params.sources:
        if source.layout.lowest != FIVE_POINTS.lowest and not template.any_scale:
            raise InputError(
                f"The scores of the source {source.name} begin with {source.layout.lowest}, and the judge template "
                f"{template.name} shows rubrics with scores from {FIVE_POINTS.describe()}.",
                "name a template for every scale in prepare.template, such as judgeforge-2.",
            )


def _require_levels(teacher: Teacher, template: JudgeTemplate) -> None:
    shown = count_template_levels(template)
    if teacher.rubric_levels is not None and shown not in (None, teacher.rubric_levels):
        raise InputError(
            f"The teacher would write rubrics of {teacher.rubric_levels} levels, and the judge template "
            f"{template.name} shows {shown}.",
            "change prepare.teacher.rubric_levels, or prepare.template.",
        )


def _require_examples(plan: Plan, values: dict[str, Any]) -> None:
    if not values["rows"]["kept"]:
        raise InputError(
            f"Of {values['rows']['read']} rows none is left to learn from.",
            "see the quarantine file for the reasons; the training sets stay as they were.",
        )
    for name in ("direct", "pairwise"):
        planned, left = plan.sets[name].height, values["formats"][name]["rows"]
        if planned and not left:
            reasons = {key: count for key, count in values["left_out"].items() if key.endswith(f"_{name}") and count}
            raise InputError(
                f"Of {planned} examples of the set {name} none is left ({reasons}).",
                "raise prepare.token_budget.max_tokens, or see to the teacher; the training sets stay as they were.",
            )


def _warn_of_unwatched(params: PrepareParams) -> None:
    paths = [source.path for source in params.sources if isinstance(source, FileSource)]
    named = [params.withdrawn, params.token_budget.tokenizer, params.quality.overlap.benchmarks_folder, params.template]
    named += [params.recovery.completed_by] if params.recovery else []
    named += [*params.teacher.endpoints, *params.teacher.templates.model_dump().values()]
    # Names of what ships with judgeforge are no paths.
    paths += [path for path in named if path is not None and (path == params.withdrawn or Path(path).exists())]
    for path in map(Path, paths):
        if path != TOKENIZER and not path.resolve().is_relative_to(WATCHED.resolve()):
            say(f"DVC does not watch {path}: copy it into {WATCHED}/, so that new rows run the stage again.")
