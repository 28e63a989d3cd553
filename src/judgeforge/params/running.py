"""Type of the section ``runner`` of params.yaml: where stages run. No stage reads it, so a change makes none stale."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from judgeforge.params.section import Positive, Section

HEARTBEAT_S = 30
"""Prefect sends one for every flow run this often (set in ``flows``); three may be lost before a run counts as lost."""

_LEAST_LOST_AFTER_S = 3 * HEARTBEAT_S


class MachineChoice(Section):
    """A type of machine.

    Args:
        type: the provider's name of it.
        hourly_usd: price of an hour on demand, the upper bound of what an hour costs.
    """

    type: str = Field(min_length=1)
    hourly_usd: Annotated[float, Field(gt=0)]


class RunnerParams(Section):
    """Which stages run on which machines; how to choose the values: docs/runners.md.

    Args:
        provider: ``none``: every stage runs where the flow does; ``standing``: on workers that somebody keeps in the
            pool; ``aws``: on machines that the flow raises and ends.
        pool: Prefect's work pool of the workers.
        stages: what runs in the pool, as in dvc.yaml; ``train`` means every stage of its matrix.
        workers: how many stages run there at a time, and how many machines at most.
        machines: which types, the preferred one first.
        spot: whether to ask for interruptible machines first.
        disk_gib: of each machine.
        max_life_minutes: a machine ends itself after so long, whatever it does.
        idle_minutes: likewise after so long without a stage.
        start_minutes: how long a worker may take to appear in the pool.
        lost_after_s: without a sign of life for so long, a stage counts as lost and runs elsewhere; three heartbeats
            at the least.
        sync_every_s: how often checkpoints go to DVC's remote while a stage runs.
        max_usd: what a retraining's machines may cost; None: no limit.
    """

    provider: Literal["none", "standing", "aws"]
    pool: str = Field(min_length=1)
    stages: tuple[str, ...]
    workers: Positive
    machines: tuple[MachineChoice, ...]
    spot: bool
    disk_gib: Annotated[int, Field(ge=30)]
    max_life_minutes: Annotated[int, Field(ge=10)]
    idle_minutes: Annotated[int, Field(ge=5)]
    start_minutes: Positive
    lost_after_s: Annotated[int, Field(ge=_LEAST_LOST_AFTER_S)]
    sync_every_s: Annotated[int, Field(ge=1)]
    max_usd: Annotated[float, Field(gt=0)] | None

    @model_validator(mode="after")
    def _machines_are_named(self) -> Self:
        if self.provider == "aws" and not (self.machines and self.stages):
            raise ValueError("provider aws needs at least one entry in machines and in stages")
        return self
