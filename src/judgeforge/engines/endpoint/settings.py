"""What is known of an endpoint, from a YAML file: address, abilities, limits, prices. The key's name, never the key."""

import hashlib
import json
import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx
import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from judgeforge.engines.protocol import Generation
from judgeforge.errors import InputError
from judgeforge.files import read_text

_OURS = {
    "add_generation_prompt",
    "continue_final_message",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "n",
    "repetition_penalty",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "structured_outputs",
    "temperature",
    "top_logprobs",
    "top_p",
}
"""Fields of a request that the engine decides about, so that ``extra_body`` cannot."""

_CHANGES_ANSWERS = {
    "base_url",
    "model",
    "system_message",
    "max_tokens_field",
    "send_seed",
    "omit",
    "extra_body",
    "top_logprobs",
    "structured_outputs",
    "revision",
}


class EndpointSettings(BaseModel):
    """An OpenAI-compatible chat endpoint and how it may be used (docs/engines.md has examples).

    Args:
        base_url: up to and without ``/chat/completions``.
        model: as the endpoint calls it.
        revision: any text that changes when the model behind that name does; answers of another one are not used.
        api_key_env: name of the environment variable that holds the key; None: no key is sent.
        allow_plain_http: send the key unencrypted to a host other than this one.
        concurrency: requests on their way at once.
        requests_per_minute: in any 60 seconds; None: no limit.
        tokens_per_minute: prompt and longest possible answer together, in any 60 seconds; None: no limit.
        timeout_s: for one whole answer.
        max_attempts: tries for one answer.
        first_wait_s: before the second try; it doubles with each, with as much again drawn at random.
        max_wait_s: no wait is longer; an endpoint that asks for a longer one ends the run.
        empty_attempts: tries until an empty answer is taken for the judge's own.
        budget_tokens: prompt and answer tokens that may be spent on this model in all, over all runs of one cache.
        price_per_million_input: in ``currency``; None: unknown.
        price_per_million_output: likewise.
        currency: of the prices.
        system_message: the endpoint takes one; otherwise its text stands at the head of the user's message.
        max_tokens_field: how the endpoint calls the limit of an answer.
        send_seed: whether to send a seed; each sample has its own.
        omit: settings of ``Generation`` that the endpoint does not take and that are not sent.
        extra_body: the vendor's own fields, sent as they are.
        stop_early: read the answer as it is written and hang up once its verdict is settled.
        top_logprobs: how many alternatives of a token the endpoint tells; None: it tells none.
        structured_outputs: the endpoint takes vLLM's ``structured_outputs`` and ``continue_final_message``.
        json_schema: the endpoint takes ``response_format`` with a JSON schema, for a teacher's answers in JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    model: Annotated[str, Field(min_length=1)]
    revision: Annotated[str, BeforeValidator(str)] | None = None  # YAML takes some for numbers or dates
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None
    allow_plain_http: bool = False
    concurrency: Annotated[int, Field(ge=1, le=1000)] = 8
    requests_per_minute: PositiveInt | None = None
    tokens_per_minute: PositiveInt | None = None
    timeout_s: PositiveFloat = 120.0
    max_attempts: PositiveInt = 6
    first_wait_s: PositiveFloat = 1.0
    max_wait_s: PositiveFloat = 120.0
    empty_attempts: PositiveInt = 2
    budget_tokens: PositiveInt | None = None
    price_per_million_input: Annotated[float, Field(ge=0)] | None = None
    price_per_million_output: Annotated[float, Field(ge=0)] | None = None
    currency: str = "USD"
    system_message: bool = True
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    send_seed: bool = False
    omit: tuple[Literal["temperature", "top_p", "repetition_penalty"], ...] = ()
    extra_body: dict[str, Any] = {}
    stop_early: bool = False
    top_logprobs: Annotated[int, Field(ge=1, le=100)] | None = None
    structured_outputs: bool = False
    json_schema: bool = False

    @field_validator("base_url")
    @classmethod
    def _is_plain_address(cls, address: str) -> str:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and name a host")
        try:
            parts.port, httpx.URL(address)
        except (ValueError, httpx.InvalidURL):
            raise ValueError("must be an address, with a port from 0 to 65535 if any") from None
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold no user, password or query; the key belongs into an environment variable")
        return address.rstrip("/")

    @field_validator("extra_body")
    @classmethod
    def _leaves_our_fields_alone(cls, body: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(_OURS & set(body)):
            raise ValueError(f"must not hold {', '.join(taken)}: the engine sets these")
        return body

    @model_validator(mode="after")
    def _keeps_the_key_to_itself(self) -> "EndpointSettings":
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and self.api_key_env and not (self.allow_plain_http or _is_loopback(parts.hostname)):
            raise ValueError(
                "base_url must begin with https:// where a key is sent; or set 'allow_plain_http: true' if whoever "
                "is on the way may read it"
            )
        return self

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"{self.base_url}/chat/completions"

    def compute_digest(self) -> str:
        """Return a digest of all that could change an answer; limits, prices and waits are left out."""
        return hashlib.sha256(
            json.dumps(self.model_dump(include=_CHANGES_ANSWERS), sort_keys=True).encode()
        ).hexdigest()

    def check_abilities(self, generation: Generation) -> None:
        """Make sure that the endpoint can do what ``generation`` asks for.

        Raises:
            InputError: it cannot.
        """
        if generation.expectation and self.top_logprobs is None:
            raise InputError(
                f"Scores by expectation need probabilities, and the endpoint of {self.model} is not said to tell any.",
                "set 'top_logprobs' in its settings if it does (20 is usual), or switch 'expectation' off.",
            )
        if generation.constrained and not self.structured_outputs:
            raise InputError(
                "A constrained verdict needs vLLM's structured outputs, "
                f"which the endpoint of {self.model} is not said to take.",
                "set 'structured_outputs: true' in its settings if it is 'vllm serve', or switch 'constrained' off.",
            )

    def read_key(self) -> SecretStr | None:
        """Read the key from the environment.

        Raises:
            InputError: the variable is not set, or holds what cannot be a key.
        """
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise InputError(
                f"The environment variable {self.api_key_env}, which holds the key for {self.base_url}, is not set.",
                "set it; or write 'api_key_env: null' if the endpoint wants no key.",
            )
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise InputError(
                f"The environment variable {self.api_key_env} holds white space or characters that no key has.",
                "set it to the key and nothing else.",
            )
        return SecretStr(key)


def _is_loopback(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def load_endpoint(path: Path) -> EndpointSettings:
    """Load the settings of an endpoint from a YAML file.

    Raises:
        InputError: not there, not YAML, or a missing, unknown or ill-typed key; what the key holds is not shown.
    """
    try:
        return EndpointSettings.model_validate(yaml.safe_load(read_text(path)))
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}" if place else ""
        raise InputError(f"{path} is not valid YAML{where}.", "correct it; docs/engines.md has examples.") from None
    except ValidationError as error:
        faults = [
            f"{'.'.join(str(part) for part in fault['loc']) or '(document)'}: {fault['msg']}"
            for fault in error.errors(include_input=False)
        ]
        raise InputError(f"{path}: {'; '.join(faults)}.", "correct it; docs/engines.md has examples.") from None
