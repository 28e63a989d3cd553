"""What a machine must have installed beside what its site says, by what the stages that it may get will do there."""

from collections.abc import Collection
from dataclasses import dataclass

from judgeforge.params import Params

_VLLM = "setup-vllm"


@dataclass(frozen=True)
class Needs:
    """What is to be installed.

    Args:
        extras: the project's, beside those of the site.
        targets: of the Makefile, in their order; ``setup`` makes the environment.
    """

    extras: tuple[str, ...] = ()
    targets: tuple[str, ...] = ("setup",)


def find_needs(params: Params, stages: Collection[str]) -> Needs:
    """Derive from the recipe what machines need for ``stages``.

    vLLM takes minutes and gigabytes: it is installed only where a stage judges by it.

    Args:
        params: of the project.
        stages: that may run on a machine.
    """
    names = {stage.split("@", 1)[0] for stage in stages}
    extras: list[str] = []
    if names & {"train", "warm_up"}:
        train = params.train
        wanted = {
            "deepspeed": train.distribution.engine != "none",
            "qlora": train.method == "qlora",
            "gpu": train.liger,
        }
        extras = [extra for extra, is_needed in wanted.items() if is_needed]
    judges = "evaluate" in names or ("search" in names and params.search.enabled)
    targets = ("setup", _VLLM) if judges and params.evaluate.engine == "vllm" else ("setup",)
    return Needs(tuple(extras), targets)
