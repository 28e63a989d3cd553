"""The engine on vLLM, in this process: continuous batching, cached prefixes, and an end once a verdict is settled.

Every request is added at once, equal beginnings side by side, and the engine's own step loop is driven here, since
``LLM.generate`` neither gives answers as they come nor ends one by what it says.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from judgeforge.engines.closing import VerdictTokens, find_closing_tokens
from judgeforge.engines.folders import ADAPTER_FILE, check_context, find_base, find_rank
from judgeforge.engines.probabilities import compute_shares
from judgeforge.engines.protocol import Completion, Conversation, Generation, check_closing
from judgeforge.engines.transformers import load_judge_tokenizer
from judgeforge.engines.vllm_setup import import_vllm, place_judge
from judgeforge.grading.parsing import awaits_verdict, is_settled, parse_verdict
from judgeforge.grading.records import Format
from judgeforge.grading.rendering import render_chat
from judgeforge.grading.templates import JudgeTemplate
from judgeforge.params import VllmParams

_MIN_BATCHED_TOKENS = 2048
_CPU_BLOCK_TOKENS = 32
"""Only whole blocks of a common beginning are shared, and vLLM's own choice on CPU is 128 tokens."""
_TAIL_TOKENS = 16
"""The marker fits into so many."""


@dataclass
class _Asked:
    """A request on its way: ``before`` is the judge's text that a verdict under a constraint goes on from."""

    index: int
    prompt: list[int]
    before: str | None = None
    before_tokens: tuple[int, ...] = ()


