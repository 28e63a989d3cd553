"""Flow runs as Prefect's server has them, asked over HTTP."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

import httpx
from played import wait_for

from tests.prefect_server import PrefectServer

ENDED = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


class FlowRuns(ABC):
    """What an installation can be asked about its flow runs.

    Its heir sets ``prefect`` and tells by ``describe`` what a person would want to read where a wait was in vain.
    """

    prefect: PrefectServer

    @abstractmethod
    def describe(self) -> str:
        """Return the logs' ends."""

    def start_flow(self, deployment: str, **parameters: Any) -> str:
        found = self.prefect.ask(f"deployments/name/{deployment}")
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.prefect.ask(f"deployments/{found['id']}/create_flow_run", body)["id"])

    def list_handed(self) -> Counter[str]:
        """Return how often each stage went to a machine and came back."""
        wanted = {"flows": {"name": {"any_": ["reproduce"]}}, "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
        return Counter(run["name"] for run in self.prefect.ask("flow_runs/filter", wanted))

    def read_state(self, run: str) -> str:
        return str(self.prefect.ask(f"flow_runs/{run}")["state_type"])

    def wait_until_ended(self, run: str, limit_s: float = 600) -> str:
        def is_done() -> bool:
            try:
                return self.read_state(run) in ENDED
            except httpx.HTTPError:  # a test may have stopped the server
                return False

        wait_for(is_done, limit_s, self.describe)
        return self.read_state(run)

    def cancel(self, run: str) -> None:
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
        self.prefect.ask(f"flow_runs/{run}/set_state", body)
