"""Decode many prompts with one model: rows leave once they are done, and waiting prompts take their places.

A batch of transformers' ``generate`` runs until its slowest row is done. Here the batch stays full: when enough rows
have left, their cache is dropped and further prompts are read into the room. A row's tokens do not depend on its
neighbours but for rounding: it has its own stream of random numbers.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from judgeforge.engines.cache import build_cache
from judgeforge.engines.protocol import Generation

_REFILL_SHARE = 4
"""New prompts are read once a quarter of the rows are free: reading a few at a time costs more than it gains."""


@dataclass
class Row:
    """One prompt on its way.

    Args:
        index: of the prompt.
        prompt: its tokens.
        output: the tokens decoded so far.
        done: whether it takes no more tokens.
        forced: how many tokens of the marker were forced upon it.
        probabilities: see ``judgeforge.engines.protocol.Completion``.
        weighed: the probabilities of verdicts at the next token, until it shows whether it is one.
    """

    index: int
    prompt: list[int]
    generator: torch.Generator
    output: list[int] = field(default_factory=list)
    done: bool = False
    forced: int = 0
    probabilities: dict[str, float] | None = None
    weighed: dict[str, float] | None = None


Chooser = Callable[[Row, torch.Tensor], torch.Tensor]
"""From a row and its logits, (vocabulary,), to the logits to choose from; may weigh verdicts in the row."""
Watcher = Callable[[Sequence[Row]], None]
"""Marks rows as done after each token."""


class Decoder:
    """A model with the way to decode.

    Args:
        model: a causal language model on ``device``.
        device: where it is.
        generation: how to decode.
        rows: prompts decoded together.
        padding: the padding token.
        choose: see ``Chooser``; None leaves all logits as they are.
        watch: see ``Watcher``.
    """

    def __init__(
        self,
        model: Any,
        device: torch.device,
        generation: Generation,
        *,
        rows: int,
        padding: int,
        choose: Chooser | None,
        watch: Watcher,
    ) -> None:
        self._model, self._device, self._generation = model, device, generation
        self._rows, self._padding, self._choose, self._watch = rows, padding, choose, watch
        self._penalty: Any = None
        if generation.repetition_penalty != 1:
            self._penalty = RepetitionPenaltyLogitsProcessor(generation.repetition_penalty)
        self._warpers: Any = LogitsProcessorList()
        if generation.temperature > 0:
            self._warpers.append(TemperatureLogitsWarper(generation.temperature))
            if generation.top_p < 1:
                self._warpers.append(TopPLogitsWarper(generation.top_p))

    @torch.inference_mode()
    def decode(self, prompts: Sequence[tuple[int, list[int], int]]) -> Iterator[Row]:
        """Yield each row as it is done.

        Args:
            prompts: index, tokens and number of the sample; no prompt longer than those before it.
        """
        waiting = [Row(index, tokens, self._seed(tokens, sample)) for index, tokens, sample in reversed(prompts)]
        running: list[Row] = []
        cache, logits = None, torch.empty(0)
        while waiting or running:
            free = self._rows - len(running)
            if waiting and (not running or free * _REFILL_SHARE >= self._rows):
                new = [waiting.pop() for _ in range(min(free, len(waiting)))]
                read, last = self._read(new)
                cache, logits = (_join(cache, read), torch.cat([logits, last])) if running else (read, last)
                running += new
            self._append(running, logits)
            yield from (row for row in running if row.done)
            kept = [position for position, row in enumerate(running) if not row.done]
            if 0 < len(kept) < len(running):
                _drop(cache, running, kept)
            running = [running[position] for position in kept]
            if running:
                logits = self._step(cache, running)

    def _seed(self, tokens: list[int], sample: int) -> torch.Generator:
        text = f"{self._generation.seed}/{sample}/{tokens}"
        generator = torch.Generator(self._device)
        generator.manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]))
        return generator

    def _read(self, rows: Sequence[Row]) -> tuple[Any, torch.Tensor]:
        """Read the prompts of ``rows``, equal ones once; return their cache and the logits of the next token."""
        prompts: dict[tuple[int, ...], int] = {}
        which = [prompts.setdefault(tuple(row.prompt), len(prompts)) for row in rows]
        width = max(map(len, prompts))
        tokens = [[self._padding] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        cache = build_cache(self._model)
        logits = self._forward(cache, tokens, [len(prompt) for prompt in prompts])
        if len(prompts) < len(rows):
            chosen = torch.tensor(which, device=self._device)
            _select(cache, chosen, 0)
            logits = logits[chosen]
        return cache, logits

    def _step(self, cache: Any, rows: Sequence[Row]) -> torch.Tensor:
        lengths = [len(row.prompt) + len(row.output) for row in rows]
        return self._forward(cache, [[row.output[-1]] for row in rows], lengths)

    def _forward(self, cache: Any, tokens: list[list[int]], lengths: list[int]) -> torch.Tensor:
        """Run the model over new tokens.

        Args:
            cache: of the tokens before.
            tokens: (rows, new tokens), left-padded.
            lengths: tokens of each row, new ones included.

        Returns:
            the logits of the next token in float32, (rows, vocabulary).
        """
        ids = torch.tensor(tokens, device=self._device)
        width = cache.get_seq_length() + ids.shape[1]
        padding = width - torch.tensor(lengths, device=self._device).unsqueeze(1)
        columns = torch.arange(width, device=self._device)
        output = self._model(
            input_ids=ids,
            attention_mask=(columns >= padding).long(),
            position_ids=(columns - padding).clamp(min=0)[:, -ids.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1].float()
        return logits

    def _append(self, rows: Sequence[Row], logits: torch.Tensor) -> None:
        if self._penalty is not None:
            # A row's own first token pads it: a foreign one would be penalised.
            width = max(len(row.prompt) + len(row.output) for row in rows)
            texts = [row.prompt + row.output for row in rows]
            seen = torch.tensor([text + text[:1] * (width - len(text)) for text in texts], device=self._device)
            logits = self._penalty(seen, logits)
        if self._choose is not None:
            logits = torch.stack([self._choose(row, scores) for row, scores in zip(rows, logits, strict=True)])
        if self._generation.temperature == 0:
            chosen = logits.argmax(dim=-1).tolist()
        else:
            shares = self._warpers(None, logits).softmax(dim=-1)
            drawn = (
                torch.multinomial(share, 1, generator=row.generator) for row, share in zip(rows, shares, strict=True)
            )
            chosen = [int(token) for token in drawn]
        for row, token in zip(rows, chosen, strict=True):
            row.output.append(token)
        self._watch(rows)


def _join(cache: Any, read: Any) -> Any:
    for layer, other in zip(cache.layers, read.layers, strict=True):
        layer.join(other)
    return cache


def _drop(cache: Any, running: Sequence[Row], kept: Sequence[int]) -> None:
    """Keep the rows ``kept`` of the cache, without the columns in which none of them has a token."""
    # The newest token is chosen, but not yet in the cache.
    longest = max(len(running[position].prompt) + len(running[position].output) - 1 for position in kept)
    chosen = torch.tensor(kept, device=cache.layers[0].keys.device)
    _select(cache, chosen, cache.get_seq_length() - longest)


def _select(cache: Any, rows: torch.Tensor, first: int) -> None:
    for layer in cache.layers:
        layer.select(rows, first)
