"""What ``heal`` makes of runs that it cannot judge, or not end."""

import logging
from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from flows.heal import settle

LOG = logging.getLogger("test")


def test_the_failure_of_one_run_keeps_no_other_and_it_is_looked_at_again() -> None:
    said = {"alive": False, "lost": True, "stuck": True, "also lost": True, "not to be told": None}
    runs = [FlowRun(flow_id=uuid4(), name=name) for name in said]
    ended: list[str] = []

    def end(run: FlowRun) -> None:
        if run.name == "stuck":
            raise RuntimeError("the server refuses")
        ended.append(run.name)

    assert settle(runs, lambda run: said[run.name], end, LOG) == (ended, ["stuck", "not to be told"])
    assert ended == ["lost", "also lost"]


def test_a_run_that_cannot_be_asked_about_is_neither_lost_nor_forgotten() -> None:
    runs = [FlowRun(flow_id=uuid4(), name="one")]

    def judge(_: FlowRun) -> bool:
        raise ConnectionError("refused")

    assert settle(runs, judge, lambda _: None, LOG) == ([], ["one"])