class VllmEngine:
    """A judge in a folder of safetensors, run by vLLM on the GPUs if there are any, otherwise on the CPU.

    Args:
        model_folder: weights or adapter, and tokenizer.
        template: the judge's own template; its marker tells where a verdict closes.
        generation: how to decode.
        base_folder: the base model of an adapter; None: the one that the adapter names.
        batch_size: conversations decoded together.
        dtype: name of a torch dtype.
        cpu_threads: threads on CPU; None: all cores.
        machine: what vLLM takes of the machine.

    Raises:
        EnvironmentFault: vLLM is not installed.
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
        machine: VllmParams,
    ) -> None:
        self._tokenizer = load_judge_tokenizer(model_folder)
        check_closing(generation, template.result_marker)
        self._marker, self._generation = template.result_marker, generation
        check_context(model_folder, base_folder, generation)
        self._verdict_tokens = VerdictTokens(self._tokenizer)
        self._forced, self._leads = find_closing_tokens(self._tokenizer, self._marker)
        self._vllm = import_vllm(cpu_threads, machine.cpu_cache_gib)
        self._adapter: Any = None
        self._rank, self._adapters = 0, 0
        options: dict[str, Any] = {}
        weights = model_folder
        if (model_folder / ADAPTER_FILE).is_file():
            weights = find_base(model_folder, base_folder)
            self._rank = find_rank(model_folder)
            options = {"enable_lora": True, "max_lora_rank": self._rank}
            self.take_adapter(model_folder)
        self._llm = self._start(weights, options | place_judge(machine), batch_size, dtype)
        self._engine = self._llm.llm_engine
        self._requests = 0

    def take_adapter(self, adapter: Path) -> bool:
        """Go on with another adapter of the same base, where this engine was started with one of its rank or more."""
        if find_rank(adapter) > self._rank:
            return False
        self._adapters += 1
        # Its number tells it from the others, in vLLM's cache of beginnings, too.
        name = f"judge-{self._adapters}"
        self._adapter = self._vllm.lora.request.LoRARequest(name, self._adapters, str(adapter.resolve()))
        return True

    def close(self) -> None:
        """End vLLM's engine, and with it what it holds of the GPU's memory."""
        self._engine.engine_core.shutdown()
        del self._engine, self._llm

    def _start(self, weights: Path, options: Mapping[str, Any], batch_size: int, dtype: str) -> Any:
        length = self._generation.max_prompt_tokens + self._generation.max_new_tokens
        if not torch.cuda.is_available():
            options = {**options, "enforce_eager": True, "block_size": _CPU_BLOCK_TOKENS}
            if self._generation.temperature > 0:
                # On CPU, vLLM 0.32 dies of a seeded request whose prompt is read in chunks.
                tokens = max(_MIN_BATCHED_TOKENS, length)
                options |= {"enable_chunked_prefill": False, "max_num_batched_tokens": tokens}
        return self._vllm.LLM(
            str(weights),
            tokenizer=str(weights),
            dtype=dtype,
            max_model_len=length,
            max_num_seqs=batch_size,
            enable_prefix_caching=True,
            seed=self._generation.seed,
            disable_log_stats=True,
            **options,
        )

    def complete(self, conversations: Sequence[Conversation]) -> Iterator[tuple[int, Completion]]:
        """Yield (index, completion) as each is done; equal beginnings are asked side by side."""
        self._verdict_tokens.check(conversations, self._generation)
        texts = [render_chat(self._tokenizer, list(each.messages)) for each in conversations]
        encoded = self._tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        limit = self._generation.max_prompt_tokens
        asked: dict[str, _Asked] = {}
        for index, tokens in enumerate(encoded):
            if len(tokens) > limit:
                yield index, Completion(text="", prompt_tokens=len(tokens), output_tokens=0, finish="prompt_too_long")
        try:
            for index in sorted(range(len(texts)), key=lambda each: texts[each]):
                if len(encoded[index]) <= limit:
                    self._ask(asked, _Asked(index, encoded[index]), conversations[index])
            while asked:
                for output in self._engine.step():
                    if output.request_id in asked:
                        yield from self._receive(asked, output, conversations)
        finally:
            self._engine.abort_request(list(asked))

    def _ask(self, asked: dict[str, _Asked], request: _Asked, conversation: Conversation) -> None:
        self._requests += 1
        name = str(self._requests)
        asked[name] = request
        tokens = [*request.prompt, *request.before_tokens]
        parameters = self._build_parameters(request, conversation)
        self._engine.add_request(name, {"prompt_token_ids": tokens}, parameters, lora_request=self._adapter)

    def _build_parameters(self, request: _Asked, conversation: Conversation) -> Any:
        generation = self._generation
        chosen: dict[str, Any] = generation.model_dump(include={"temperature", "top_p", "repetition_penalty"})
        if generation.temperature > 0:
            text = f"{generation.seed}/{conversation.sample}/{request.prompt}"
            chosen["seed"] = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
        verdicts = [token for tokens in self._list_tokens(conversation).values() for token in tokens]
        closing = request.before is not None
        if generation.expectation and (closing or not generation.constrained):
            chosen["logprob_token_ids"] = verdicts
        if closing:
            chosen |= {"max_tokens": 1, "allowed_token_ids": verdicts}
        elif generation.constrained:
            room = len(self._forced) + len(self._leads[conversation.format]) + 1
            chosen |= {"max_tokens": max(generation.max_new_tokens - room, 1), "stop": [self._marker]}
        else:
            chosen["max_tokens"] = generation.max_new_tokens
        return self._vllm.SamplingParams(**chosen)

    def _list_tokens(self, conversation: Conversation) -> dict[str, list[int]]:
        return self._verdict_tokens.find(conversation.format, conversation.scale)

    def _receive(
        self, asked: dict[str, _Asked], output: Any, conversations: Sequence[Conversation]
    ) -> Iterator[tuple[int, Completion]]:
        (answer,) = output.outputs
        request = asked[output.request_id]
        conversation = conversations[request.index]
        settled = self._marker in answer.text and is_settled(answer.text, self._marker)
        if not (output.finished or settled):
            return
        del asked[output.request_id]
        if not output.finished:
            self._engine.abort_request([output.request_id])
        if self._generation.constrained and request.before is None:
            self._ask(asked, self._build_closing(request, answer, conversation.format), conversation)
            return
        yield request.index, self._read(request, answer, conversation)

    def _build_closing(self, request: _Asked, answer: Any, format: Format) -> _Asked:
        """Go on from the judge's own tokens: up to the marker, then the marker, then what leads to a verdict."""
        tokens = list(answer.token_ids)
        ends = {*self._tokenizer.all_special_ids}
        while tokens and (tokens[-1] in ends or self._marker in self._tokenizer.decode(tokens[-_TAIL_TOKENS:])):
            tokens.pop()
        tokens += [*self._forced, *self._leads[format]]
        text = f"{answer.text.rstrip()} {self._marker}".lstrip() + self._tokenizer.decode(self._leads[format])
        return _Asked(request.index, request.prompt, text, tuple(tokens))

    def _read(self, request: _Asked, answer: Any, conversation: Conversation) -> Completion:
        text = (request.before or "") + answer.text
        parsed = parse_verdict(text, conversation.format, self._marker, conversation.scale).parsed
        ended = answer.finish_reason == "stop"
        probabilities = None
        if self._generation.expectation and parsed:
            probabilities = self._find_probabilities(request, answer, conversation)
        return Completion(
            text=text,
            prompt_tokens=len(request.prompt),
            output_tokens=len(request.before_tokens) + len(answer.token_ids) - ended,
            finish="verdict" if parsed else "end" if ended else "length",
            probabilities=probabilities,
        )

    def _find_probabilities(self, request: _Asked, answer: Any, conversation: Conversation) -> dict[str, float] | None:
        options = self._list_tokens(conversation)
        verdicts = {token for tokens in options.values() for token in tokens}
        text = request.before or ""
        for position, token in enumerate(answer.token_ids):
            _, found, following = text.rpartition(self._marker)
            if token in verdicts and found and awaits_verdict(following):
                chances = {each: entry.logprob for each, entry in answer.logprobs[position].items()}
                return compute_shares(
                    {name: [chances[each] for each in tokens if each in chances] for name, tokens in options.items()}
                )
            text += self._tokenizer.decode([token])
        return None
