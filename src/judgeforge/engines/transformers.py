"""The engine on Hugging Face transformers: longest prompts first, and an early stop once a verdict is settled."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from judgeforge.engines.closing import Closing
from judgeforge.engines.decoding import Decoder, Row
from judgeforge.engines.folders import ADAPTER_FILE, check_context, find_base
from judgeforge.engines.kernels import CPU_ATTENTION, keep_head_input_whole, needs_plain_attention
from judgeforge.engines.protocol import Completion, Conversation, Generation, check_closing
from judgeforge.errors import InputError
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.rendering import render_chat
from judgeforge.grading.templates import JudgeTemplate


def load_judge_tokenizer(model_folder: Path) -> Any:
    """Load a judge's tokenizer, padding on the left as decoding wants it.

    Raises:
        InputError: there is no judge in the folder.
    """
    if not any((model_folder / name).is_file() for name in ("config.json", ADAPTER_FILE)):
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
    adapted = (model_folder / ADAPTER_FILE).is_file()
    base = find_base(model_folder, base_folder) if adapted else model_folder
    options = {"use_safetensors": True, "attn_implementation": choose_attention(base)}
    if not adapted:
        return AutoModelForCausalLM.from_pretrained(model_folder, dtype=wanted, **options)
    from peft import PeftModel  # noqa: PLC0415 - merged judges and the base need no peft

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, **options)
    return PeftModel.from_pretrained(model, model_folder).merge_and_unload().to(wanted)


def choose_attention(model_folder: Path) -> str:
    """Choose the fastest attention that computes what the model means."""
    if needs_plain_attention(AutoConfig.from_pretrained(model_folder)):
        return "eager"
    return "sdpa" if torch.cuda.is_available() else CPU_ATTENTION


class TransformersEngine:
    """A judge in a folder of safetensors, run on the GPU if there is one, otherwise on the CPU.

    Args:
        model_folder: weights or adapter, and tokenizer.
        base_folder: the base model of an adapter; None: the one that the adapter names.
        template: the judge's own template; its marker tells where a verdict closes.
        generation: how to decode.
        batch_size: conversations decoded together.
        dtype: name of a torch dtype.
        cpu_threads: torch threads on CPU; None leaves torch's choice.

    Raises:
        InputError: there is no model in the folder, or its context is shorter than prompts and answers may be.
    """

    def __init__(
        self,
        model_folder: Path,
        *,
        template: JudgeTemplate,
        generation: Generation,
        base_folder: Path | None = None,
        batch_size: int,
        dtype: str,
        cpu_threads: int | None,
    ) -> None:
        if cpu_threads is not None and not torch.cuda.is_available():
            torch.set_num_threads(cpu_threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer = load_judge_tokenizer(model_folder)
        check_context(model_folder, base_folder, generation)
        self._model = load_weights(model_folder, base_folder, dtype).to(self._device).eval()
        keep_head_input_whole(self._model)
        check_closing(generation, template.result_marker)
        self._marker, self._generation, self._batch_size = template.result_marker, generation, batch_size
        self._ends = self._find_ends()

    def take_adapter(self, adapter: Path) -> bool:
        """Decline: adapters are folded into the weights here."""
        return False

    def close(self) -> None:
        """Let go of the weights."""
        del self._model

    def _find_ends(self) -> frozenset[int]:
        """Find what ends a turn: the tokenizer's token, and those that the model's own settings add."""
        own = self._model.generation_config.eos_token_id
        listed = own if isinstance(own, list) else [own]
        return frozenset(token for token in (*listed, self._tokenizer.eos_token_id) if token is not None)

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        """Yield (index, completion) as each is done, longest prompts first: what does not fit shows at once."""
        decoder = self._build_decoder(conversations)
        prompts = [render_chat(self._tokenizer, list(each.messages)) for each in conversations]
        encoded = self._tokenizer(prompts, add_special_tokens=False)["input_ids"] if prompts else []
        limit = self._generation.max_prompt_tokens
        for index, prompt in enumerate(encoded):
            if len(prompt) > limit:
                yield index, Completion(text="", prompt_tokens=len(prompt), output_tokens=0, finish="prompt_too_long")
        fitting = [index for index, prompt in enumerate(encoded) if len(prompt) <= limit]
        # Equal prompts stand together, so that one reading serves all their samples.
        fitting.sort(key=lambda index: (-len(encoded[index]), prompts[index], index))
        for row in decoder.decode([(index, encoded[index], conversations[index].sample) for index in fitting]):
            yield row.index, self._read(row, conversations[row.index])

    def _build_decoder(self, conversations: Sequence[Conversation]) -> Decoder:
        closing = Closing(
            self._tokenizer,
            self._marker,
            self._generation,
            lambda index: conversations[index].format,
            lambda index: conversations[index].scale,
            self._ends,
        )
        closing.check(conversations)
        watched = self._generation.expectation or self._generation.constrained
        return Decoder(
            self._model,
            self._device,
            self._generation,
            rows=self._batch_size,
            padding=self._tokenizer.pad_token_id,
            choose=closing.choose if watched else None,
            watch=closing.watch,
        )

    def _read(self, row: Row, conversation: Conversation) -> Completion:
        ended = row.output[-1] in self._ends
        kept = row.output[:-1] if ended else row.output
        text = self._tokenizer.decode(kept, skip_special_tokens=True)
        parsed = parse_verdict(text, conversation.format, self._marker, conversation.scale).parsed
        return Completion(
            text=text,
            prompt_tokens=len(row.prompt),
            output_tokens=len(kept),
            finish="verdict" if parsed else "end" if ended else "length",
            probabilities=row.probabilities if self._generation.expectation and parsed else None,
        )
