"""Keys, tokens, passwords and addresses of people. What was found is named by its kind, never quoted.

Detectors are those of detect-secrets that know a secret by its form; those that guess by entropy or by the word before
it are left out, since prose and code in responses set them off. Signs of them, then all of their patterns together, as
expressions of Polars, pick the few rows that the detectors then read.
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

from judgeforge.prepare.quality.findings import EXAMPLES, Flags, build_reasons
from judgeforge.prepare.quality.layout import find_rows, list_texts

_HOLDS = "holds "
_LOOK_AHEAD = r"(?!\w)"
"""Not in Rust's expressions; without it, they find a little more, and the detector decides."""
SIGNS = (
    r"AKIA|ASIA|ABIA|ACCA|A3T|AccountKey=|://|ghp_|gho_|ghu_|ghs_|ghr_|glpat-|gldt-|glft-|glsoat-|glrt-|glcbt-|glimt-|"
    r"glptt-|glagent-|gloas-|GR1348941|eyJ|-us|:_authToken|T3BlbkFJ|BEGIN |PuTTY|pypi-Ag|SG\.|sq0csp|k_live_",
    r"(?i)aws.{0,20}?(?:key|pwd|pw|password|pass|token)|xox[abposr]-",
    r"\.[a-zA-Z\d_-]{6}\.",
    r":[0-9A-Za-z_-]{35}",
    r"(?:AC|SK)[a-z0-9]{32}",
)
"""What a secret of any known form holds one of. Each begins with letters, which are found many bytes at a time: all of
them in 0.4 of the time of the patterns themselves."""
_EMAIL = r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}"
_RESERVED = r"(?i)@(?:[a-z0-9-]+\.)*(?:example\.(?:com|net|org|edu)|[a-z0-9-]+\.(?:example|test|invalid|localhost))$"
"""RFC 2606: domains that belong to nobody."""


def find_secrets(rows: pl.DataFrame) -> pl.Series:
    """Say of each row which kinds of secrets it holds; null: none."""
    columns = list_texts(rows)
    suspects = find_rows(rows, columns, lambda text: pl.any_horizontal(text.str.contains(sign) for sign in SIGNS))
    pattern = build_pattern()
    places = suspects.gather(find_rows(rows[suspects], columns, lambda text: text.str.contains(pattern)))
    reasons: list[str | None] = [None] * rows.height
    for place, texts in zip(places, rows[places].select(columns).iter_rows(), strict=True):
        if kinds := _list_kinds(text for text in texts if text is not None):
            reasons[place] = _HOLDS + ", ".join(kinds)
    return pl.Series("reason", reasons, dtype=pl.String)


def find_emails(rows: pl.DataFrame) -> pl.Series:
    """Say of each row whether it holds an e-mail address; null: none."""
    columns = list_texts(rows)
    places = find_rows(rows, columns, lambda text: text.str.contains("@", literal=True))
    addresses = pl.concat_list(pl.col(column).str.extract_all(_EMAIL).fill_null([]) for column in columns)
    own = rows[places].select(addresses.list.eval(~pl.element().str.contains(_RESERVED)).list.any().fill_null(False))
    return build_reasons(rows.height).scatter(places.filter(own.to_series()), f"{_HOLDS}E-mail address")


def describe_kinds(row_ids: pl.Series, reasons: pl.Series) -> Flags:
    """Count what was found by kind, with the first rows of each."""
    found = pl.DataFrame({"row_id": row_ids, "kind": reasons}).drop_nulls("kind")
    kinds = found.with_columns(pl.col("kind").str.strip_prefix(_HOLDS).str.split(", ")).explode("kind")
    counts = kinds.group_by("kind", maintain_order=True).agg(count=pl.len(), examples=pl.col("row_id").head(EXAMPLES))
    details = {kind: {"count": count, "examples": ids} for kind, count, ids in counts.sort("kind").iter_rows()}
    return Flags(reasons, {"kinds": details})


def _list_kinds(texts: Iterable[str]) -> list[str]:
    lines = [line for text in texts for line in text.splitlines()]
    return [
        detector.secret_type
        for detector in build_detectors()
        if any(next(iter(detector.analyze_string(line)), None) is not None for line in lines)
    ]


@functools.cache
def build_detectors() -> tuple[RegexBasedDetector, ...]:
    """Build those of detect-secrets that know a secret by its form."""
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
def build_pattern() -> str:
    """Build one expression of Rust's crate out of the patterns of all detectors."""
    patterns = [pattern for detector in build_detectors() for pattern in detector.denylist]
    parts = [
        f"(?{'im' if pattern.flags & 2 else 'm'}:{pattern.pattern.removesuffix(_LOOK_AHEAD)})" for pattern in patterns
    ]
    return "|".join(parts)
