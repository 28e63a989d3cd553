"""A version's evidence in MLflow's store. It is never changed: newer evidence for the same weights lies beside it."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from judgeforge.card.write import write_card
from judgeforge.errors import InputError
from judgeforge.promote.evidence import Evidence, compute_digest

EVIDENCE_TAG = "evidence_digest"
"""On the version: which evidence counts, and what it must amount to."""
_FIRST = "evidence"
_REMEDY = "evaluate and register it again."
_METRICS, _PAGE, _VERDICTS, _CARD = "metrics.json", "report.html", "verdicts", "card"


def digest_evidence(evidence: Evidence) -> str:
    """Return the digest of what is kept for a judge, whatever its files are called here."""
    with tempfile.TemporaryDirectory() as scratch:
        return compute_digest(*_lay_out(evidence, Path(scratch)), evidence.verdicts)


def log_evidence(client: Any, run_id: str, evidence: Evidence, proof: str = "") -> None:
    """Store a judge's evidence in a run; what a killed call has left of it is completed.

    Args:
        client: MLflow's.
        run_id: the run of the version.
        evidence: what to store.
        proof: its digest, if the version has other evidence already.
    """
    place = _name_place(proof) if proof else _FIRST
    with tempfile.TemporaryDirectory() as scratch:
        for path in _lay_out(evidence, Path(scratch)):
            client.log_artifact(run_id, str(path), place)
        client.log_artifacts(run_id, str(evidence.verdicts), f"{place}/{_VERDICTS}")
        for paper in evidence.papers:
            client.log_artifact(run_id, str(paper), place)
        write_card(evidence.find_card_places(), Path(scratch) / _CARD)
        client.log_artifacts(run_id, str(Path(scratch) / _CARD), f"{place}/{_CARD}")


def fetch_verdicts(client: Any, run_id: str, title: str, proof: str, folder: Path) -> Path:
    """Fetch the evaluation that counts for a version into ``folder``, and make sure that it is what was registered.

    Args:
        client: MLflow's.
        run_id: the version's run; empty: it has none.
        title: what to call the version.
        proof: the digest of its evidence.
        folder: where to put it.

    Raises:
        InputError: there is none, or somebody has changed the evidence in the store.
    """
    places = (_name_place(proof), _FIRST)
    held = {entry.path for place in places for entry in client.list_artifacts(run_id, place)} if run_id else set()
    place = next((each for each in places if f"{each}/{_VERDICTS}" in held), None)
    if place is None:
        raise InputError(f"The evidence of {title} has no verdicts.", _REMEDY)
    wanted = [f"{place}/{name}" for name in (_METRICS, _PAGE, _VERDICTS)]
    # Each is put where MLflow likes.
    kept = [Path(client.download_artifacts(run_id, path, str(folder))) for path in wanted if path in held]
    if compute_digest(*kept) != proof:
        raise InputError(f"The evidence of {title} is not what was registered.", _REMEDY)
    return kept[-1]


def _name_place(proof: str) -> str:
    return f"{_FIRST}-{proof[:12]}"


def _lay_out(evidence: Evidence, scratch: Path) -> tuple[Path, Path]:
    metrics, page = scratch / _METRICS, scratch / _PAGE
    shutil.copyfile(evidence.metrics, metrics)
    shutil.copyfile(evidence.page, page)
    return metrics, page
