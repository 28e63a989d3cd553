"""Which texts are almost the same: MinHash signatures of their runs of words, by rensa, and buckets of equal parts.

The estimate of the Jaccard similarity is the share of equal places in two signatures (Broder, 1997). Equal bands of the
signatures make candidates, and the whole signatures decide. Hashes are Polars' own: another version of it may hash, and
so estimate, otherwise.
"""

import numpy as np
import numpy.typing as npt
import polars as pl
from rensa import RMinHash

from judgeforge.params.quality import SimilarityParams

_WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]|[\p{L}\p{M}\p{N}]+"
"""Scripts without spaces: each character is a word."""
_SLICE = 10_000
_MIX = np.uint64(0x9E3779B97F4A7C15)
_RECALL = 0.99
"""Of pairs at the threshold, the share that becomes candidates at least."""

Hashes = npt.NDArray[np.uint64]
Signatures = npt.NDArray[np.uint32]


def compute_signatures(texts: pl.Series, params: SimilarityParams) -> Signatures:
    """Compute a signature of each text, a row each.

    Args:
        texts: case, punctuation and white space do not matter.
        params: size of the runs and of the signatures.
    """
    signatures = np.empty((len(texts), params.permutations), dtype=np.uint32)
    for start in range(0, len(texts), _SLICE):
        part = texts[start : start + _SLICE]
        hashes, offsets = _hash_runs(part.str.to_lowercase(), params.shingle_words)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, params.permutations, params.seed)
        signatures[start : start + len(part)] = matrix.to_rows()
    return signatures


def find_near(signatures: Signatures, groups: Hashes, threshold: float) -> npt.NDArray[np.int64]:
    """Name for each text the first kept one of its group that it is near to, or itself, which is then kept.

    Args:
        signatures: of ``compute_signatures``, in the order in which texts are kept.
        groups: texts of different groups are never near.
        threshold: of the estimated similarity.
    """
    kept = np.arange(len(signatures), dtype=np.int64)
    buckets: dict[int, list[int]] = {}
    for number, keys in _list_candidates(signatures, groups, threshold):
        others = np.array(sorted({other for key in keys for other in buckets.get(key, ())}), dtype=np.int64)
        if others.size:
            others = others[groups[others] == groups[number]]
            similar = (signatures[others] == signatures[number]).mean(axis=1) >= threshold
            if similar.any():
                kept[number] = others[similar][0]
                continue
        for key in keys:
            buckets.setdefault(key, []).append(number)
    return kept


def choose_band_size(permutations: int, threshold: float) -> int:
    """Choose the longest bands that let nearly all pairs at the threshold become candidates."""
    sizes = range(1, permutations + 1)
    return max(
        (size for size in sizes if 1 - (1 - threshold**size) ** (permutations // size) >= _RECALL),
        default=1,
    )


def _list_candidates(signatures: Signatures, groups: Hashes, threshold: float) -> list[tuple[int, list[int]]]:
    """List the texts that share a bucket with another one, in order, each with its shared buckets."""
    size = choose_band_size(signatures.shape[1], threshold)
    shared = []
    for band in range(signatures.shape[1] // size):
        key = (groups + np.uint64(band + 1)) * _MIX
        for column in signatures[:, band * size : (band + 1) * size].T:
            key = (key ^ column) * _MIX
            key ^= key >> np.uint64(29)
        frame = pl.DataFrame({"number": np.arange(len(key)), "key": key})
        shared.append(frame.filter(pl.col("key").is_duplicated()))
    together = pl.concat(shared).group_by("number").agg("key").sort("number")
    return list(together.iter_rows())


def _hash_runs(texts: pl.Series, size: int) -> tuple[Hashes, Hashes]:
    """Hash the runs of ``size`` words of all texts, one after the other, and tell where each text's begin and end."""
    words = texts.str.extract_all(_WORD)
    counts = words.list.len().to_numpy().astype(np.int64)
    hashes = words.filter(words.list.len() > 0).explode().hash(0).to_numpy()
    owners = np.repeat(np.arange(len(texts)), counts)
    length = max(0, len(hashes) - size + 1)
    runs = np.zeros(length, dtype=np.uint64)
    for place in range(size):
        runs = runs * _MIX + hashes[place : place + length]
    whole = owners[:length] == owners[size - 1 : size - 1 + length]
    runs, owners = runs[whole], owners[:length][whole]
    found = np.bincount(owners, minlength=len(texts))
    # A text of fewer words is one run: the text itself.
    short = np.flatnonzero(found == 0)
    starts = np.concatenate([[0], np.cumsum(found)])
    runs = np.insert(runs, starts[short], texts.gather(short).hash(0).to_numpy())
    offsets = np.concatenate([[0], np.cumsum(np.maximum(found, 1))]).astype(np.uint64)
    return runs, offsets
