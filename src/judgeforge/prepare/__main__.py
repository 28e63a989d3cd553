"""Wire the stage ``prepare``: params.yaml and its sources -> training sets, embedded benchmarks, statistics."""

from pathlib import Path

from judgeforge.stage import run_stage

_ANSWERS = Path(".judgeforge/answers.sqlite")
_BATCHES = Path(".judgeforge/batches")


def main(
    *, train: Path, form: Path, benchmarks: Path, statistics: Path, quarantine: Path, page: Path, card: Path
) -> None:
    """Write the training sets, the embedded benchmarks, the statistics, the quarantined rows, and a page and a card.

    Example: python -m judgeforge.prepare --train data/train --form data/form --benchmarks data/benchmarks
    --statistics data/statistics.json --quarantine data/quarantine.jsonl --page reports/data.html
    --card reports/data_card.md
    """
    # Not above: processes for languages import this file, too, and need none of it.
    from rich.console import Console  # noqa: PLC0415

    import judgeforge.prepare.memory  # noqa: F401, PLC0415 - before Polars
    from judgeforge.params import PrepareParams, load_section  # noqa: PLC0415
    from judgeforge.prepare.run import Outputs, prepare  # noqa: PLC0415
    from judgeforge.prepare.statistics import render_table  # noqa: PLC0415
    from judgeforge.prepare.teacher import build_teacher  # noqa: PLC0415

    params = load_section("prepare", PrepareParams)
    files = {"statistics": statistics, "quarantine": quarantine, "page": page, "card": card}
    out = Outputs(train=train, form=form, benchmarks=benchmarks, **files)
    teacher = build_teacher(params.teacher, cache=_ANSWERS, batches=_BATCHES)
    Console(stderr=True).print(render_table(prepare(params, out, teacher)))


if __name__ == "__main__":
    run_stage(main)
