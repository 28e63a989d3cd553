"""Wire the stage ``merge``: two judges, their base and params.yaml -> one judge."""

from pathlib import Path

from judgeforge.merge.choice import Choice, load_choice
from judgeforge.params import MergeParams, SearchParams, load_section
from judgeforge.progress import say
from judgeforge.stage import run_stage


def main(*, base: Path, direct: Path, pairwise: Path, out: Path, choice: Path | None = None) -> None:
    """Merge the direct and the pairwise judge, as the section merge says, or as a search has chosen.

    Example: python -m judgeforge.merge --base models/base --direct models/direct --pairwise models/pairwise
    --choice search/choice.json --out models/merged
    """
    params = load_section("merge", MergeParams)
    search = load_section("search", SearchParams)
    chosen = Choice(params, None) if choice is None else load_choice(params, search, choice)
    from judgeforge.merge.run import merge_judges  # noqa: PLC0415 - bad params should not wait for it
    from judgeforge.tracking import stage_run  # noqa: PLC0415

    with stage_run("merge", chosen.values.model_dump()) as run:
        provenance = merge_judges(chosen.values, base, direct, pairwise, out, chosen.inputs)
        run.log_metrics({"parameters": float(provenance["parameters"])})
    say(
        f"Merged {provenance['tensors']} tensors, {provenance['parameters']:,} parameters, into {out}: "
        f"{chosen.values.describe()}."
    )


if __name__ == "__main__":
    run_stage(main)
