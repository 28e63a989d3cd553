"""Where a judge's text stands with regard to its verdict, token by token: when to stop, what a verdict's chances are.

The probability of a verdict is that of its tokens (``4`` and `` 4``) at the token that spells the verdict, divided by
the sum over all verdicts of the format: what the model spends on other tokens there is left out.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any, get_args

import torch

from judgeforge.engines.decoding import Row
from judgeforge.engines.protocol import Conversation, Generation
from judgeforge.errors import InputError
from judgeforge.grading.parsing import awaits_verdict, is_settled, parse_verdict
from judgeforge.grading.records import FIVE_POINTS, Format, Scale, list_verdicts

_TAIL_TOKENS = 16
"""The marker and a verdict fit into so many tokens; only these are decoded at each step."""


class Closing:
    """The closing of one batch of answers.

    Args:
        tokenizer: the judge's.
        marker: the template's result marker.
        generation: how to decode.
        formats: of each row, by its index.
        scales: likewise.
        ends: the tokens that end a turn.
    """

    def __init__(
        self,
        tokenizer: Any,
        marker: str,
        generation: Generation,
        formats: Callable[[int], Format],
        scales: Callable[[int], Scale] = lambda _: FIVE_POINTS,
        ends: Collection[int] | None = None,
    ) -> None:
        self._tokenizer, self._marker, self._generation = tokenizer, marker, generation
        self._formats, self._scales = formats, scales
        self._ends = set(ends or [tokenizer.eos_token_id])
        self._options = VerdictTokens(tokenizer)
        self._forced, self._leads = find_closing_tokens(tokenizer, marker)
        self._led = {
            format: [tokenizer.decode(lead[:count]) for count in range(len(lead))]
            for format, lead in self._leads.items()
        }

    def check(self, conversations: Sequence[Conversation]) -> None:
        """Make sure that the verdicts on ``conversations`` can be closed as asked; see ``VerdictTokens.check``."""
        self._options.check(conversations, self._generation)

    def watch(self, rows: Sequence[Row]) -> None:
        """Mark rows as done: at the end of the turn, at the limit, and once their verdict is settled."""
        tails = self._decode_tails(rows)
        for row, tail in zip(rows, tails, strict=True):
            ended = row.output[-1] in self._ends
            limit = len(row.output) >= self._generation.max_new_tokens
            chosen = self._generation.constrained and self._parses(row, tail)
            row.done = ended or limit or chosen or is_settled(tail, self._marker)
            if row.weighed is not None:
                # Chances are those of the verdict only if a verdict was said there.
                said = any(row.output[-1] in tokens for tokens in self._find_options(row).values())
                row.probabilities = row.weighed if said else None
                row.weighed = None

    def choose(self, row: Row, logits: torch.Tensor) -> torch.Tensor:
        """Weigh the verdicts where one may be due; under a constraint, leave nothing else to choose there."""
        (tail,) = self._decode_tails([row])
        _, found, closing = tail.rpartition(self._marker)
        if not (found and awaits_verdict(closing)):
            return self._force_marker(row, logits) if self._generation.constrained else logits
        format = self._formats(row.index)
        if self._generation.constrained and closing in self._led[format]:
            # Judges are taught "[RESULT] 4": what stands between is a token of its own in many vocabularies, and right
            # behind the marker the model has no opinion on verdicts.
            return _leave(logits, [self._leads[format][self._led[format].index(closing)]])
        options = {name: torch.tensor(tokens, device=logits.device) for name, tokens in self._find_options(row).items()}
        masses = {name: logits[tokens].logsumexp(0) for name, tokens in options.items()}
        shares = torch.stack(list(masses.values())).softmax(0).tolist()
        row.weighed = dict(zip(masses, shares, strict=True))
        return _leave(logits, torch.cat(list(options.values())).tolist()) if self._generation.constrained else logits

    def _force_marker(self, row: Row, logits: torch.Tensor) -> torch.Tensor:
        """Leave only the marker's next token near the limit, and where the judge would end its turn without one."""
        left = self._generation.max_new_tokens - len(row.output) - 1
        room = len(self._forced) + len(self._leads[self._formats(row.index)])
        if not row.forced and left > room and int(logits.argmax()) not in self._ends:
            kept = logits.clone()
            kept[list(self._ends)] = float("-inf")
            return kept
        row.forced += 1
        return _leave(logits, [self._forced[(row.forced - 1) % len(self._forced)]])

    def _find_options(self, row: Row) -> dict[str, list[int]]:
        return self._options.find(self._formats(row.index), self._scales(row.index))

    def _parses(self, row: Row, tail: str) -> bool:
        return parse_verdict(tail, self._formats(row.index), self._marker, self._scales(row.index)).parsed

    def _decode_tails(self, rows: Sequence[Row]) -> list[str]:
        tails: list[str] = self._tokenizer.batch_decode(
            [row.output[-_TAIL_TOKENS:] for row in rows], skip_special_tokens=True
        )
        return tails


def _leave(logits: torch.Tensor, tokens: Sequence[int]) -> torch.Tensor:
    """Leave ``tokens`` alone to be chosen."""
    masked = torch.full_like(logits, float("-inf"))
    masked[list(tokens)] = logits[list(tokens)]
    return masked


def find_closing_tokens(tokenizer: Any, marker: str) -> tuple[list[int], dict[Format, list[int]]]:
    """Find the tokens of the marker and, by format, those that stand between it and a verdict as judges are taught it.

    In "[RESULT] 4" many vocabularies have a token of its own for the space, in "[RESULT] A" few.

    Args:
        tokenizer: the judge's.
        marker: the template's result marker.
    """

    def encode(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    forced = encode(f" {marker}")
    leads: dict[Format, list[int]] = {}
    for format in get_args(Format):
        endings = [encode(f" {marker} {name}")[len(forced) : -1] for name in list_verdicts(format, FIVE_POINTS)]
        leads[format] = endings[0] if all(ending == endings[0] for ending in endings) else []
    return forced, leads


class VerdictTokens:
    """Every token that says a verdict and nothing else.

    Args:
        tokenizer: the judge's.
    """

    def __init__(self, tokenizer: Any) -> None:
        texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
        self._tokens: dict[str, list[int]] = defaultdict(list)
        for token, text in enumerate(texts):
            self._tokens[text.strip(" ")].append(token)

    def find(self, format: Format, scale: Scale) -> dict[str, list[int]]:
        """Return the numbers of the tokens of each verdict."""
        return {name: self._tokens.get(name, []) for name in list_verdicts(format, scale)}

    def check(self, conversations: Sequence[Conversation], generation: Generation) -> None:
        """Make sure that each verdict is one token, where verdicts are chosen or weighed by their token.

        Raises:
            InputError: a score such as 10 is several.
        """
        if not (generation.expectation or generation.constrained):
            return
        for scale in sorted({each.scale for each in conversations if each.format == "direct"}):
            split = [name for name in list_verdicts("direct", scale) if not self._tokens.get(name)]
            if split:
                raise InputError(
                    f"Scores from {scale.describe()} cannot be weighed or constrained with this judge: "
                    f"{', '.join(split)} is more than one token.",
                    "set evaluate.expectation and evaluate.constrained to false, or use a scale of one digit.",
                )
