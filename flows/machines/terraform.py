"""Terraform for one run: a copy of the configuration, a state of its own in the bucket, faults told by their kind."""

import contextlib
import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import tenacity

from flows.machines.detached import Ended, find_process, run_detached
from flows.machines.messages import classify, find_errors, find_lock, find_lock_time, shorten
from flows.machines.site import Site
from judgeforge.errors import EnvironmentFault, InputError, JudgeforgeError
from judgeforge.files import write_json

TERRAFORM_VARIABLE = "JUDGEFORGE_TERRAFORM"
SOURCE = Path("infra/terraform")
DESCRIPTION = "run.json"
"""In the folder of a run that was raised from there, and not only found by the reaper."""

_ROOT = "runner"
_VARIABLES = "judgeforge.auto.tfvars.json"
_UNSAVED = "errored.tfstate"
"""Where Terraform leaves the state when the bucket does not take it. Without it, what was made is forgotten."""

_LIMIT_S = 1800.0
_LOCK_AGE = timedelta(hours=2)
"""A lock of another machine that is older than any apply can be: its Terraform has died."""

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


class PassingFault(EnvironmentFault):
    """The provider did not answer, or was asked too often, or another Terraform is at work on the run."""


class CapacityFault(EnvironmentFault):
    """The provider has no such machine to give."""


