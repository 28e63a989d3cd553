"""The engine on Hugging Face transformers: length-sorted batches, and an early stop once a verdict stands."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, StoppingCriteria, StoppingCriteriaList, set_seed

from judgeforge.engines.kernels import CPU_ATTENTION, keep_head_input_whole
from judgeforge.engines.protocol import Completion, Conversation
from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.grading.parsing import is_settled, parse_verdict
from judgeforge.grading.records import Format
from judgeforge.grading.rendering import render_chat
from judgeforge.grading.templates import JudgeTemplate

_ADAPTER_FILE = "adapter_config.json"

_TAIL_TOKENS = 16
"""The marker and a verdict fit into so many tokens; only these are decoded at each step."""


def load_judge_tokenizer(model_folder: Path) -> Any:
    """Load a judge's tokenizer, padding on the left as decoding wants it.

    Raises:
        InputError: there is no judge in the folder.
    """
    if not any((model_folder / name).is_file() for name in ("config.json", _ADAPTER_FILE)):
        raise InputError(f"There is no judge in {model_folder}.", "train or merge one first, or name another folder.")
    tokenizer = AutoTokenizer.from_pretrained(model_folder, padding_side="left")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_weights(model_folder: Path, base_folder: Path | None, dtype: str) -> Any:
    """Load a judge's weights; an adapter is folded into its base, in fp32, before the weights take ``dtype``.

    Args:
        model_folder: full weights or an adapter, as safetensors.
        base_folder: the base of an adapter; None: the one that the adapter names.
        dtype: name of a torch dtype.

    Raises:
        InputError: the adapter's base is not there.
    """
    wanted = getattr(torch, dtype)
    options = {"use_safetensors": True, "attn_implementation": "sdpa" if torch.cuda.is_available() else CPU_ATTENTION}
    if not (model_folder / _ADAPTER_FILE).is_file():
        return AutoModelForCausalLM.from_pretrained(model_folder, dtype=wanted, **options)
    base = base_folder or Path(load_json(model_folder / _ADAPTER_FILE)["base_model_name_or_path"])
    if not (base / "config.json").is_file():
        raise InputError(
            f"The base model {base} of the adapter {model_folder} is not there.", "run 'dvc repro base', or name it."
        )
    from peft import PeftModel  # noqa: PLC0415 - merged judges and the base need no peft

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, **options)
    return PeftModel.from_pretrained(model, model_folder).merge_and_unload().to(wanted)


class _StopAfterVerdict(StoppingCriteria):
    """End a row once its verdict is settled: judges that run on cost time and say nothing more."""

    def __init__(self, tokenizer: Any, marker: str, prompt_length: int) -> None:
        self.tokenizer, self.marker, self.prompt_length = tokenizer, marker, prompt_length

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        start = max(self.prompt_length, input_ids.shape[1] - _TAIL_TOKENS)
        tails = self.tokenizer.batch_decode(input_ids[:, start:], skip_special_tokens=True)
        return torch.tensor([is_settled(tail, self.marker) for tail in tails], device=input_ids.device)


class TransformersEngine:
    """A judge in a folder of safetensors, run on the GPU if there is one, otherwise on the CPU.

    Args:
        model_folder: weights or adapter, and tokenizer.
        base_folder: the base model of an adapter; None: the one that the adapter names.
        template: the judge's own template; its marker tells where a verdict closes.
        batch_size: conversations decoded together.
        max_new_tokens: limit of a completion.
        max_prompt_tokens: a longer prompt is not run.
        temperature: 0 is greedy.
        top_p: nucleus sampling.
        repetition_penalty: 1 is none.
        seed: of the sampling.
        dtype: name of a torch dtype.
        cpu_threads: torch threads on CPU; None leaves torch's choice.

    Raises:
        InputError: there is no model in the folder.
    """

    def __init__(
        self,
        model_folder: Path,
        *,
        template: JudgeTemplate,
        base_folder: Path | None = None,
        batch_size: int,
        max_new_tokens: int,
        max_prompt_tokens: int,
        temperature: float,
        top_p: float,
        repetition_penalty: float,
        seed: int,
        dtype: str,
        cpu_threads: int | None,
    ) -> None:
        if cpu_threads is not None and not torch.cuda.is_available():
            torch.set_num_threads(cpu_threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer = load_judge_tokenizer(model_folder)
        self._model = load_weights(model_folder, base_folder, dtype).to(self._device).eval()
        keep_head_input_whole(self._model)
        self._template = template
        self._batch_size, self._max_prompt_tokens, self._seed = batch_size, max_prompt_tokens, seed
        sampling: dict[str, Any] = {"do_sample": temperature > 0, "repetition_penalty": repetition_penalty}
        if temperature > 0:
            sampling |= {"temperature": temperature, "top_p": top_p, "top_k": 0}
        self._options = sampling | {"max_new_tokens": max_new_tokens, "pad_token_id": self._tokenizer.pad_token_id}

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        """Yield (index, completion) batch by batch, longest prompts first: what does not fit shows at once.

        Formats are not mixed in a batch: a pairwise answer is twice as long as a direct one, which would wait for it.
        """
        prompts = [render_chat(self._tokenizer, list(each.messages)) for each in conversations]
        encoded = self._tokenizer(prompts, add_special_tokens=False)["input_ids"] if prompts else []
        for index, prompt in enumerate(encoded):
            if len(prompt) > self._max_prompt_tokens:
                yield index, Completion(text="", prompt_tokens=len(prompt), output_tokens=0, finish="prompt_too_long")
        set_seed(self._seed)
        for format in get_args(Format):
            fitting = [
                index
                for index, prompt in enumerate(encoded)
                if conversations[index].format == format and len(prompt) <= self._max_prompt_tokens
            ]
            fitting.sort(key=lambda index: -len(encoded[index]))
            for start in range(0, len(fitting), self._batch_size):
                batch = fitting[start : start + self._batch_size]
                yield from zip(batch, self._decode([encoded[index] for index in batch], format), strict=True)

    @torch.inference_mode()
    def _decode(self, prompts: list[list[int]], format: Format) -> list[Completion]:
        inputs = self._tokenizer.pad({"input_ids": prompts}, return_tensors="pt").to(self._device)
        width = inputs["input_ids"].shape[1]
        stop = _StopAfterVerdict(self._tokenizer, self._template.result_marker, width)
        output = self._model.generate(**inputs, **self._options, stopping_criteria=StoppingCriteriaList([stop]))
        return [
            self._read(prompt, row, format) for prompt, row in zip(prompts, output[:, width:].tolist(), strict=True)
        ]

    def _read(self, prompt: list[int], row: list[int], format: Format) -> Completion:
        end = self._tokenizer.eos_token_id
        padding = self._tokenizer.pad_token_id
        kept = row[: row.index(end)] if end in row else row
        while kept and kept[-1] == padding:
            kept = kept[:-1]
        text = self._tokenizer.decode(kept, skip_special_tokens=True)
        parsed = parse_verdict(text, format, self._template.result_marker).parsed
        finish = "verdict" if parsed else "end" if end in row else "length"
        return Completion(text=text, prompt_tokens=len(prompt), output_tokens=len(kept), finish=finish)
