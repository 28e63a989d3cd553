"""When texts of a benchmark and of a training set count as the same: for ``audit``, which names such benchmark items,
and for ``prepare``, which can leave such training rows out.
"""

from judgeforge.overlap.ngrams import find_covering, find_seen
from judgeforge.overlap.texts import find_equal, find_overlaps, normalise

__all__ = ["find_covering", "find_equal", "find_overlaps", "find_seen", "normalise"]
