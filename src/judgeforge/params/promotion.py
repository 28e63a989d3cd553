"""Type of the section ``promote`` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from judgeforge.params.section import Fraction, Positive, Section
from judgeforge.params.sections import Judge


class PromoteParams(Section):
    """Registry and gate; how to choose the values: docs/promotion.md.

    Args:
        model_name: registered model in MLflow.
        judge: which judge to register.
        weights: ``upload``: a version holds a copy of the weights; ``reference``: it says where DVC keeps them.
        remote: DVC's name of the remote that is referred to; null: its default remote.
        primary: BENCHMARK/METRIC names; the challenger must beat the champion on at least one of them.
        margin: how far it may fall behind the champion, and behind the first champion, on any benchmark's main measure.
        alpha: probability of passing a judge that is worse by the margin; of each of its tests.
        approval: whether a person has to agree before a judge becomes champion.
        keep_champions: so many of the last champions keep their weights, the champion counted.
        keep_days: so long does a version keep its weights that is none of them.
        max_unparsable_rate: above it on any benchmark, nothing is promoted.
        max_swap_inconsistency: likewise of the pairs of which the other response is preferred in the other order.
        max_position_bias: likewise of ``position_bias``, to either side.
        max_length_bias: likewise of ``length_bias``, to either side.
        licence: of the judge, as an SPDX identifier, for its model card; None: nobody has stated one.
        base_licence: likewise of the base model; None: as the package says that it came in.
    """

    model_name: str = Field(min_length=1)
    judge: Judge
    weights: Literal["upload", "reference"]
    remote: Annotated[str, Field(min_length=1)] | None
    primary: tuple[str, ...] = Field(min_length=1)
    margin: Annotated[float, Field(ge=0)]
    alpha: Annotated[float, Field(gt=0, le=0.2)]
    approval: bool
    keep_champions: Positive
    keep_days: Annotated[int, Field(ge=0)]
    max_unparsable_rate: Fraction
    max_swap_inconsistency: Fraction
    max_position_bias: Fraction
    max_length_bias: Fraction
    licence: Annotated[str, Field(min_length=1)] | None
    base_licence: Annotated[str, Field(min_length=1)] | None