class Terraform:
    """Terraform for one run.

    Args:
        site: the account.
        run: whose machines.
        folder: the run's, for the copy, the notes and the output.
        patience_s: how long faults that pass by themselves are waited for.
        log: takes what a person should know.
    """

    def __init__(self, site: Site, run: str, folder: Path, patience_s: float, log: Log) -> None:
        self._site, self._run_id, self._folder, self._log = site, run, folder.absolute(), log
        self._root = self._folder / "terraform" / _ROOT
        self._note = self._folder / "terraform.json"
        self._patience_s = patience_s
        self._is_open = False

    def apply(self, variables: Mapping[str, Any]) -> None:
        """Make what ``variables`` ask for.

        Raises:
            CapacityFault: there is no such machine to be had.
            PassingFault: the provider did not answer for longer than is waited for.
            InputError: it refuses, or the configuration is wrong.
        """
        self._prepare(variables)
        self._retrying("apply", "apply", "-json", "-auto-approve", "-input=false", "-lock-timeout=5s")

    def destroy(self, variables: Mapping[str, Any]) -> None:
        """Unmake all that the state names.

        Args:
            variables: any valid ones; Terraform asks for them even here.

        Raises:
            PassingFault, InputError: as ``apply``.
        """
        if not (self._root / _VARIABLES).is_file():
            self._prepare(variables)
        self._retrying("destroy", "destroy", "-json", "-auto-approve", "-input=false", "-lock-timeout=5s")

    def read_outputs(self) -> dict[str, Any]:
        """Return the outputs of the configuration."""
        text = self._retrying("output", "output", "-json").text
        return {name: output["value"] for name, output in json.loads(text).items()}

    def _prepare(self, variables: Mapping[str, Any]) -> None:
        if not (SOURCE / _ROOT).is_dir():
            raise InputError(f"There is no {SOURCE / _ROOT} here.", "run the flow in the repository's root.")
        ignored = shutil.ignore_patterns(".terraform", "*.tfstate*", "tests")
        shutil.copytree(SOURCE, self._root.parent, ignore=ignored, dirs_exist_ok=True)
        write_json(self._root / _VARIABLES, dict(variables))

    def _retrying(self, name: str, *arguments: str) -> Ended:
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(PassingFault),
            stop=tenacity.stop_after_delay(self._patience_s),
            wait=tenacity.wait_random_exponential(multiplier=2, min=1, max=30),
            before_sleep=self._tell,
            reraise=True,
        ):
            with attempt:
                self._open()
                return self._run(name, *arguments)
        raise AssertionError("tenacity ends by a result or an error")

    def _tell(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        self._log.warning("%s Tried again.", error.problem if isinstance(error, JudgeforgeError) else error)

    def _open(self) -> None:
        """Bring the copy in touch with the run's state, and give the state what it has missed."""
        if not self._is_open:
            self._run(
                "init",
                "init",
                "-input=false",
                "-no-color",
                "-reconfigure",
                f"-backend-config=bucket={self._site.state_bucket}",
                f"-backend-config=key={self._site.name_state(self._run_id)}",
                f"-backend-config=region={self._site.region}",
            )
            self._is_open = True
        if (self._root / _UNSAVED).is_file():
            self._log.info("Terraform could not save its state last time; it is saved now.")
            self._run("push", "state", "push", _UNSAVED)
            (self._root / _UNSAVED).unlink()

    def _run(self, name: str, *arguments: str) -> Ended:
        begun = time.monotonic()
        variables = {key: value for key, value in os.environ.items() if key != "TF_DATA_DIR"}
        ended = run_detached(
            [find_terraform(), *arguments],
            self._root,
            self._folder / f"{name}.log",
            variables | {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"},
            self._note,
            _LIMIT_S,
        )
        if ended.code == 0:
            self._log.info("terraform %s: done in %.0f s.", name, time.monotonic() - begun)
            return ended
        self._explain(name, ended)
        raise AssertionError("a failure is explained by an exception")

    def _explain(self, name: str, ended: Ended) -> None:
        if ended.code < 0:
            raise EnvironmentFault(
                f"terraform {name} was ended by signal {-ended.code}.",
                "what it made is found by its tags and ended; run again. Signal 9 often means too little memory.",
            )
        errors = find_errors(ended.text)
        problem = f"terraform {name}: {shorten(errors) or f'exit status {ended.code}'}"
        if ended.timed_out:
            raise PassingFault(
                f"terraform {name} took over {_LIMIT_S / 60:.0f} minutes.", "look at the cloud's status."
            )
        fault = classify(errors)
        if fault == "locked" and name != "unlock":
            self._unlock(errors)
            raise PassingFault(problem, "wait for the other Terraform, or see docs/machines.md on locks.")
        if fault in {"unreachable", "throttling"}:
            raise PassingFault(problem, "try again once the cloud answers.")
        if fault == "capacity":
            raise CapacityFault(
                problem, "name other types in runner.machines, more subnets in the site's file, or wait."
            )
        if fault == "denied":
            raise InputError(problem, "check the credentials and what they permit (docs/machines.md).")
        raise InputError(
            problem, f"read {self._folder / f'{name}.log'}; the site's file and runner decide what is asked."
        )

    def _unlock(self, text: str) -> None:
        """Take a lock away whose Terraform is dead: one of this folder that is at work no more, or a very old one."""
        lock, since = find_lock(text), find_lock_time(text)
        if lock is None or find_process(self._note):
            return
        is_old = since is not None and datetime.now(UTC) - _parse_time(since) > _LOCK_AGE
        is_ours = f"@{socket.gethostname()}" in text and (self._folder / DESCRIPTION).is_file()
        if is_old or is_ours:
            self._log.warning("The lock %s was left by a Terraform that is dead; it is taken away.", lock)
            with contextlib.suppress(JudgeforgeError):  # gone by itself, or the next try tells
                self._run("unlock", "force-unlock", "-force", lock)


def _parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)


def find_terraform() -> str:
    """Return the program: the one that JUDGEFORGE_TERRAFORM names, or the first on the PATH.

    Raises:
        InputError: there is none.
    """
    found = shutil.which(os.environ.get(TERRAFORM_VARIABLE) or "terraform")
    if found is None:
        raise InputError(
            "Machines are raised by Terraform, and there is no such program.",
            f"install it, or name it in {TERRAFORM_VARIABLE} ('make setup-infra' makes one for tests).",
        )
    return found
