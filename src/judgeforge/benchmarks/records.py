"""A benchmark: items to judge, and the gold verdicts that no judge sees."""

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict

from judgeforge.grading.records import DirectItem, Format, PairwiseItem

Gold = float | Literal["A", "B", "tie"]


class BenchmarkItem(BaseModel):
    """An item with its gold verdict.

    Args:
        gold: direct: the mean score of the graders; pairwise: the better response, or ``tie``.
        graders: the graders' single scores, whose agreement is the most that a judge can reach; empty where unknown.
        group: the part of the benchmark it belongs to (a family, a scenario group), for the breakdown; "" if none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    item: DirectItem | PairwiseItem
    gold: Gold
    graders: tuple[float, ...] = ()
    group: str = ""


class Benchmark(BaseModel):
    """A named set of items of one format.

    Args:
        notes: what the loader cleaned or left out, in sentences for the report.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    format: Format
    items: tuple[BenchmarkItem, ...]
    notes: tuple[str, ...] = ()

    def compute_digest(self) -> str:
        """Return the SHA-256 of format and items: two judges' figures compare only where it is the same."""
        whole = hashlib.sha256(self.format.encode())
        for entry in self.items:
            whole.update(f"\0{entry.model_dump_json()}".encode())
        return whole.hexdigest()
