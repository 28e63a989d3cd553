"""What a run would do, told before it begins, from the base model's configuration alone: no weights are read."""

from dataclasses import dataclass

from judgeforge.params import TrainParams
from judgeforge.train.fitting import Device, choose_spread, find_device, list_advice, measure_step
from judgeforge.train.job import Job, count_updates, load_rows
from judgeforge.train.memory import Memory, Step, estimate_memory
from judgeforge.train.model import load_tokenizer
from judgeforge.train.order import EpochOrder
from judgeforge.train.skeleton import Skeleton, load_skeleton
from judgeforge.train.tokens import TokenRows

_GB = 1e9
LEARNT = ("⟦", "⟧")
"""What stands around the learnt part of a row."""


@dataclass(frozen=True)
class Plan:
    """A run before it begins.

    Args:
        params: the section ``train``.
        job: inputs and outputs.
        skeleton: the model.
        rows: of the training set.
        tokens: of all rows.
        left_out: rows that are too long.
        updates: of the whole run.
        step: the largest one.
        memory: the estimate for it.
        device: what it is to fit into.
        advice: what to change where it does not.
        first: the first row of the first batch, the learnt part marked.
    """

    params: TrainParams
    job: Job
    skeleton: Skeleton
    rows: int
    tokens: int
    left_out: int
    updates: int
    step: Step
    memory: Memory
    device: Device
    advice: tuple[str, ...]
    first: str


def plan_run(params: TrainParams, job: Job) -> Plan:
    """Find out what a run would do; nothing is written.

    Args:
        params: the section ``train``.
        job: inputs and outputs; of the base, its configuration and its tokenizer are read.

    Raises:
        InputError: what would stop the run, too.
    """
    tokenizer = load_tokenizer(job.base)
    skeleton = load_skeleton(job.base, params)
    rows, _ = load_rows(params, job, tokenizer, keep=False)
    step, device = measure_step(rows, params), find_device()
    spread = choose_spread(params.distribution)
    memory = estimate_memory(skeleton, params, step, spread)
    short = device.free is not None and memory.total > device.free
    return Plan(
        params=params,
        job=job,
        skeleton=skeleton,
        rows=len(rows),
        tokens=rows.tokens,
        left_out=len(rows.left_out),
        updates=count_updates(params, len(rows), params.distribution.world_size),
        step=step,
        memory=memory,
        device=device,
        advice=tuple(list_advice(skeleton, params, step, spread, device.free or 0)) if short else (),
        first=_render_first(rows, params, tokenizer),
    )


def _render_first(rows: TokenRows, params: TrainParams, tokenizer: object) -> str:
    row = rows[next(iter(EpochOrder(len(rows), params.seed)))]
    ids, learnt = row["input_ids"], row["completion_length"]
    prompt, answer = (tokenizer.decode(part) for part in (ids[:-learnt], ids[-learnt:]))  # type: ignore[attr-defined]
    return f"{prompt}{LEARNT[0]}{answer}{LEARNT[1]}"


def render_plan(plan: Plan) -> str:
    """Render a plan as lines of text."""
    skeleton, step, params = plan.skeleton, plan.step, plan.params
    share = skeleton.trained / skeleton.parameters
    lines = [
        f"Dry run: {plan.job.format} by {params.method} from {plan.job.base} ({skeleton.family}). Nothing is written.",
        f"weights      {skeleton.parameters:,}; trained {skeleton.trained:,} ({share:.2%})",
        *_render_targets(skeleton),
        *(f"note         {note}" for note in skeleton.notes),
        f"rows         {plan.rows:,} of {plan.tokens:,} tokens; {plan.left_out:,} over "
        f"{params.max_length_tokens:,} tokens left out",
        f"updates      {plan.updates:,} of {params.batch_size} x {params.gradient_accumulation} rows on each of "
        f"{params.distribution.world_size} processes",
        f"largest step {len(step.lengths)} rows of {step.tokens:,} tokens, the logits of {step.learnt:,} at a time",
        *_render_memory(plan),
        "first row, the learnt part in brackets:",
        plan.first,
    ]
    return "\n".join(lines)


def _render_targets(skeleton: Skeleton) -> list[str]:
    targets = skeleton.targets
    if targets is None:
        return ["adapted      nothing: all weights are trained"]
    layers = f"{skeleton.learning_layers} of {skeleton.layers} layers keep activations"
    lines = [f"adapted      {', '.join(targets.modules)} ({layers})"]
    if targets.experts:
        kinds = sorted({name.rpartition(".")[2] for name in targets.experts})
        lines.append(f"             {', '.join(kinds)} of {skeleton.experts} experts in each of those layers")
    if targets.routers:
        kinds = sorted({name.rpartition(".")[2] for name in targets.routers})
        lines.append(f"frozen       {', '.join(kinds)}, which choose among experts")
    return lines


def _render_memory(plan: Plan) -> list[str]:
    memory = plan.memory
    parts = {
        "frozen weights": memory.frozen,
        "trained weights": memory.trained + memory.copies,
        "gradients": memory.gradients,
        "moments": memory.moments,
        "activations": memory.activations,
        "backward pass": memory.backward,
        "logits": memory.logits,
        "allocator": memory.slack,
        "program": memory.program,
    }
    told = ", ".join(f"{name} {size / _GB:,.2f}" for name, size in parts.items() if size)
    free = "is not known" if plan.device.free is None else f"{plan.device.free / _GB:,.1f} GB"
    lines = [
        f"memory       {memory.total / _GB:,.1f} GB estimated ({told})",
        f"             free on this {plan.device.name}: {free}",
    ]
    if memory.host:
        lines.append(f"             and in the host's memory {memory.host / _GB:,.1f} GB a process")
    if plan.advice:
        lines += ["it does not fit here; what would help:", *(f"  - {each}" for each in plan.advice)]
    return lines
