"""From messages to what is sent to an endpoint, whose own defaults of decoding are never relied on.

A request may ask for a verdict, or for any text. Under a constraint a question takes two: one writes the feedback up to
the marker, the next, in which the judge's turn goes on behind the marker, may choose among the verdicts only (vLLM's
``structured_outputs``).
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from judgeforge.engines.endpoint.settings import EndpointSettings
from judgeforge.engines.protocol import Conversation, Generation, Sampling
from judgeforge.grading.parsing import is_settled
from judgeforge.grading.records import FIVE_POINTS, Format, Message, Scale, list_verdicts
from judgeforge.grading.rendering import join_system_message

CHARACTERS_PER_TOKEN = 4
"""English prose has about so many; the estimate where there is no tokenizer."""

CLOSING_TOKENS = 16
"""What is kept free for marker and verdict under a constraint."""

UNANSWERED = {"refused", "prompt_too_long"}
"""Ends of a reply that is no answer."""

_WAYS_BACK = {"stream", "stream_options"}


def estimate_tokens(text: str) -> int:
    """Estimate the number of tokens by the number of characters; those of other scripts take about a token each."""
    other = sum(not character.isascii() for character in text)
    return math.ceil((len(text) - other) / CHARACTERS_PER_TOKEN) + other


@dataclass(frozen=True)
class Request:
    """One request.

    Args:
        account: whose spending the answer is added to: the endpoint's address, or a name that several share.
        body: what is sent.
        format: of the verdict that is wanted; None: none is.
        marker: the template's result marker; "" where no verdict is wanted.
        draw: what tells draws at random from the same body apart; "" where all are the same.
        revision: of the model behind the name.
        before: the judge's text that the answer goes on from.
        scale: of the scores that may be given.
    """

    account: str
    body: dict[str, Any]
    format: Format | None
    marker: str
    draw: str
    revision: str | None = None
    before: str = ""
    scale: Scale = FIVE_POINTS

    @property
    def key(self) -> str:
        """A digest of all that could change the answer; how it is sent back could not."""
        body = {name: value for name, value in self.body.items() if name not in _WAYS_BACK}
        identity = [self.account, body, self.format, self.marker, self.draw, self.revision, self.scale]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    @property
    def prompt(self) -> str:
        """The text of all messages."""
        return "\n".join(message["content"] for message in self.body["messages"])

    def is_settled(self, text: str) -> bool:
        """Tell whether an answer that begins with ``text`` need not be read any further."""
        return self.format is not None and is_settled(self.before + text, self.marker)


def build_request(
    conversation: Conversation, settings: EndpointSettings, generation: Generation, marker: str
) -> Request:
    """Build the request for an answer; under a constraint, for the part of it before the marker."""
    body = build_body(conversation.messages, settings, generation, conversation.sample)
    if generation.constrained:
        body |= {"stop": [marker], settings.max_tokens_field: max(generation.max_new_tokens - CLOSING_TOKENS, 1)}
    elif generation.expectation:
        body |= _ask_for_probabilities(settings)
    draw = name_draw(settings, generation, conversation.sample)
    return Request(settings.url, body, conversation.format, marker, draw, settings.revision, scale=conversation.scale)


def build_closing_request(first: Request, feedback: str, settings: EndpointSettings, generation: Generation) -> Request:
    """Build the request for a verdict and nothing else behind ``feedback`` and the marker.

    Args:
        first: the request that gave the feedback.
        feedback: what the judge wrote, without the marker.
        settings: of the endpoint.
        generation: how to decode.
    """
    if first.format is None:
        raise ValueError("there is no verdict to close with")
    before = f"{feedback.rstrip()} {first.marker}".lstrip()
    body = {name: value for name, value in first.body.items() if name != "stop"}
    body |= {
        "messages": [*first.body["messages"], {"role": "assistant", "content": before}],
        "add_generation_prompt": False,
        "continue_final_message": True,
        "structured_outputs": {"choice": [f" {verdict}" for verdict in list_verdicts(first.format, first.scale)]},
        settings.max_tokens_field: CLOSING_TOKENS,
    }
    if generation.expectation:
        body |= _ask_for_probabilities(settings)
    return replace(first, body=body, before=before)


def build_body(
    messages: Sequence[Message], settings: EndpointSettings, sampling: Sampling, sample: int
) -> dict[str, Any]:
    """Build what is sent.

    Args:
        messages: a system message, if there is one, first.
        settings: of the endpoint.
        sampling: how to decode.
        sample: counts the independent answers to the same messages from 0.
    """
    messages = list(messages)
    if not settings.system_message and messages[0]["role"] == "system":
        messages = join_system_message(messages)
    # All of them, even those of no effect: vLLM would take what is missing from the model's generation_config.json.
    chosen: dict[str, Any] = sampling.model_dump(include={"temperature", "top_p", "repetition_penalty"})
    sent = {name: value for name, value in chosen.items() if name not in settings.omit}
    if settings.send_seed:
        sent["seed"] = sampling.seed + (sample if sampling.temperature else 0)
    if settings.stop_early:
        # Usage with every piece is vLLM's own; others pass it over and tell it at the end.
        sent |= {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    limit = {settings.max_tokens_field: sampling.max_new_tokens}
    return {"model": settings.model, "messages": messages} | sent | settings.extra_body | limit


def _ask_for_probabilities(settings: EndpointSettings) -> dict[str, Any]:
    return {"logprobs": True, "top_logprobs": settings.top_logprobs}


def name_draw(settings: EndpointSettings, sampling: Sampling, sample: int) -> str:
    """Name what tells answers to the same body apart; greedy ones are all the same."""
    if sampling.temperature == 0 and "temperature" not in settings.omit:
        return ""
    return f"seed {sampling.seed}, sample {sample}"
