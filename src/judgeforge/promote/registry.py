"""The registry: versions of the judge with their evidence, and the aliases challenger, champion and previous."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from judgeforge.errors import InputError
from judgeforge.files import read_text, write_json
from judgeforge.lineage import describe_lineage
from judgeforge.params import EvaluateParams, PromoteParams
from judgeforge.promote.decision import Record
from judgeforge.promote.evidence import Evidence, compute_digest
from judgeforge.promote.packaging import log_model, without_chatter
from judgeforge.tracking import open_client, stage_run, tracking_address, using_store
from judgeforge.tracking.store import http_limits

CHALLENGER, CHAMPION, PREVIOUS = "challenger", "champion", "previous"

FIRST_TAG = "first_champion"
"""On the version that was promoted when there was no champion."""

_WEIGHTS_TAG, _EVIDENCE_TAG, _JUDGE_TAG = "weights_digest", "evidence_digest", "judge"
_EVIDENCE_FOLDER = "evidence"
_METRICS_FILE, _PAGE_FILE = f"{_EVIDENCE_FOLDER}/metrics.json", f"{_EVIDENCE_FOLDER}/report.html"
_VERDICTS_FOLDER = f"{_EVIDENCE_FOLDER}/verdicts"


class JudgeVersion(BaseModel):
    """A registered judge.

    Args:
        name: the registered model's.
        number: the version's.
        run_id: the run that holds its evidence.
        judge: which judge of its metrics it is.
        created: whether this call made it.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    number: str
    run_id: str
    judge: str
    created: bool = False


def _as_version(found: Any, created: bool = False) -> JudgeVersion:
    judge = found.tags.get(_JUDGE_TAG, "")
    return JudgeVersion(
        name=found.name, number=str(found.version), run_id=found.run_id or "", judge=judge, created=created
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

    def register(self, evidence: Evidence, params: PromoteParams, engine: EvaluateParams) -> JudgeVersion:
        """Register a judge with its evidence as ``challenger``; the same weights are the same version again.

        Args:
            evidence: the judge's weights, metrics, report and verdicts.
            params: the section ``promote``.
            engine: the section ``evaluate``: the version grades with the settings it was evaluated with.
        """
        weights = compute_digest(evidence.model, evidence.base)
        proof = compute_digest(evidence.metrics, evidence.page, evidence.verdicts)
        with using_store():
            found = self._find(weights)
            if found is None:
                found = self._create(evidence, params, engine, {_WEIGHTS_TAG: weights, _EVIDENCE_TAG: proof})
                version = _as_version(found, created=True)
            else:
                version = _as_version(found)
                if found.tags.get(_EVIDENCE_TAG) != proof:
                    self._log_evidence(version.run_id, evidence)
                    self.client.set_model_version_tag(self.name, version.number, _EVIDENCE_TAG, proof)
            self.client.set_registered_model_alias(self.name, CHALLENGER, version.number)
        return version

    def find_alias(self, alias: str) -> JudgeVersion | None:
        """Return the version that carries ``alias``, or None."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            return _as_version(self.client.get_model_version_by_alias(self.name, alias))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            with using_store():
                raise

    def find_first_champion(self) -> JudgeVersion | None:
        """Return the version whose promotion had no predecessor, the last of them if there are several; or None."""
        with using_store():
            versions = self.client.search_model_versions(f"name = '{self.name}'")
        found = [each for each in versions if each.tags.get(FIRST_TAG) == "true"]
        return max((_as_version(each) for each in found), key=lambda each: int(each.number), default=None)

    def download_verdicts(self, version: JudgeVersion, folder: Path) -> Path:
        """Fetch a version's evaluation from its evidence into ``folder``.

        Raises:
            InputError: the evidence has none.
        """
        with using_store():
            kept = self.client.list_artifacts(version.run_id, _VERDICTS_FOLDER) if version.run_id else []
            if not kept:
                raise InputError(
                    f"The evidence of version {version.number} has no verdicts.", "evaluate and register it again."
                )
            return Path(self.client.download_artifacts(version.run_id, _VERDICTS_FOLDER, str(folder)))

    def record_decision(self, version: JudgeVersion, decision: Record) -> None:
        """Keep a decision with the version that it is about; earlier ones stay."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        with using_store(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{stamp}.json"
            write_json(path, decision.model_dump(mode="json"))
            self.client.log_artifact(version.run_id, str(path), "decisions")

    def crown(self, version: JudgeVersion, champion: JudgeVersion | None, tags: dict[str, str]) -> None:
        """Make ``version`` the champion, and the one before it ``previous``.

        Args:
            version: to be the champion.
            champion: the one before it, if any.
            tags: who, when and why; set before the alias moves, so that no champion is without them.
        """
        with using_store():
            for name, value in tags.items():
                self.client.set_model_version_tag(self.name, version.number, name, value)
            if champion is not None:
                self.client.set_registered_model_alias(self.name, PREVIOUS, champion.number)
            self.client.set_registered_model_alias(self.name, CHAMPION, version.number)

    def _find(self, digest: str) -> Any | None:
        versions = self.client.search_model_versions(f"name = '{self.name}'")
        return next((each for each in versions if each.tags.get(_WEIGHTS_TAG) == digest), None)

    def _log_evidence(self, run_id: str, evidence: Evidence) -> None:
        self.client.log_text(run_id, read_text(evidence.metrics), _METRICS_FILE)
        self.client.log_text(run_id, read_text(evidence.page), _PAGE_FILE)
        self.client.log_artifacts(run_id, str(evidence.verdicts), _VERDICTS_FOLDER)

    def _create(self, evidence: Evidence, params: PromoteParams, engine: EvaluateParams, tags: dict[str, str]) -> Any:
        import mlflow  # noqa: PLC0415

        tags |= {_JUDGE_TAG: evidence.judge} | describe_lineage()
        mlflow.set_tracking_uri(tracking_address())
        with stage_run(f"register-{evidence.judge}", params.model_dump(), tags) as run:
            self._log_evidence(run.run_id, evidence)
            # MLflow ends its run even after a failure, and would ask a server that is away for minutes.
            with http_limits(retries=3, timeout_s=120), mlflow.start_run(run_id=run.run_id):
                address = log_model(evidence, engine, params)
                with without_chatter():
                    return mlflow.register_model(address, self.name, tags=tags)
