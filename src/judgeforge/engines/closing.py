"""Where a judge's text stands with regard to its verdict, token by token: when to stop, what a verdict's chances are.

The probability of a verdict is that of its tokens (``4`` and `` 4``) at the place behind the marker, divided by the sum
over all verdicts of the format: what the model spends on other tokens there is left out.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch

from judgeforge.engines.decoding import Row
from judgeforge.engines.protocol import Conversation, Generation
from judgeforge.errors import InputError
from judgeforge.grading.parsing import is_settled, parse_verdict
from judgeforge.grading.records import FIVE_POINTS, Format, Scale, list_verdicts

_TAIL_TOKENS = 16
"""The marker and a verdict fit into so many tokens; only these are decoded at each step."""

_BETWEEN = " \n\t*_(:\"'`"
"""What may stand between marker and verdict."""


class Closing:
    """The closing of one batch of answers.

    Args:
        tokenizer: the judge's.
        marker: the template's result marker.
        generation: how to decode.
        formats: of each row, by its index.
        scales: likewise.
    """

    def __init__(
        self,
        tokenizer: Any,
        marker: str,
        generation: Generation,
        formats: Callable[[int], Format],
        scales: Callable[[int], Scale] = lambda _: FIVE_POINTS,
    ) -> None:
        self._tokenizer, self._marker, self._generation = tokenizer, marker, generation
        self._formats, self._scales = formats, scales
        self._options = VerdictTokens(tokenizer)
        self._forced = tokenizer(f" {marker}", add_special_tokens=False)["input_ids"]

    def check(self, conversations: Sequence[Conversation]) -> None:
        """Make sure that the verdicts on ``conversations`` can be closed as asked; see ``VerdictTokens.check``."""
        self._options.check(conversations, self._generation)

    def watch(self, rows: Sequence[Row]) -> None:
        """Mark rows as done: at the end of the turn, at the limit, and once their verdict is settled."""
        tails = self._decode_tails(rows)
        for row, tail in zip(rows, tails, strict=True):
            ended = row.output[-1] == self._tokenizer.eos_token_id
            limit = len(row.output) >= self._generation.max_new_tokens
            chosen = self._generation.constrained and self._parses(row, tail)
            row.done = ended or limit or chosen or is_settled(tail, self._marker)

    def choose(self, row: Row, logits: torch.Tensor) -> torch.Tensor:
        """Note the verdicts' probabilities where one is due; under a constraint, leave nothing else to choose."""
        (tail,) = self._decode_tails([row])
        options = self._options.find(self._formats(row.index), self._scales(row.index))
        if not self._is_due(tail):
            return self._force_marker(row, logits) if self._generation.constrained else logits
        masses = {name: logits[tokens].logsumexp(0) for name, tokens in options.items()}
        shares = torch.stack(list(masses.values())).softmax(0).tolist()
        row.probabilities = dict(zip(masses, shares, strict=True))
        if not self._generation.constrained:
            return logits
        allowed = torch.cat(list(options.values()))
        masked = torch.full_like(logits, float("-inf"))
        masked[allowed] = logits[allowed]
        return masked

    def _force_marker(self, row: Row, logits: torch.Tensor) -> torch.Tensor:
        """Leave only the marker's next token near the limit, and where the judge would end its turn without one."""
        left = self._generation.max_new_tokens - len(row.output) - 1
        ending = self._tokenizer.eos_token_id
        if not row.forced and left > len(self._forced) and int(logits.argmax()) != ending:
            kept = logits.clone()
            kept[ending] = float("-inf")
            return kept
        masked = torch.full_like(logits, float("-inf"))
        masked[self._forced[row.forced % len(self._forced)]] = 0
        row.forced += 1
        return masked

    def _is_due(self, tail: str) -> bool:
        _, found, closing = tail.rpartition(self._marker)
        return bool(found) and not closing.strip(_BETWEEN)

    def _parses(self, row: Row, tail: str) -> bool:
        return parse_verdict(tail, self._formats(row.index), self._marker, self._scales(row.index)).parsed

    def _decode_tails(self, rows: Sequence[Row]) -> list[str]:
        tails: list[str] = self._tokenizer.batch_decode(
            [row.output[-_TAIL_TOKENS:] for row in rows], skip_special_tokens=True
        )
        return tails


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
        self._found: dict[tuple[Format, Scale], dict[str, torch.Tensor]] = {}

    def find(self, format: Format, scale: Scale) -> dict[str, torch.Tensor]:
        """Return the numbers of the tokens of each verdict."""
        if (format, scale) not in self._found:
            names = list_verdicts(format, scale)
            self._found[format, scale] = {name: torch.tensor(self._tokens.get(name, [])) for name in names}
        return self._found[format, scale]

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
