"""A judge for the examples: behind ``judgeforge serve``, or in this process. Not a program; the examples import it."""

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

import httpx

VARIABLE = "JUDGEFORGE_TOKEN"
ITEMS = Path(__file__).with_name("items.json")


class JudgeFault(Exception):
    """The judge could not be asked; says why in one line.

    Args:
        problem: what is wrong.
        exit_code: as of judgeforge's commands: 75, try again later; 2, the same call fails again.
    """

    def __init__(self, problem: str, exit_code: int = 75) -> None:
        super().__init__(" ".join(problem.split()))
        self.exit_code = exit_code


class Judge(Protocol):
    """What the examples need of a judge."""

    name: str

    def grade(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return feedback, and score (None: no verdict) or choice (of an item with ``response_a`` and ``response_b``).

        Raises:
            JudgeFault: it could not be asked.
        """
        ...


class ServedJudge:
    """A judge behind ``judgeforge serve``. It may be asked from many threads: the service makes batches of them.

    Args:
        address: of the service, such as http://127.0.0.1:8080. The token comes from JUDGEFORGE_TOKEN.
        timeout_s: for one answer.

    Raises:
        JudgeFault: there is no service, or no judge is ready.
    """

    def __init__(self, address: str, timeout_s: float = 300) -> None:
        token = os.environ.get(VARIABLE)
        place = urlsplit(address)
        if token and place.scheme != "https" and place.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise JudgeFault(f"{VARIABLE} is not sent to {address}: a token goes by https, or to this machine.", 2)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # trust_env: a proxy has no place between this machine and itself.
        self._client = httpx.Client(base_url=address, headers=headers, timeout=timeout_s, trust_env=False)
        self.name = f"judgeforge:{self._read(lambda: self._client.get('/health/ready'))['model_version']}"

    def grade(self, item: dict[str, Any]) -> dict[str, Any]:
        """See ``Judge``."""
        path = "/grade/pairwise" if "response_a" in item else "/grade/direct"
        return self._read(lambda: self._client.post(path, json=item))

    def _read(self, ask: Callable[[], httpx.Response]) -> dict[str, Any]:
        try:
            answer = ask()
            content = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, json.JSONDecodeError) as error:
            address = self._client.base_url
            raise JudgeFault(f"no judge answers at {address}: {error or type(error).__name__}") from error
        if answer.status_code != 200 or not isinstance(content, dict):
            detail = content.get("detail") or content.get("status") if isinstance(content, dict) else ""
            code = 2 if 400 <= answer.status_code < 500 else 75
            raise JudgeFault(f"the judge's service answers {answer.status_code}: {detail}", code)
        return content


class LocalJudge:
    """A judge in this process, decoding by the section ``evaluate`` of params.yaml. One item at a time.

    Args:
        folder: the judge's; None: the champion of the registry.
    """

    def __init__(self, folder: Path | None) -> None:
        from judgeforge.cli.judges import load_judge  # noqa: PLC0415 - nothing else here needs judgeforge installed
        from judgeforge.errors import JudgeforgeError  # noqa: PLC0415
        from judgeforge.params import EvaluateParams, load_section  # noqa: PLC0415

        try:
            self._engine, self._template = load_judge(folder, None, load_section("evaluate", EvaluateParams))
        except JudgeforgeError as error:
            raise JudgeFault(str(error), error.exit_code) from error
        self.name = f"judgeforge:{folder.name if folder else 'champion'}"
        self._alone = threading.Lock()

    def grade(self, item: dict[str, Any]) -> dict[str, Any]:
        """See ``Judge``."""
        from judgeforge.cli.items import build_item  # noqa: PLC0415
        from judgeforge.engines.grading import grade_items  # noqa: PLC0415

        try:
            asked = build_item(item, 1, None)
            with self._alone:
                [(verdict, _)] = grade_items(self._engine, [asked], self._template)
        except ValueError as error:  # pydantic's
            raise JudgeFault(f"no item that a judge can grade: {error}", 2) from error
        return verdict.model_dump()


def load_items(path: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Load a file with ``rubric`` and ``items`` (instruction, response, reference)."""
    content = json.loads(path.read_text("utf-8"))
    return content["rubric"], content["items"]


def build_parser(description: str) -> argparse.ArgumentParser:
    """Build the options that all examples have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, default=ITEMS, help="JSON file: rubric and items (default: %(default)s)")
    return parser


def stop(fault: JudgeFault) -> NoReturn:
    """End with one line, and the exit code that judgeforge itself would end with."""
    sys.stderr.write(f"error: {fault}\n")
    raise SystemExit(fault.exit_code)
