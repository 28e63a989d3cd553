"""Real servers for tests, on loopback: MLflow's, with or without passwords, and PostgreSQL."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx


class Server:
    """``mlflow server`` on a loopback port that stays the same over restarts.

    Args:
        folder: for its files.
        backend: address of its database; None: an SQLite file in the folder.
        password: of its user ``admin``; None: everybody may do everything.
    """

    def __init__(self, folder: Path, backend: str | None = None, password: str | None = None) -> None:
        self.folder, self.password = folder, password
        self.backend = backend or f"sqlite:///{folder}/mlflow.db"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _settings(self) -> dict[str, str]:
        settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        if self.password is None:
            return settings
        secrets = {"MLFLOW_AUTH_ADMIN_PASSWORD": self.password, "MLFLOW_FLASK_SERVER_SECRET_KEY": "of tests only"}
        return settings | secrets | {"MLFLOW_AUTH_CONFIG_PATH": str(self.folder / "auth.ini")}

    def _ask_for_passwords(self) -> list[str]:
        if self.password is None:
            return []
        lines = ["[mlflow]", "default_permission = READ", f"database_uri = sqlite:///{self.folder}/auth.db"]
        lines += ["admin_username = admin", "auth_cache_ttl_seconds = 60"]
        lines += ["authorization_function = mlflow.server.auth:authenticate_request_basic_auth"]
        (self.folder / "auth.ini").write_text("\n".join(lines) + "\n")
        return ["--app-name", "basic-auth"]

    def start(self) -> None:
        """Start and wait until it answers."""
        options = ["--backend-store-uri", self.backend, "--workers", "1", *self._ask_for_passwords()]
        options += ["--artifacts-destination", str(self.folder / "artifacts"), "--host", "127.0.0.1"]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *options, "--port", str(self.port)],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env=os.environ | self._settings,
                start_new_session=True,
            )
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.address}/health", timeout=1).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
        raise RuntimeError((self.folder / "server.log").read_text()[-2000:])

    def stop(self) -> None:
        """Kill it and its workers."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None


def find_postgres() -> Path | None:
    """Return the folder of PostgreSQL's programs; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return places[-1] if places else None


@contextlib.contextmanager
def running_postgres(programs: Path, folder: Path) -> Iterator[str]:
    """Run a fresh PostgreSQL in ``folder`` and give the address of its database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = _choose_user(folder)
    data = folder / "data"
    _run([programs / "initdb", "-D", data, "-U", "mlflow", "--auth", "trust", "-E", "UTF8"], **user)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [str(programs / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    _run([*control, "-o", options, "start"], **user)
    try:
        yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"
    finally:
        _run([*control, "-m", "immediate", "stop"], **user)


def _run(command: list[Path | str], **user: Any) -> None:
    subprocess.run(command, check=True, capture_output=True, **user)


def _choose_user(folder: Path) -> dict[str, int]:
    """PostgreSQL refuses to run as root: take the user that its package made."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid}
