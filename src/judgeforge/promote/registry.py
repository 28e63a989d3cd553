"""The registry: versions of the judge with their evidence, and the aliases challenger, champion and previous."""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from judgeforge.errors import InputError
from judgeforge.files import write_json
from judgeforge.lineage import describe_lineage, describe_packages
from judgeforge.params import EvaluateParams, PromoteParams
from judgeforge.promote.aliases import CHALLENGER, CHAMPION, FIRST_TAG, follow_ledger
from judgeforge.promote.decision import Record
from judgeforge.promote.evidence import Evidence, compute_digest
from judgeforge.promote.keeping import EVIDENCE_TAG, digest_evidence, fetch_verdicts, log_evidence
from judgeforge.promote.ledger import WEIGHTS_TAG, Entry, Ledger
from judgeforge.promote.packaging import log_model, without_chatter
from judgeforge.promote.succession import Succession, trace_succession
from judgeforge.promote.uploading import discard
from judgeforge.promote.versions import list_numbers, list_versions
from judgeforge.tracking import (
    PARENT_VARIABLE,
    is_forbidden,
    open_client,
    set_value,
    stage_run,
    tenacious_store,
    tracking_address,
)

_JUDGE_TAG, _PARENT_TAG = "judge", "parent_run"


class JudgeVersion(BaseModel):
    """A registered judge.

    Args:
        name: the registered model's.
        number: the version's.
        run_id: the run that holds its evidence.
        judge: which judge of its metrics it is.
        evidence: the digest of the evidence that counts for it.
        created: whether this call made it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    number: str
    run_id: str
    judge: str
    evidence: str = ""
    created: bool = False


def _as_version(found: Any, created: bool = False) -> JudgeVersion:
    return JudgeVersion(
        name=found.name,
        number=str(found.version),
        run_id=found.run_id or "",
        judge=found.tags.get(_JUDGE_TAG, ""),
        evidence=found.tags.get(EVIDENCE_TAG, ""),
        created=created,
    )


class Registry:
    """The versions and aliases of one registered model.

    Args:
        model_name: the registered model's name.

    Raises:
        EnvironmentFault: the store is not there.
    """

    def __init__(self, model_name: str) -> None:
        self.name = model_name
        self.client = open_client()
        self.ledger = Ledger(self.client, model_name)

    def settle(self) -> tuple[list[Entry], Succession, bool]:
        """Complete what an interrupted call left: bring the aliases to where the ledger's last entry has them.

        Returns:
            The ledger, what it amounts to, and whether anything was left to do.
        """
        _, changed = follow_ledger(self.client, self.name, self.ledger)
        return *self.read(), changed

    def read(self) -> tuple[list[Entry], Succession]:
        """Return the ledger, and what it amounts to, without changing anything."""
        entries = self.ledger.read()
        alias = None if entries else self.find_alias(CHAMPION)
        known = list_numbers(self.client, self.name)
        return entries, trace_succession(entries, alias.number if alias else None, known)

    def commit(self, entry: Entry, after: list[Entry]) -> None:
        """Write an entry into the ledger, if nobody else has meanwhile, and let the aliases follow.

        Raises:
            OvertakenError: somebody has.
        """
        self.ledger.append(entry, after)
        self.settle()

    def register(self, evidence: Evidence, params: PromoteParams, engine: EvaluateParams) -> JudgeVersion:
        """Register a judge with its evidence as ``challenger``; the same weights are the same version again.

        Args:
            evidence: the judge's weights, metrics, report and verdicts.
            params: the section ``promote``.
            engine: the section ``evaluate``: the version grades with the settings it was evaluated with.
        """
        weights = compute_digest(evidence.model, evidence.base)
        proof = digest_evidence(evidence)
        made: Any = None
        if self._find(weights) is None:
            made = self._create(evidence, params, engine, {WEIGHTS_TAG: weights, EVIDENCE_TAG: proof})
        found = self._find(weights) or made
        version = _as_version(found, created=made is not None and str(made.version) == str(found.version))
        with tenacious_store():
            if found.tags.get(EVIDENCE_TAG) != proof:
                log_evidence(self.client, version.run_id, evidence, proof)
                set_value(self.client.set_model_version_tag, self.name, version.number, EVIDENCE_TAG, proof)
                version = version.model_copy(update={"evidence": proof})
            set_value(self.client.set_registered_model_alias, self.name, CHALLENGER, version.number)
        return version

    def find_alias(self, alias: str) -> JudgeVersion | None:
        """Return the version that carries ``alias``, or None."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with tenacious_store():
            try:
                return _as_version(self.client.get_model_version_by_alias(self.name, alias))
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def find_version(self, number: str) -> JudgeVersion:
        """Return a version.

        Raises:
            InputError: there is none of this number.
        """
        found = next((each for each in self.list_versions() if str(each.version) == number), None)
        if found is None:
            raise InputError(f"{self.name!r} has no version {number}.", "'judgeforge history' lists them.")
        return _as_version(found)

    def list_versions(self) -> list[Any]:
        """Return MLflow's records of all versions, the oldest first."""
        return list_versions(self.client, self.name)

    def find_first_champion(self) -> JudgeVersion | None:
        """Return the version whose promotion had no predecessor, the last of them if there are several; or None."""
        found = [each for each in self.list_versions() if each.tags.get(FIRST_TAG) == "true"]
        return _as_version(found[-1]) if found else None

    def download_verdicts(self, version: JudgeVersion, folder: Path) -> Path:
        """Fetch a version's evaluation from its evidence into ``folder``.

        Raises:
            InputError: the evidence has none, or is not what was registered.
        """
        with tenacious_store():
            title = f"version {version.number}"
            return fetch_verdicts(self.client, version.run_id, title, version.evidence, folder)

    def record_decision(self, version: JudgeVersion, decision: Record) -> None:
        """Keep a decision with the version that it is about; earlier ones stay."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        with tenacious_store(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{stamp}.json"
            write_json(path, decision.model_dump(mode="json"))
            self.client.log_artifact(version.run_id, str(path), "decisions")

    def _find(self, digest: str) -> Any | None:
        """Find the version of these weights, and remove copies that two registrations at a time have made of it.

        Numbers are given out one by one, so that everybody takes the same one for the first.
        """
        # The versions first: what the ledger gives up afterwards is still one of them.
        versions = [each for each in self.list_versions() if each.tags.get(WEIGHTS_TAG) == digest]
        collected = trace_succession(self.ledger.read()).collected
        first, *copies = [each for each in versions if str(each.version) not in collected] or [None]
        for each in copies:
            self._drop(each, first)
        return first

    def _drop(self, copy: Any, first: Any) -> None:
        """Delete a copy and its files, unless the first one has the same: a request whose answer was lost made both."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with tenacious_store():
            try:
                self.client.delete_model_version(self.name, str(copy.version))
                if copy.source != first.source:
                    discard(self.client, copy.source.removeprefix("models:/"))
            except MlflowException as error:
                # Another one was faster; or it is left to somebody who may: the first one is taken anyhow.
                if error.error_code != "RESOURCE_DOES_NOT_EXIST" and not is_forbidden(error):
                    raise

    def _create(self, evidence: Evidence, params: PromoteParams, engine: EvaluateParams, tags: dict[str, str]) -> Any:
        import mlflow  # noqa: PLC0415

        tags |= {_JUDGE_TAG: evidence.judge} | describe_lineage() | describe_packages()
        if parent := os.environ.get(PARENT_VARIABLE):
            tags[_PARENT_TAG] = parent
        mlflow.set_tracking_uri(tracking_address())
        with tenacious_store(), stage_run(f"register-{evidence.judge}", params.model_dump(), tags) as run:
            log_evidence(self.client, run.run_id, evidence)
            with mlflow.start_run(run_id=run.run_id):
                address = log_model(evidence, engine, params)
                with without_chatter():
                    # Its tags come with the version, at once: one without them would be nobody's.
                    return mlflow.register_model(address, self.name, tags=tags)
