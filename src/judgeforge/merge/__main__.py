"""Wire the stage ``merge``: two judges, their base and params.yaml -> one judge."""

from pathlib import Path

from judgeforge.params import MergeParams, load_section
from judgeforge.progress import say
from judgeforge.stage import run_stage


def main(*, base: Path, direct: Path, pairwise: Path, out: Path) -> None:
    """Merge the direct and the pairwise judge.

    Example: python -m judgeforge.merge --base models/base --direct models/direct --pairwise models/pairwise
    --out models/merged
    """
    params = load_section("merge", MergeParams)
    from judgeforge.merge.run import merge_judges  # noqa: PLC0415 - bad params should not wait for torch
    from judgeforge.tracking import stage_run  # noqa: PLC0415

    with stage_run("merge", params.model_dump()) as run:
        provenance = merge_judges(params, base, direct, pairwise, out)
        run.log_metrics({"parameters": float(provenance["parameters"])})
    say(f"Merged {provenance['tensors']} tensors, {provenance['parameters']:,} parameters, into {out}.")


if __name__ == "__main__":
    run_stage(main)
