"""Keys, tokens, passwords and addresses of people. What was found is named by its kind, never quoted.

Detectors are those of detect-secrets that know a secret by its form; those that guess by entropy or by the word before
it are left out, since prose and code in responses set them off. All of their patterns together, as one expression of
Polars, pick the few rows that the detectors then read.
"""

import functools
from collections.abc import Iterable

import polars as pl
from detect_secrets.plugins import (
    aws,
    azure_storage_key,
    basic_auth,
    discord,
    github_token,
    gitlab_token,
    jwt,
    mailchimp,
    npm,
    openai,
    private_key,
    pypi_token,
    sendgrid,
    slack,
    square_oauth,
    stripe,
    telegram_token,
    twilio,
)
from detect_secrets.plugins.base import RegexBasedDetector

from judgeforge.prepare.quality.findings import EXAMPLES, Flags

COLUMNS = ("instruction", "response", "reference", "feedback")
"""Where to look: all that is written by people or models, row by row."""

_LOOK_AHEAD = r"(?!\w)"
"""Not in Rust's expressions; without it, they find a little more, and the detector decides."""
_EMAIL = r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}"
_RESERVED = r"(?i)@(?:[a-z0-9-]+\.)*(?:example\.(?:com|net|org|edu)|[a-z0-9-]+\.(?:example|test|invalid|localhost))$"
"""RFC 2606: domains that belong to nobody."""


def find_secrets(rows: pl.DataFrame) -> Flags:
    """Find rows with secrets."""
    pattern = _build_pattern()
    suspects = rows.select(
        pl.any_horizontal(pl.col(column).str.contains(pattern).fill_null(False) for column in COLUMNS)
    ).to_series()
    kinds: dict[int, list[str]] = {}
    places = suspects.arg_true()
    for place, texts in zip(places, rows[places].select(COLUMNS).iter_rows(), strict=True):
        if found := _list_kinds(text for text in texts if text is not None):
            kinds[place] = found
    return _build_flags(rows, kinds)


def find_emails(rows: pl.DataFrame) -> Flags:
    """Find rows with e-mail addresses."""
    addresses = pl.concat_list(
        pl.when(pl.col(column).str.contains("@", literal=True))
        .then(pl.col(column).str.extract_all(_EMAIL))
        .otherwise(pl.lit([], dtype=pl.List(pl.String)))
        .fill_null([])
        for column in COLUMNS
    )
    suspects = rows.select(
        pl.any_horizontal(pl.col(column).str.contains("@", literal=True).fill_null(False) for column in COLUMNS)
    ).to_series()
    places = suspects.arg_true()
    found = (
        rows[places]
        .select(addresses.list.eval(~pl.element().str.contains(_RESERVED)).list.any().fill_null(False))
        .to_series()
    )
    return _build_flags(rows, {place: ["E-mail address"] for place in places.filter(found)})


def _build_flags(rows: pl.DataFrame, kinds: dict[int, list[str]]) -> Flags:
    reasons: list[str | None] = [None] * rows.height
    by_kind: dict[str, list[str]] = {}
    for place, found in kinds.items():
        reasons[place] = "holds " + ", ".join(found)
        for kind in found:
            by_kind.setdefault(kind, []).append(rows["row_id"][place])
    details = {kind: {"count": len(ids), "examples": ids[:EXAMPLES]} for kind, ids in sorted(by_kind.items())}
    return Flags(pl.Series("reason", reasons, dtype=pl.String), {"kinds": details})


def _list_kinds(texts: Iterable[str]) -> list[str]:
    lines = [line for text in texts for line in text.splitlines()]
    return [
        detector.secret_type
        for detector in _build_detectors()
        if any(next(iter(detector.analyze_string(line)), None) is not None for line in lines)
    ]


@functools.cache
def _build_detectors() -> tuple[RegexBasedDetector, ...]:
    return (
        aws.AWSKeyDetector(),
        azure_storage_key.AzureStorageKeyDetector(),
        basic_auth.BasicAuthDetector(),
        discord.DiscordBotTokenDetector(),
        github_token.GitHubTokenDetector(),
        gitlab_token.GitLabTokenDetector(),
        jwt.JwtTokenDetector(),
        mailchimp.MailchimpDetector(),
        npm.NpmDetector(),
        openai.OpenAIDetector(),
        private_key.PrivateKeyDetector(),
        pypi_token.PypiTokenDetector(),
        sendgrid.SendGridDetector(),
        slack.SlackDetector(),
        square_oauth.SquareOAuthDetector(),
        stripe.StripeDetector(),
        telegram_token.TelegramBotTokenDetector(),
        twilio.TwilioKeyDetector(),
    )


@functools.cache
def _build_pattern() -> str:
    patterns = [pattern for detector in _build_detectors() for pattern in detector.denylist]
    parts = [
        f"(?{'im' if pattern.flags & 2 else 'm'}:{pattern.pattern.removesuffix(_LOOK_AHEAD)})" for pattern in patterns
    ]
    return "|".join(parts)
