"""Verdict markers in the texts that a judge reads: what tells it the answer is made harmless, and counted.

``[RESULT] 5`` becomes ``(RESULT) 5``, and ``"verdict": 5`` becomes ``(verdict): 5``: the words stay, the signs around
them turn into parentheses, so a person still sees what stood there. Disguises count as well: letters of any case, width
or typeface, look-alikes of other alphabets, and invisible characters between them.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Sequence

import polars as pl

from judgeforge.params.quality import MarkerParams
from judgeforge.prepare.quality.findings import Flags, build_reasons
from judgeforge.prepare.quality.layout import find_rows, list_responses
from judgeforge.prepare.split import compute_prompt_id

_INVISIBLE = r"\u{00AD}\u{034F}\u{180E}\u{200B}-\u{200F}\u{202A}-\u{202E}\u{2060}-\u{2069}\u{FE00}-\u{FE0F}\u{FEFF}"
_SCANNED = (range(0x80, 0xD800), range(0xF900, 0x10000), range(0x1D400, 0x1D800), range(0x1F100, 0x1F200))
"""Where Unicode keeps compatibility forms: full width, mathematical, circled, squared."""
_OTHERS = {
    **{"a": "аАα", "c": "сСϲ", "d": "ԁ", "e": "еЕΕ", "i": "іІΙ", "k": "кКΚ", "l": "ӏΙ", "m": "мМΜ", "o": "оОοΟ"},
    **{"p": "рРΡ", "r": "г", "s": "ѕЅ", "t": "тТΤτ", "u": "υս", "v": "νѵ", "x": "хХΧ", "y": "уУΥ"},
    **{"[": "【〔❲⟦〖", "]": "】〕❳⟧〗", '"': "“”„‟″'‘’`"},
}
"""Look-alikes that Unicode does not fold: Cyrillic, Greek and Armenian letters, brackets and quotes."""
_OPENING = r"[\s:*_(\[\\\"'`“”]*"
_VERDICT = rf"((?i:{_OPENING}(?:(?:score|response|answer){_OPENING})?[+-]?(?:[0-9]+|(?:[AB]|tie)\b)))"
"""What ``grading.parsing`` would read as a verdict behind a key of JSON."""


def neutralise_markers(rows: pl.DataFrame, params: MarkerParams) -> tuple[pl.DataFrame, Flags]:
    """Find the markers, and rewrite them where that is the action.

    Args:
        rows: a changed instruction gets the ``prompt_id`` of its new text.
        params: of the check.

    Returns:
        the rows, and what was found in them as they came.
    """
    patterns = {marker: build_pattern(marker) for marker in params.markers}
    columns = [
        name for column in params.columns for name in (list_responses(rows) if column == "response" else [column])
    ]
    suspects = _find_suspects(rows, columns, params.markers)
    some = rows[suspects]
    either = "|".join(f"(?:{pattern})" for pattern in patterns.values())
    counts = some.select(pl.col(columns).str.count_matches(either).fill_null(0))
    places = pl.concat_list(pl.when(pl.col(column) > 0).then(pl.lit(column)) for column in columns)
    texts = counts.select(
        pl.when(pl.sum_horizontal(pl.all()) > 0).then(
            pl.lit("a verdict marker in ") + places.list.drop_nulls().list.join(", ")
        )
    ).to_series()
    reasons = build_reasons(rows.height).scatter(suspects, texts)
    changed: list[str] = [column for column in columns if counts[column].sum()]
    if params.action == "neutralise" and changed:
        for marker, pattern in patterns.items():
            some = some.with_columns(pl.col(changed).str.replace_all(pattern, _build_replacement(marker)))
        if "instruction" in changed:
            ids = [compute_prompt_id(text) for text in some["instruction"]]
            some = some.with_columns(
                prompt_id=pl.when(counts["instruction"] > 0).then(pl.Series(ids)).otherwise("prompt_id")
            )
            changed.append("prompt_id")
        rows = rows.with_columns(rows[column].scatter(suspects, some[column]) for column in changed)
    return rows, Flags(reasons, {"markers": {column: int(counts[column].sum()) for column in columns}})


def _find_suspects(rows: pl.DataFrame, columns: Sequence[str], markers: Sequence[str]) -> pl.Series:
    """Find the rows that may hold a marker, in a fraction of the time: its letters as they are, or foreign signs."""
    cores = [max(re.findall(r"[^\W_]+", marker), key=len) for marker in markers]
    plain = "(?i)" + "|".join(map(re.escape, cores))
    return find_rows(
        rows, columns, lambda text: text.str.contains(plain) | (text.str.len_bytes() != text.str.len_chars())
    )


def build_pattern(marker: str) -> str:
    """Build the regular expression (of Rust's crate) that finds a marker and its disguises.

    Args:
        marker: such as ``[RESULT]``. One that ends with a colon is a key of JSON, and counts only before a verdict.
    """
    parts = [_build_sign(marker[0])]
    for before, sign in itertools.pairwise(marker):
        # White space may stand beside the signs around the letters.
        spaces = "" if before.isalnum() and sign.isalnum() else r"\s"
        parts.append(f"[{spaces}{_INVISIBLE}]*{_build_sign(sign)}")
    return "".join(parts) + (_VERDICT if marker.endswith(":") else "")


def _build_replacement(marker: str) -> str:
    core = re.sub(r"^[\W_]+|[\W_]+$", "", marker)
    return f"({core}):${{1}}" if marker.endswith(":") else f"({core})"


def _build_sign(sign: str) -> str:
    # A quote may be escaped, in JSON within JSON.
    return (r"\\?" if sign == '"' else "") + _build_class(sign)


def _build_class(sign: str) -> str:
    forms = {sign.lower(), sign.upper(), *_list_forms().get(sign.casefold(), ""), *_OTHERS.get(sign.casefold(), "")}
    return "[" + "".join(f"\\u{{{ord(form):X}}}" for form in sorted(forms)) + "]"


@functools.cache
def _list_forms() -> dict[str, str]:
    forms: dict[str, str] = {}
    for code in (code for block in _SCANNED for code in block):
        folded = unicodedata.normalize("NFKC", chr(code)).casefold()
        if len(folded) == 1 and folded.isascii():
            forms[folded] = forms.get(folded, "") + chr(code)
    return forms
