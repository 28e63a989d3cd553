"""The stage as one function: load, check, de-duplicate, build, write."""

from pathlib import Path

from judgeforge.files import write_json, write_json_lines
from judgeforge.grading.templates import load_template
from judgeforge.params import PrepareParams
from judgeforge.prepare.build import build_training_sets, write_training_sets
from judgeforge.prepare.embedded.benchmarks import build_embedded_benchmarks, write_embedded_benchmarks
from judgeforge.prepare.embedded.registry import build_embedded_collection
from judgeforge.prepare.quality import drop_duplicates
from judgeforge.prepare.sources import load_collection, parse_rows, require_usable
from judgeforge.prepare.statistics import compute_statistics, describe_examples, describe_pairs
from judgeforge.progress import say

EMBEDDED = "embedded"
WATCHED = Path("collections")
"""The folder on which dvc.yaml makes the stage depend."""


def prepare(
    params: PrepareParams, *, train: Path, form: Path, benchmarks: Path, statistics: Path, quarantine: Path
) -> dict[str, object]:
    """Build and write everything, and return the statistics.

    Args:
        params: of the stage.
        train: folder of the training sets.
        form: folder of the embedded rows that teach the form alone, written whatever the source; they may be none.
        benchmarks: folder of the embedded benchmarks, written whatever the source.
        statistics: JSON file.
        quarantine: JSON Lines file of the bad rows; written first, so that it is there when the source is refused.

    Raises:
        InputError: the source cannot be used; the training sets are as they were.
    """
    template = load_template(params.template)
    embedded = build_embedded_collection(params.seed, params.embedded)
    if params.source == EMBEDDED:
        collection = parse_rows(enumerate(embedded.training, start=1))
    else:
        collection = load_collection(Path(params.source))
        if not Path(params.source).resolve().is_relative_to(WATCHED.resolve()):
            say(f"DVC does not watch {params.source}: copy it into {WATCHED}/, so that new rows run the stage again.")
    set_aside = [{"line": row.line, "reason": row.reason, "row": row.raw} for row in collection.quarantined]
    write_json_lines(quarantine, set_aside)
    require_usable(collection, params.source, quarantine)
    rows = drop_duplicates(collection.rows)
    sets = build_training_sets(rows, params, template)
    write_training_sets(sets, template, train)
    form_rows = parse_rows(enumerate(embedded.form, start=1)).rows
    write_training_sets(build_training_sets(form_rows, params, template), template, form)
    write_embedded_benchmarks(build_embedded_benchmarks(embedded.benchmark, params.seed), benchmarks)
    values = compute_statistics(
        source=params.source,
        read=len(collection.rows) + len(set_aside),
        quarantined=len(set_aside),
        valid=len(collection.rows),
        rows=rows,
    )
    values["formats"] = {
        name: describe_examples(examples) | (describe_pairs(sets.pairs[name]) if name in sets.pairs else {})
        for name, examples in sets.examples.items()
    }
    write_json(statistics, values)
    return values
