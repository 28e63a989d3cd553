"""The worker's script, run for real: what it sets up, what it names where it cannot, and the pool that it joins."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from played_machine import MACHINE, render_machine, run_script, serve_metadata, wait_for, write_stub
from rented import Moto, Site, clean_environment
from terraformed import make_root

from tests.prefect_server import PrefectServer

NASTY = 'it\'s "$(touch pwned)" `touch pwned` $HOME \\ ; touch pwned\n#'


@pytest.fixture
def repository(tmp_path: Path) -> tuple[str, str]:
    """A repository with two commits, of which the first is wanted: its address, and that commit."""
    folder = tmp_path / "origin"
    folder.mkdir()
    settings = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.invalid"}
    settings |= {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.invalid"}

    def git(*arguments: str) -> str:
        environment = os.environ | settings
        return subprocess.run(
            ["git", *arguments], cwd=folder, env=environment, text=True, capture_output=True, check=True
        ).stdout.strip()

    git("init", "-q")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (folder / "marker").write_text("wanted")
    (folder / "Makefile").write_text(
        "setup:\n\tmkdir -p .venv/bin && cp stub/* .venv/bin/\n\techo $$JUDGEFORGE_EXTRAS >extras\n"
    )
    git("add", "-A")
    git("commit", "-qm", "Wanted")
    commit = git("rev-parse", "HEAD")
    (folder / "marker").write_text("later")
    git("commit", "-qam", "Later")
    return f"file://{folder}", commit


def test_the_worker_sets_the_project_up_at_its_commit(repository: tuple[str, str], tmp_path: Path) -> None:
    """By the project's own 'make setup', with secrets fetched, and values with every kind of quote."""
    address, commit = repository
    home = tmp_path / "home"
    home.mkdir()
    (home / "secret.place").write_text("a secret\n")
    stubs = tmp_path / "stubs"
    write_stub(stubs, "make", 'echo "$JUDGEFORGE_EXTRAS $*" >>"$JUDGEFORGE_HOME/made"; mkdir -p .venv/bin')
    write_stub(stubs, "dvc", 'echo "$*" >>"$JUDGEFORGE_HOME/dvc"')
    write_stub(stubs, "prefect", 'env -0 >"$JUDGEFORGE_HOME/env"; echo "$$ $PWD $*" >"$JUDGEFORGE_HOME/prefect"')
    script = render_machine(
        tmp_path,
        repository_url=address,
        commit=commit,
        remote_url="s3://artifacts/remote",
        environment={"NASTY": NASTY},
        secrets={"PREFECT_API_KEY": "place"},
        setup_targets=["setup", "setup-vllm"],
    )["worker_script"]
    path = f"{stubs}:{os.environ['PATH']}"
    for _ in range(2):  # systemd starts it again where it failed
        run_script(script, JUDGEFORGE_HOME=str(home), PLAYED_ID="one", PATH=path, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    checkout = home / "checkout"
    assert (checkout / "marker").read_text() == "wanted"
    made = [f"pipeline,train --no-print-directory {target}" for target in ("setup", "setup-vllm")]
    assert (home / "made").read_text().splitlines() == made * 2
    assert "remote add --quiet --default --force --local judgeforge s3://artifacts/remote" in (home / "dvc").read_text()
    pid, place, arguments = (home / "prefect").read_text().split(maxsplit=2)
    assert place == str(checkout) and pid == (home / "worker.pid").read_text().strip()
    assert arguments.strip() == "worker start --type process --pool gpu --limit 1 --name judgeforge-one"
    variables = dict(each.split("=", 1) for each in (home / "env").read_text().rstrip("\0").split("\0"))
    assert variables["NASTY"] == NASTY and variables["PREFECT_API_KEY"] == "a secret"
    assert variables["JUDGEFORGE_CHECKOUT"] == str(checkout) and variables["JUDGEFORGE_MACHINE"] == "one"
    assert variables["JUDGEFORGE_ENDING"] == str(home / "ending")
    assert variables["PATH"].startswith(f"{checkout}/.venv/bin:")
    assert not list(tmp_path.rglob("pwned")) and not (home / "preparing").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"repository_url": "file:///nowhere/at-all"}, "cannot be cloned. Remedy: "),
        ({"commit": "f" * 40}, "is not in file://"),
        ({"secrets": {"KEY": "missing"}}, "The secret missing cannot be read. Remedy: "),
    ],
)
def test_what_the_worker_lacks_is_named(
    changed: dict[str, Any], message: str, repository: tuple[str, str], tmp_path: Path
) -> None:
    address, commit = repository
    script = render_machine(tmp_path, **({"repository_url": address, "commit": commit} | changed))["worker_script"]
    quick = tmp_path / "quick"
    write_stub(quick, "sleep", "exit 0")
    done = run_script(
        script,
        check=False,
        JUDGEFORGE_HOME=str(tmp_path / "home"),
        PLAYED_ID="one",
        PATH=f"{quick}:{os.environ['PATH']}",
    )
    assert done.returncode == 75 and message in done.stderr
    assert not (tmp_path / "home" / "preparing").exists()  # so that the watchdog counts the machine as idle


