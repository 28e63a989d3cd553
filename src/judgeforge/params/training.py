"""Types of the section ``train``, but for its distribution."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from judgeforge.params.distribution import DistributionParams
from judgeforge.params.section import Fraction, Positive, Section, Seed


class LoraParams(Section):
    """Low-rank adapters (arXiv 2106.09685).

    Args:
        rank: r.
        alpha: scaling numerator; the update is scaled by alpha / r.
        dropout: on the adapter's input; of the experts' fused weights it is 0, which peft cannot do otherwise.
        last_layers: adapt this many layers, counted from the output. None: all.
        experts: adapt the experts of a mixture, too. Its router stays as it is either way; other models have neither.
    """

    rank: Positive
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    last_layers: Positive | None
    experts: bool


class TrainParams(Section):
    """Fine-tuning, one program for every format.

    Args:
        method: ``lora``; ``qlora``, the same on a base held in 4 bits (needs bitsandbytes); or ``full``.
        lora: of ``lora`` and ``qlora``.
        seed: of data order and initialisation.
        epochs: passes over the training set.
        learning_rate: peak.
        scheduler: learning-rate schedule, by its name in transformers.
        warmup_ratio: share of the steps in which the rate rises from 0.
        weight_decay: of AdamW.
        max_grad_norm: clipping.
        batch_size: rows a step of one process. An update learns batch_size x gradient_accumulation x processes rows.
        gradient_accumulation: steps to one update.
        max_length_tokens: a longer row is left out and counted.
        dtype: of weights and arithmetic.
        gradient_checkpointing: recompute activations to save memory.
        loss_chunk_tokens: logits of this many tokens are held at a time: 128 suit a cache, 1024 a GPU. None: all of a
            batch's, by the model's own head.
        compile: let torch.compile join what stands between the matrix products; takes minutes at the start.
        liger: let Liger's kernels do it, on a GPU, where the package liger-kernel is installed.
        validate_every_steps: updates between two looks at the validation loss. None: at the end alone.
        patience: end after this many looks without a lower validation loss, and take the weights with the lowest.
            None: train to the end.
        checkpoint_every_steps: updates between checkpoints.
        keep_checkpoints: how many of them stay while the run lasts.
        bad_update: at one whose gradient is not finite, or whose loss jumps, ``stop``, or ``skip`` it; its batches are
            kept.
        max_loss_ratio: a loss jumps where it is over this many times the median of the last 20. None: it never does.
        log_every_steps: updates between two points of the curve.
        cpu_threads: torch threads of a process when on CPU: a value, since sums depend on it. None: torch's choice.
        distribution: over how many processes and machines.
    """

    method: Literal["lora", "qlora", "full"]
    lora: LoraParams
    seed: Seed
    epochs: Annotated[float, Field(gt=0)]
    learning_rate: Annotated[float, Field(gt=0)]
    scheduler: Literal["cosine", "linear", "constant_with_warmup"]
    warmup_ratio: Fraction
    weight_decay: Annotated[float, Field(ge=0)]
    max_grad_norm: Annotated[float, Field(gt=0)]
    batch_size: Positive
    gradient_accumulation: Positive
    max_length_tokens: Positive
    dtype: Literal["bfloat16", "float32"]
    gradient_checkpointing: bool
    loss_chunk_tokens: Positive | None
    compile: bool
    liger: bool
    validate_every_steps: Positive | None
    patience: Positive | None
    checkpoint_every_steps: Positive
    keep_checkpoints: Annotated[int, Field(ge=2)]
    bad_update: Literal["stop", "skip"]
    max_loss_ratio: Annotated[float, Field(gt=1)] | None
    log_every_steps: Positive
    cpu_threads: Positive | None
    distribution: DistributionParams

    @model_validator(mode="after")
    def _keeps_the_best(self) -> "TrainParams":
        if self.patience is not None and self.validate_every_steps != self.checkpoint_every_steps:
            raise ValueError("patience needs validate_every_steps and checkpoint_every_steps to be equal")
        if self.bad_update == "skip" and self.max_loss_ratio is not None and self.distribution.engine != "none":
            raise ValueError(
                "DeepSpeed applies an update before its loss is looked at: stop at a jump, or use no engine"
            )
        if self.compile and self.distribution.engine == "zero3":
            raise ValueError("compile does not go with engine zero3, whose weights are in parts: set it to false")
        return self
