"""One way of training on the real feedback, in a process of its own: prints its speed, memory and loss as JSON.

The first epoch warms up and does not count. Arguments: the side, the base model's folder, the collection, the rows.
"""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainerCallback
from transformers import TrainingArguments as Arguments

from judgeforge.files import load_json_rows
from judgeforge.grading.records import Scale, TrainingExample
from judgeforge.params import TrainParams, load_section
from judgeforge.train.arithmetic import count_arithmetic, measure_products
from judgeforge.train.job import Job
from judgeforge.train.live import measure_peak_memory
from judgeforge.train.loss import CompletionLoss
from judgeforge.train.model import load_tokenizer
from judgeforge.train.run import build_trainer
from judgeforge.train.tokens import TokenRows, tokenize_examples

ROOT = Path(__file__).resolve().parent.parent
EPOCHS, BATCH, RANK, LENGTH = 2, 8, 16, 2048
LEARNING_RATE = 2e-5
"""TRL's default; schedules differ, which a few updates do not show."""
SHARED: dict[str, Any] = {
    **{"use_cpu": True, "report_to": [], "disable_tqdm": True, "save_strategy": "no", "num_train_epochs": EPOCHS},
    **{"learning_rate": LEARNING_RATE},
}


class Clock(TrainerCallback):
    """Takes the time from the end of the first epoch to the end of the last."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time."""
        self.marks.append(time.perf_counter())


def load_conversations(path: Path, rows: int) -> list[TrainingExample]:
    """Draw rows of the Feedback Collection's layout: the rendered prompt, and feedback with verdict."""
    drawn = random.Random(0).sample(load_json_rows(path), rows)
    return [
        TrainingExample(
            example_id=str(number),
            prompt_id=str(number),
            format="direct",
            scale=Scale(1, 5),
            messages=(
                {"role": "user", "content": row["instruction"]},
                {"role": "assistant", "content": row["output"]},
            ),
        )
        for number, row in enumerate(drawn)
    ]


def load_params() -> TrainParams:
    """Take the demo's values, but for what both sides share."""
    params = load_section("train", TrainParams, ROOT / "params.yaml")
    lora = params.lora.model_copy(update={"rank": RANK, "alpha": 2 * RANK, "last_layers": None})
    changes = {"lora": lora, "epochs": EPOCHS, "batch_size": BATCH, "gradient_accumulation": 1}
    changes |= {"learning_rate": LEARNING_RATE}
    return params.model_copy(update=changes | {"cpu_threads": None, "checkpoint_every_steps": 10**6})


class Silent:
    """Stands for a tracking run: what is measured is training."""

    def set_tags(self, tags: dict[str, str]) -> None:
        """Record nothing."""

    def log_metrics(self, values: dict[str, float], step: int | None = None) -> None:
        """Record nothing."""


class WholeLogits(CompletionLoss):
    """The same loss out of the logits of all tokens, in fp32, as most trainers compute it."""

    def compute(self, model: Any, inputs: dict[str, Any], labels: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """Run the model."""
        outputs = model(**inputs)
        loss = torch.nn.functional.cross_entropy(outputs.logits[0, :-1].float(), labels[0, 1:], reduction="sum")
        return loss, outputs


def build_ours(base: Path, examples: list[TrainingExample], clock: Clock, variant: str) -> Trainer:
    """Build judgeforge's trainer, as the stage does."""
    params, tokenizer = load_params(), load_tokenizer(base)
    rows = TokenRows(*tokenize_examples(examples, tokenizer, LENGTH))
    nowhere = Path("/nonexistent")
    job = Job("direct", nowhere, base, nowhere, nowhere, nowhere)
    nothing = TokenRows(*tokenize_examples([], tokenizer, LENGTH))
    trainer, _ = build_trainer(params, job, rows, nothing, tokenizer, nowhere, Silent())
    trainer.add_callback(clock)
    if variant == "whole_logits":
        trainer._loss = WholeLogits(trainer.model, None)
    return trainer


def build_trl(base: Path, examples: list[TrainingExample], clock: Clock, _variant: str) -> Any:
    """Build TRL's trainer with its defaults, but for a length that holds every row."""
    from datasets import Dataset  # noqa: PLC0415
    from trl.trainer.sft_config import SFTConfig  # noqa: PLC0415
    from trl.trainer.sft_trainer import SFTTrainer  # noqa: PLC0415

    rows = [{"prompt": list(each.messages[:-1]), "completion": [each.messages[-1]]} for each in examples]
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    return SFTTrainer(
        model=model,
        args=SFTConfig(output_dir="/nonexistent", max_length=LENGTH, **SHARED),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=build_lora(),
        callbacks=[clock],
    )


def build_padded(base: Path, examples: list[TrainingExample], clock: Clock, _variant: str) -> Trainer:
    """Build the loop of handbooks: rows padded to the longest, whole logits, activations computed again."""
    tokenizer = load_tokenizer(base)
    tokens = TokenRows(*tokenize_examples(examples, tokenizer, LENGTH))
    rows: Any = [
        {
            "input_ids": row["input_ids"].tolist(),
            "labels": [-100] * (row["length"] - row["completion_length"])
            + row["input_ids"][-row["completion_length"] :].tolist(),
        }
        for row in (tokens[index] for index in range(len(tokens)))
    ]
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16), build_lora())
    model.enable_input_require_grads()
    return Trainer(
        model=model,
        args=Arguments(
            output_dir="/nonexistent",
            per_device_train_batch_size=BATCH,
            bf16=True,
            gradient_checkpointing=True,
            **SHARED,
        ),
        train_dataset=rows,
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        callbacks=[clock],
    )


def build_lora() -> LoraConfig:
    """Return the adapters that every side trains."""
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=names, task_type="CAUSAL_LM")


SIDES = {
    **dict.fromkeys(("judgeforge", "whole_logits"), build_ours),
    **{"trl": build_trl, "padded": build_padded},
}


def main(side: str, base: str, collection: str, rows: str) -> None:
    """Train and print."""
    torch.manual_seed(0)
    examples = load_conversations(Path(collection), int(rows))
    ceiling = measure_products(torch.bfloat16, "cpu")
    clock = Clock()
    trainer = SIDES[side](Path(base), examples, clock, side)
    result = trainer.train()
    tokens = TokenRows(*tokenize_examples(examples, load_tokenizer(Path(base)), LENGTH))
    timed = (EPOCHS - 1) * tokens.tokens
    seconds = clock.marks[-1] - clock.marks[0]
    flops = (EPOCHS - 1) * count_arithmetic(trainer.model).count(tokens.lengths, tokens.learnt_tokens)
    facts = {"tokens": timed, "seconds": seconds, "tokens_per_second": timed / seconds, "loss": result.training_loss}
    facts |= {"ceiling_gflops": max(ceiling, measure_products(torch.bfloat16, "cpu")) / 1e9}
    facts |= {"share_of_ceiling": flops / seconds / facts["ceiling_gflops"] / 1e9, "peak_gib": measure_peak_memory()}
    print(json.dumps(facts))


if __name__ == "__main__":
    main(*sys.argv[1:])
