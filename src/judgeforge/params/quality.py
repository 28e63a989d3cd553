"""Type of the section ``prepare.quality``: what is looked for in the rows, and what is done about it.

docs/data-quality.md says how each check looks, and what to do when it fails.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from judgeforge.params.section import Fraction, Positive, Section

Action = Literal["skip", "report", "quarantine"]
"""Not looked for; counted and reported; counted, and the rows set aside with the reason."""


def _can_be_defused(marker: str) -> str:
    if not re.search(r"[^\W_]", marker) or re.match(r"[\w\s(]", marker):
        raise ValueError(f"the marker {marker!r} needs a letter, and a sign such as '[' before it")
    return marker


Marker = Annotated[str, AfterValidator(_can_be_defused)]


class CheckParams(Section):
    """What every check has.

    Args:
        action: ``skip``, ``report`` or ``quarantine``.
        max_share: of the rows that the check looked at; where more are found, the stage fails. None: never.
    """

    action: Action
    max_share: Fraction | None


class SimilarityParams(Section):
    """How near-duplicates are found: MinHash over runs of words, candidates by locality-sensitive hashing.

    Args:
        threshold: estimated Jaccard similarity of two texts' runs of words from which they are near-duplicates.
        shingle_words: words in a run; a text of fewer words is one run.
        permutations: length of a signature: more of them estimate better (standard error at 128: up to 0.044).
        seed: of the hash functions.
    """

    threshold: Annotated[float, Field(gt=0, le=1)]
    shingle_words: Positive
    permutations: Annotated[int, Field(ge=16, le=1024)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]


class NearDuplicateParams(Section):
    """Rows that say again what an earlier one says, in almost the same words; the first is kept.

    Args:
        instructions: a row whose instruction is almost an earlier, different one. A set made from patterns
            ("Add 3 and 4.") is full of them.
        responses: a row whose response is almost that of an earlier row of the same instruction (or a near-duplicate
            of it), rubric and score. Another score is a contrast worth learning, and never counts.
        similarity: when two texts count as near.
    """

    instructions: CheckParams
    responses: CheckParams
    similarity: SimilarityParams


class MarkerParams(Section):
    """Verdict markers inside the texts that a judge reads: ``[RESULT] 5`` in a response tells the judge what to say.

    Args:
        action: ``neutralise`` writes ``(RESULT)`` for ``[RESULT]``; the others as in every check.
        max_share: as in every check.
        markers: the templates' closing markers; letters of any case and width, and invisible characters between
            them, count as well.
        columns: where to look.
    """

    action: Literal["skip", "report", "neutralise", "quarantine"]
    max_share: Fraction | None
    markers: tuple[Marker, ...] = Field(min_length=1)
    columns: tuple[Literal["instruction", "response", "reference", "feedback"], ...] = Field(min_length=1)


class LanguageParams(CheckParams):
    """Responses in a language that is rare in the set.

    Args:
        min_share: of the rows whose language is known; a language below it is rare.
        min_bytes: what a text needs of words, in UTF-8, for its language to be told (about as many Latin letters, a
            third as many Chinese characters); a shorter one is unknown, never rare.
        sample_characters: how much of a text is looked at, from its beginning.
    """

    min_share: Fraction
    min_bytes: Positive
    sample_characters: Positive


class LengthParams(CheckParams):
    """Responses and feedback of extraordinary length.

    Args:
        max_z: robust z-score of the logarithm of the characters (distance from the median in standard deviations, as
            the median absolute deviation estimates them) from which a row is an outlier, short or long.
    """

    max_z: Annotated[float, Field(gt=0)]


class BalanceParams(Section):
    """How even the verdicts are. Nothing is dropped for it.

    Args:
        max_score_share: of the rows with the most frequent score. None: never fails.
        max_position_lean: how far from half the share of pairs may be whose better response is A. None: never fails.
    """

    max_score_share: Fraction | None
    max_position_lean: Annotated[float, Field(ge=0, le=0.5)] | None


class OverlapParams(Section):
    """Rows whose instruction stands in a benchmark, by the rules of docs/contamination.md.

    Args:
        drop_overlap_with: benchmarks whose instructions must not be trained on: names of published ones, or YAML files
            of one's own. Empty: none; the stage ``audit`` then leaves the items out of the benchmarks instead.
        benchmarks_folder: where the published benchmark files are.
        ngram_words: as in ``audit``.
        ngram_share: as in ``audit``.
        max_share: as in every check.
    """

    drop_overlap_with: tuple[str, ...]
    benchmarks_folder: str | None
    ngram_words: Positive
    ngram_share: Annotated[float, Field(gt=0, le=1)]
    max_share: Fraction | None


class QualityParams(Section):
    """Checks of the rows, in the order in which they run; a row that one sets aside is not seen by the next.

    Args:
        processes: at most, the stage's own counted; the others tell languages. Changes no result. None: one a core.
        markers: verdict markers in what a judge reads.
        overlap: rows that stand in benchmarks.
        duplicates: rows that agree in instruction, response, rubric, reference, score and feedback; the first is kept.
        secrets: keys, tokens and passwords.
        emails: addresses, but for those of domains that are reserved for examples.
        language: responses in a rare language.
        lengths: extraordinary lengths.
        contradictions: feedback that states another score than the row's, or praises the lowest or condemns the
            highest one (English words).
        near_duplicates: almost the same rows.
        balance: of scores and positions.
    """

    processes: Positive | None
    markers: MarkerParams
    overlap: OverlapParams
    duplicates: CheckParams
    secrets: CheckParams
    emails: CheckParams
    language: LanguageParams
    lengths: LengthParams
    contradictions: CheckParams
    near_duplicates: NearDuplicateParams
    balance: BalanceParams
