"""Type of the section ``train.distribution``."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from judgeforge.params.section import Positive, Section


class DistributionParams(Section):
    """Over how many processes and machines one training is spread, and how the model is split between them.

    With more than one machine, JUDGEFORGE_HOSTS holds their addresses, the first one's first.

    Args:
        processes: on each machine; one a GPU.
        nodes: machines. All see the working folder under the same path (NFS, Lustre), checkpoints included.
        engine: ``none`` (each process holds the whole model), or DeepSpeed: ``zero2`` splits gradients and the
            optimizer's state, ``zero3`` the weights, too.
        offload: DeepSpeed keeps in main memory what a GPU does not need at the moment.
        port: on the first machine, where the others meet. Not used with one machine.
    """

    processes: Positive
    nodes: Positive
    engine: Literal["none", "zero2", "zero3"]
    offload: bool
    port: Annotated[int, Field(ge=1024, le=65535)]

    @property
    def world_size(self) -> int:
        """Number of processes on all machines."""
        return self.processes * self.nodes

    @model_validator(mode="after")
    def _fits_together(self) -> "DistributionParams":
        if self.offload and self.engine == "none":
            raise ValueError("offload is DeepSpeed's: it goes with engine zero2 or zero3")
        return self
