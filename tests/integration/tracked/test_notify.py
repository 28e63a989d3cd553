"""Notifications through a real Prefect server, to a webhook and a mail server on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.tracked.receivers import receiving_mail, receiving_webhook

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SAVE = """
import json, sys
import flows
from flows.mail import JudgeforgeMail
from prefect.blocks.notifications import CustomWebhookNotificationBlock
hook, mail_port, closed = sys.argv[1:]
JudgeforgeMail.register_type_and_schema()
data = {"subject": "{{subject}}", "body": "{{body}}"}
for name, url in {"ops": hook, "broken": hook + "/broken", "secret": f"http://127.0.0.1:{closed}/s3cr3t-token"}.items():
    CustomWebhookNotificationBlock(name=name, url=url, json_data=data).save(name, overwrite=True)
JudgeforgeMail(host="127.0.0.1", port=int(mail_port), encryption="none", sender="judge@example.invalid",
               recipients=["bea@example.invalid", "carl@example.invalid"]).save("team", overwrite=True)
"""
FLOWS = """
import flows
from flows.notify import TELL, link_version, notify
from prefect import flow

@flow(name="inner", on_failure=TELL, on_crashed=TELL, on_cancellation=TELL)
def inner():
    raise ValueError("row 3 has no score")

@flow(name="outer", on_failure=TELL, on_crashed=TELL, on_cancellation=TELL)
def outer(nested):
    if nested:
        inner()
    raise ValueError("row 4 has no score")

@flow(name="fine")
def fine():
    return notify("promotion", "version 7 is champion", "It is better by 0.1.", link_version("my judge", "7"))
"""

HANG = """
import os, time
from pathlib import Path
import flows
from flows.notify import TELL
from prefect import flow

@flow(name="hang", on_failure=TELL, on_crashed=TELL, on_cancellation=TELL)
def hang():
    Path("pid.part").write_text(str(os.getpid()))
    Path("pid.part").rename("pid")
    time.sleep(600)

if __name__ == "__main__":
    hang.serve(name="nightly")
"""


@pytest.fixture(scope="module")
def told(prefect_server: dict[str, str]) -> Iterator[tuple[list[dict[str, Any]], list[str], Any]]:
    """Save blocks in the server; give what the webhook and the mail server got, and a function that runs code."""
    with receiving_webhook() as (hook, posts), receiving_mail() as (port, mails), socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        environment = os.environ | prefect_server | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}

        def run(code: str, *arguments: str, blocks: str = "") -> str:
            variables = {"JUDGEFORGE_NOTIFY_BLOCKS": blocks, "MLFLOW_TRACKING_URI": "http://u:pw@127.0.0.1:9/mlflow"}
            done = subprocess.run(
                [sys.executable, "-c", code, *arguments],
                env=environment | variables,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            return f"{done.returncode}\n{done.stdout}{done.stderr}"

        saved = run(SAVE, hook, str(port), str(closed.getsockname()[1]))
        assert saved.startswith("0"), saved
        yield posts, mails, run
    posts.clear()


def test_a_failed_flow_is_told_once_with_a_link_to_its_run(told: Any) -> None:
    posts, _, run = told
    posts.clear()
    said = run(FLOWS + "outer(nested=True)", blocks="custom-webhook/ops")
    assert said.startswith("1"), said
    assert [post["subject"].split(" (")[0] for post in posts] == ["judgeforge, failure: outer"], said
    assert "row 3 has no score" in posts[0]["body"]
    assert "Flow run: http://127.0.0.1:" in posts[0]["body"] and "/runs/flow-run/" in posts[0]["body"]


def test_a_promotion_goes_to_the_webhook_and_by_mail_with_links(told: Any) -> None:
    posts, mails, run = told
    posts.clear()
    said = run(FLOWS + "print(fine())", blocks="custom-webhook/ops, judgeforge-mail/team")
    assert "['custom-webhook/ops', 'judgeforge-mail/team']" in said, said
    assert "Version: http://***@127.0.0.1:9/mlflow/#/models/my%20judge/versions/7" in posts[0]["body"]
    assert "pw@" not in str(posts)
    assert "Subject: judgeforge, promotion: version 7 is champion" in mails[0]
    assert "To: bea@example.invalid, carl@example.invalid" in mails[0]
    assert "It is better by 0.1." in mails[0]


def test_who_cannot_be_told_is_logged_without_secrets_and_fails_nothing(told: Any) -> None:
    posts, _, run = told
    posts.clear()
    blocks = ["custom-webhook/secret", "custom-webhook/broken", "custom-webhook/nobody", "nonsense"]
    said = run(FLOWS + "print(fine())", blocks=",".join([*blocks, "custom-webhook/ops"]))
    assert said.startswith("0") and "['custom-webhook/ops']" in said, said
    for block in blocks:
        assert f"Not told of the promotion: block {block}: " in said
    assert "HTTP 500" in said
    assert "s3cr3t-token" not in said


def test_without_blocks_nothing_is_sent(told: Any) -> None:
    posts, _, run = told
    posts.clear()
    assert "[]" in run(FLOWS + "print(fine())")
    assert posts == []


def wait_for(found: Any, what: str, limit_s: float = 180) -> Any:
    deadline = time.monotonic() + limit_s
    while not (value := found()):
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
    return value


def test_a_flow_that_was_killed_is_told_by_whoever_started_it(
    told: Any, prefect_server: dict[str, str], tmp_path: Path
) -> None:
    posts, *_ = told
    posts.clear()
    (tmp_path / "hang.py").write_text(HANG)
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    variables = {"PYTHONPATH": paths, "JUDGEFORGE_NOTIFY_BLOCKS": "custom-webhook/ops"}
    with (tmp_path / "log").open("wb") as log:
        runner = subprocess.Popen(
            [sys.executable, "hang.py"],
            cwd=tmp_path,
            env=os.environ | prefect_server | variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = prefect_server["PREFECT_API_URL"]
    try:
        deployed = wait_for(
            lambda: httpx.get(f"{address}/deployments/name/hang/nightly", timeout=10).json().get("id"), "no deployment"
        )
        httpx.post(f"{address}/deployments/{deployed}/create_flow_run", json={}, timeout=10).raise_for_status()
        wait_for((tmp_path / "pid").exists, (tmp_path / "log").read_text()[-2000:])
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        wait_for(lambda: posts, "nobody was told")
    finally:
        os.killpg(runner.pid, signal.SIGKILL)
        runner.wait()
    assert posts[0]["subject"].startswith("judgeforge, failure: hang ("), posts
    assert posts[0]["subject"].endswith(" crashed")
    assert "/runs/flow-run/" in posts[0]["body"]
