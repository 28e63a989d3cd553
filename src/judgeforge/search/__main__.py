"""Wire the stage ``search``: two judges, the validation sets and params.yaml -> what the stage ``merge`` shall do."""

from pathlib import Path

from judgeforge.params import EvaluateParams, MergeParams, SearchParams, load_section
from judgeforge.progress import say
from judgeforge.stage import run_stage


def main(*, data: Path, base: Path, direct: Path, pairwise: Path, out: Path, journal: Path) -> None:
    """Search for the best merge on the validation sets; without ``search.enabled`` write what ``merge`` says.

    Example: python -m judgeforge.search --data data/train --base models/base --direct models/direct
    --pairwise models/pairwise --out search --journal .judgeforge/journal/search
    """
    params, merge = load_section("search", SearchParams), load_section("merge", MergeParams)
    evaluate = load_section("evaluate", EvaluateParams)
    from judgeforge.search.run import Places, search_merges, write_no_search  # noqa: PLC0415 - torch takes seconds
    from judgeforge.tracking import stage_run  # noqa: PLC0415

    if not params.enabled:
        write_no_search(merge, out)
        say(f"No search: {out} says what the section merge says (search.enabled is false).")
        return
    with stage_run("search", params.model_dump()) as run:
        places = Places(data, base, direct, pairwise, out, journal)
        chosen = search_merges(params, merge, evaluate, places, run.log_metrics)
    say(f"Chosen: {chosen['name']}. All candidates: {out / 'candidates.csv'}.")


if __name__ == "__main__":
    run_stage(main)
