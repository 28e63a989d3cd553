"""From what an endpoint sends back to an answer: text, why it ended, tokens, and the chances of each verdict."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from judgeforge.engines.endpoint.requests import Request, estimate_tokens
from judgeforge.engines.probabilities import compute_shares
from judgeforge.grading.parsing import parse_verdict
from judgeforge.grading.records import list_verdicts

_REFUSALS = {"content_filter", "refusal"}
"""Values of ``finish_reason`` that say that a filter, or the model, would not answer."""

_MOST_TOKENS = 10**9
"""No answer takes more; a larger number is garbage."""


class Reply(BaseModel):
    """An answer to one request.

    Args:
        text: the judge's own, without what it went on from.
        finish: ``end`` of the turn (or a stop string), ``length``, ``refused`` or ``prompt_too_long``.
        prompt_tokens: as the endpoint counts them, or estimated where it does not tell.
        output_tokens: likewise, with the reasoning that is paid for and not shown.
        probabilities: see ``judgeforge.engines.protocol.Completion``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    finish: Literal["end", "length", "refused", "prompt_too_long"]
    prompt_tokens: int
    output_tokens: int
    probabilities: dict[str, float] | None = None


def join_parts(content: Any) -> str | None:
    """Read a message's content: text, nothing, or a list of parts, of which those of text count.

    Raises:
        ValueError: it is something else.
    """
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise ValueError("neither text nor parts of text")
    texts = [part.get("text") for part in content if part.get("type", "text") == "text"]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a part of text without text")
    return "".join(texts)


Content = Annotated[str | None, PlainValidator(join_parts)]
_Count = Annotated[int, Field(ge=0, le=_MOST_TOKENS)] | None


class Alternative(BaseModel):
    """A token and its log-probability."""

    token: str
    logprob: Annotated[float, Field(le=0.01)]


class TokenChances(Alternative):
    """A token of the answer, with those that could have stood there."""

    top_logprobs: list[Alternative] = []


class Message(BaseModel):
    """The judge's message, or a piece of it."""

    content: Content = None
    refusal: Content = None


class Logprobs(BaseModel):
    """The chances of the tokens of a message, or of a piece of it."""

    content: list[TokenChances] | None = None


class _Choice(BaseModel):
    message: Message
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Usage(BaseModel):
    """What an answer cost; None: not told."""

    prompt_tokens: _Count = None
    completion_tokens: _Count = None


class _Document(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: Usage | None = None


def load_document(content: bytes) -> Any:
    """Read JSON that somebody else wrote.

    Raises:
        ValueError: it is none, or is nested too deep to be read.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("nested too deep") from None


def describe_places(error: ValidationError) -> str:
    """Name the places that are not as they should be."""
    places = {".".join(str(part) for part in fault["loc"]) for fault in error.errors(include_input=False)}
    return ", ".join(sorted(places)) or "document"


def _mend_pairs(text: str) -> str:
    """Join the halves of characters that came apart; half a character alone is a ValueError."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


def parse_reply(document: Any, request: Request) -> Reply:
    """Read a chat completion.

    Raises:
        ValueError: it is none.
    """
    try:
        parsed = _Document.model_validate(document)
    except ValidationError as error:
        raise ValueError(f"no chat completion ({describe_places(error)})") from None
    choice, usage = parsed.choices[0], parsed.usage or Usage()
    refused = choice.finish_reason in _REFUSALS or bool(choice.message.refusal)
    text = "" if refused else _mend_pairs(choice.message.content or "")
    tokens = (choice.logprobs.content if choice.logprobs else None) or []
    return Reply(
        text=text,
        finish="refused" if refused else "length" if choice.finish_reason == "length" else "end",
        prompt_tokens=estimate_tokens(request.prompt) if usage.prompt_tokens is None else usage.prompt_tokens,
        output_tokens=estimate_tokens(text) if usage.completion_tokens is None else usage.completion_tokens,
        probabilities=compute_probabilities(_cut_to(text, tokens), request),
    )


def _cut_to(text: str, tokens: Sequence[TokenChances]) -> list[TokenChances]:
    """Leave out the last tokens that are not in the text: vLLM lists that of the turn's end, too.

    Lengths say nothing: each token of an emoji is listed as a character of its own.
    """
    kept = list(tokens)
    while kept and not text.endswith(kept[-1].token):
        kept.pop()
    return kept


def compute_probabilities(tokens: Sequence[TokenChances], request: Request) -> dict[str, float] | None:
    """Compute the probability of each verdict at the verdict's token: its share in that of all verdicts listed there.

    A verdict that is not among the alternatives counts as 0. None where there is no verdict.

    Args:
        tokens: of the answer.
        request: what it answers.
    """
    position = _find_verdict_token(tokens, request)
    if position is None or request.format is None:
        return None
    place = tokens[position]
    listed = {each.token: each.logprob for each in [place, *place.top_logprobs]}
    chances: dict[str, list[float]] = {name: [] for name in list_verdicts(request.format, request.scale)}
    for token, logprob in listed.items():
        if (name := token.strip(" ")) in chances:
            chances[name].append(logprob)
    return compute_shares(chances)


def _find_verdict_token(tokens: Sequence[TokenChances], request: Request) -> int | None:
    """Find the token that says the verdict which the parser reads: behind the first marker that closes the text."""
    if request.format is None:
        return None
    before, marker = request.before, request.marker
    text = before + "".join(each.token for each in tokens)
    start = text.find(marker)
    while start >= 0:
        behind = start + len(marker)
        following = text.find(marker, behind)
        verdict = parse_verdict(text[: following if following >= 0 else None], request.format, marker, request.scale)
        if verdict.parsed:
            name = str(verdict.choice if verdict.score is None else verdict.score)
            return _find_token(tokens, len(before), behind, name)
        start = following
    return None


def _find_token(tokens: Sequence[TokenChances], offset: int, behind: int, name: str) -> int | None:
    for position, each in enumerate(tokens):
        # A token that spells the verdict otherwise ("b", "(4") has no comparable alternatives, and gives None.
        if offset >= behind and each.token.strip(" ") == name:
            return position
        offset += len(each.token)
    return None
