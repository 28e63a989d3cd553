"""Terraform's words, as Terraform 1.11 and 1.15 and the AWS provider say them, and the fault that they mean."""

import json

import pytest

from flows.machines.messages import classify, find_errors, find_lock, find_lock_time, shorten

CAPACITY = (
    "creating EC2 Instance: operation error EC2: RunInstances, https response error StatusCode: 500, RequestID: 1, "
    "api error InsufficientInstanceCapacity: We currently do not have sufficient g6.xlarge capacity"
)
LOCKED = """
Error: Error acquiring the state lock

Error message: operation error S3: PutObject, https response error StatusCode: 412, api error PreconditionFailed
Lock Info:
  ID:        2d1f9f3a-5d57-0e3c-b1a3-93b7e2b6c1f0
  Path:      states/lab/run.tfstate
  Operation: OperationTypeApply
  Who:       somebody@machine
  Version:   1.11.4
  Created:   2026-11-26 14:08:11.123456789 +0000 UTC
"""


def say(summary: str, detail: str = "", severity: str = "error") -> str:
    diagnostic = {"severity": severity, "summary": summary, "detail": detail}
    return json.dumps({"@level": severity, "@message": summary, "type": "diagnostic", "diagnostic": diagnostic})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (CAPACITY, "capacity"),
        ("Error launching source instance: MaxSpotInstanceCountExceeded: Max spot instance count exceeded", "capacity"),
        ("SpotMaxPriceTooLow: Your Spot request price of 0.1 is lower than the minimum", "capacity"),
        ("VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 0", "capacity"),
        ("Launching a new EC2 instance. Status Reason: There is no Spot capacity available that matches", "capacity"),
        ("Your requested instance type (p5.48xlarge) is not supported in your requested Availability Zone", "capacity"),
        ("RequestLimitExceeded: Request limit exceeded.", "throttling"),
        ("api error Throttling: Rate exceeded", "throttling"),
        ('Post "https://ec2.eu.amazonaws.com/": dial tcp 127.0.0.1:5000: connect: connection refused', "unreachable"),
        ("RequestError: send request failed caused by: EOF", "unreachable"),
        ("UnauthorizedOperation: You are not authorized to perform this operation.", "denied"),
        ("api error AccessDenied: User is not authorized to perform: autoscaling:CreateAutoScalingGroup", "denied"),
        (LOCKED, "locked"),
        ("Invalid value for variable: disk_gib must be 30 at least", "other"),
        ("", "other"),
    ],
)
def test_faults_are_told_by_their_words(text: str, fault: str) -> None:
    assert classify(text) == fault


def test_what_no_repetition_mends_counts_before_what_it_does() -> None:
    assert classify(f"{CAPACITY}\nUnauthorizedOperation") == "denied"
    assert classify(f"{CAPACITY}\nconnection refused") == "capacity"


def test_errors_are_found_among_messages_and_warnings_are_none() -> None:
    text = "\n".join(
        [
            json.dumps({"@level": "info", "@message": "Plan: 3 to add", "type": "change_summary"}),
            say("Deprecated", "InsufficientInstanceCapacity is a word of a warning", "warning"),
            say("creating Auto Scaling Group", "AccessDenied"),
        ]
    )
    assert find_errors(text) == "creating Auto Scaling Group: AccessDenied"


def test_plain_text_without_any_message_is_searched_as_well() -> None:
    said = "Initializing...\n\x1b[31mError: Failed to get existing workspaces: AccessDenied\x1b[0m"
    assert find_errors(said).startswith("Error: Failed to get existing workspaces")


def test_a_killed_terraform_has_half_a_line() -> None:
    assert find_errors('{"@level":"info","@mess') == '{"@level":"info","@mess'


def test_the_lock_in_the_way_is_named_with_its_time() -> None:
    assert find_lock(LOCKED) == "2d1f9f3a-5d57-0e3c-b1a3-93b7e2b6c1f0"
    assert (find_lock_time(LOCKED) or "").startswith("2026-11-26 14:08:11")
    framed = "".join(f"│ {line}\n" for line in LOCKED.splitlines())
    assert find_lock(framed) == find_lock(LOCKED)
    assert (find_lock("Error: other"), find_lock_time("Error: other")) == (None, None)


def test_the_lock_is_found_in_the_form_that_terraform_gives_with_json() -> None:
    assert find_lock(find_errors(say("Error acquiring the state lock", LOCKED))) is not None


def test_long_errors_are_cut_to_one_line() -> None:
    line = shorten("│ one\n│ two\n" + "x" * 1000)
    assert line.startswith("one two xxx")
    assert "\n" not in line
    assert len(line) < 700