def test_a_target_that_cannot_be_made_is_tried_again_and_named(repository: tuple[str, str], tmp_path: Path) -> None:
    address, commit = repository
    stubs, calls = tmp_path / "stubs", tmp_path / "calls"
    write_stub(stubs, "sleep", "exit 0")
    write_stub(stubs, "make", f'echo "$2" >>"{calls}"; [ "$2" = setup ]')
    changed: dict[str, Any] = {"repository_url": address, "commit": commit, "setup_targets": ["setup", "setup-vllm"]}
    script = render_machine(tmp_path, **changed)["worker_script"]
    added = {"JUDGEFORGE_HOME": str(tmp_path / "home"), "PLAYED_ID": "one"}
    done = run_script(script, check=False, PATH=f"{stubs}:{os.environ['PATH']}", **added)
    assert done.returncode == 75 and "could not be made: make setup-vllm. Remedy: " in done.stderr
    assert calls.read_text().split() == ["setup"] + ["setup-vllm"] * 5


@pytest.mark.parametrize("has_vllm", [True, False])
def test_an_image_without_vllm_is_refused_before_hours_of_training(
    has_vllm: bool, repository: tuple[str, str], tmp_path: Path
) -> None:
    address, commit = repository
    stubs, venv = tmp_path / "stubs", tmp_path / "venv" / "bin"
    for name in ("dvc", "prefect"):
        write_stub(stubs, name, f'echo "$0" >>"{tmp_path}/called"')
    venv.parent.mkdir()
    write_stub(venv, "python", f'exec {sys.executable} "$@"')
    if has_vllm:
        (tmp_path / "vllm.py").touch()
    changed: dict[str, Any] = {"repository_url": address, "commit": commit, "setup_targets": ["setup", "setup-vllm"]}
    script = render_machine(tmp_path, **changed)["worker_script"]
    added = {"JUDGEFORGE_HOME": str(tmp_path / "home"), "JUDGEFORGE_VENV": str(venv.parent), "PLAYED_ID": "one"}
    added |= {"PYTHONPATH": str(tmp_path), "PATH": f"{stubs}:{os.environ['PATH']}"}
    done = run_script(script, check=False, **added)
    assert done.returncode == (0 if has_vllm else 75), done.stderr
    assert (tmp_path / "called").exists() == has_vllm
    assert has_vllm or f"environment {venv.parent} has none. Remedy: " in done.stderr


def test_a_token_for_git_is_in_no_file_and_on_no_command_line(repository: tuple[str, str], tmp_path: Path) -> None:
    address, commit = repository
    home, stubs = tmp_path / "home", tmp_path / "stubs"
    home.mkdir()
    (home / "secret.git").write_text("t0ken")
    write_stub(stubs, "dvc", "exit 0")
    ask = "printf 'protocol=https\\nhost=git.example.org\\n\\n' | git credential fill"
    write_stub(stubs, "prefect", f'{ask} >"{tmp_path}/asked"')
    script = render_machine(tmp_path, repository_url=address, commit=commit, secrets={"GIT_TOKEN": "git"})[
        "worker_script"
    ]
    venv = tmp_path / "venv"
    write_stub(venv, "x", "")
    added = {"JUDGEFORGE_HOME": str(home), "JUDGEFORGE_VENV": str(venv), "PLAYED_ID": "one", "HOME": str(tmp_path)}
    run_script(script, PATH=f"{stubs}:{os.environ['PATH']}", **added)
    assert "password=t0ken" in (tmp_path / "asked").read_text()
    holders = [path for path in (home / "checkout").rglob("*") if path.is_file() and b"t0ken" in path.read_bytes()]
    assert holders == []


def test_the_worker_joins_the_pool_of_a_real_server(
    repository: tuple[str, str], infra: Path, site: Site, moto: Moto, tmp_path: Path
) -> None:
    """AWS's own functions, metadata on loopback, a parameter in moto, real git, DVC and Prefect."""
    import httpx

    address, commit = repository
    moto.client("ssm").put_parameter(Name="/judgeforge/hub", Value="from the store", Type="SecureString")
    prefect = PrefectServer(tmp_path / "server")
    api = prefect.address
    script = make_root(
        infra,
        site.variables(
            repository_url=address, commit=commit, prefect_api_url=api, secrets={"HF_TOKEN": "/judgeforge/hub"}
        ),
    ).render()["worker_script"]
    home, log = tmp_path / "home", tmp_path / "log"
    with serve_metadata() as metadata, log.open("wb") as output:
        added = moto.environment() | {"JUDGEFORGE_HOME": str(home), "JUDGEFORGE_VENV": sys.prefix, "DO_NOT_TRACK": "1"}
        added |= {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.address, "PREFECT_HOME": str(tmp_path / "prefect")}
        worker = None
        try:
            prefect.start()
            environment = clean_environment(**added)
            worker = subprocess.Popen(["bash", "-c", script], env=environment, stdout=output, stderr=output)

            def list_workers() -> list[str]:
                assert worker.poll() is None, log.read_text()
                answer = httpx.post(f"{api}/work_pools/gpu/workers/filter", json={}, timeout=10)
                return [each["name"] for each in answer.json()] if answer.is_success else []

            wait_for(lambda: list_workers() == [f"judgeforge-{MACHINE}"], "the worker is in the pool")
        finally:
            if worker:
                worker.terminate()
                worker.wait(timeout=60)
            prefect.stop()
        assert metadata.without_token == 0
    own = Path(f"{home}/checkout/.dvc/config.local").read_text()
    assert "s3://judgeforge-artifacts/remote" in own and f"endpointurl = {moto.address}" in own
    assert "from the store" not in log.read_text()
