"""The scripts as they reach a machine: what stands in them, and the worker's run for real."""

import base64
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from played_machine import MACHINE, render_machine, serve_metadata, wait_for
from rented import ENVIRONMENT, INFRA, Moto, Site, clean_environment, make_root

from tests.prefect_server import PrefectServer

SCRIPTS = ("worker_script", "root_script", "watchdog_script")
NASTY = 'it\'s "$(touch pwned)" `touch pwned` $HOME \\ ; touch pwned\n#'


@pytest.fixture
def rendered(infra: Path, site: Site) -> dict[str, Any]:
    return make_root(infra, site.variables()).render()


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


def run_script(script: str, *, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["bash", "-c", script], env=clean_environment(**environment), text=True, capture_output=True, check=False
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def write_stub(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("script", SCRIPTS)
def test_shellcheck_finds_nothing(script: str, rendered: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "script.sh"
    path.write_text(rendered[script])
    subprocess.run(["bash", "-n", path], check=True)
    shellcheck = [ENVIRONMENT / "bin" / "shellcheck", "--severity=warning", path]
    done = subprocess.run(shellcheck, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_machine_gets_these_very_scripts(infra: Path, site: Site, moto: Moto) -> None:
    root = make_root(infra, site.variables(machines=1))
    outputs = root.apply()
    ec2 = moto.client("ec2")
    (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=outputs["launch_template_id"])[
        "LaunchTemplateVersions"
    ]
    document = base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode()
    root.destroy()
    head, _, body = document.partition("\n")
    assert head == "#cloud-config"
    config = json.loads(body)
    files = {
        file["path"]: gzip.decompress(base64.b64decode(file["content"])).decode() for file in config["write_files"]
    }
    for script in SCRIPTS:
        assert files[f"/etc/judgeforge/{script.removesuffix('_script')}.sh"] == outputs[script]
    assert config["runcmd"] == [["/bin/bash", "/etc/judgeforge/root.sh"]]
    worker, watchdog = (files[f"/etc/systemd/system/judgeforge-{unit}.service"] for unit in ("worker", "watchdog"))
    assert "User=judgeforge" in worker and "NoNewPrivileges=yes" in worker
    # Stopping waits for the checkpoint, and a little longer.
    assert "TimeoutStopSec=70" in watchdog
    # What root writes lies in folders of root's, not in the worker's home, where a link could lead it anywhere.
    assert "StandardOutput=append:/var/log/judgeforge/worker.log" in worker
    place = "Environment=JUDGEFORGE_ENDING=/run/judgeforge/ending"
    assert place in worker and place in watchdog and "RuntimeDirectory=judgeforge" in watchdog


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


def call_aws(
    call: str, group: bool, moto: Moto, stubs: Path, metadata_address: str
) -> subprocess.CompletedProcess[str]:
    functions = (INFRA / "modules/gpu_runner/aws/functions.sh").read_text()
    write_stub(stubs, "systemctl", f'echo "$*" >>"{stubs}/systemctl.log"')  # never this machine's own
    environment = moto.environment() | {
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata_address,
        "machine_python": sys.executable,
        "PATH": f"{stubs}:{os.environ['PATH']}",
    }
    return run_script(f"in_group={'yes' if group else 'no'}\n{functions}\n{call}", check=False, **environment)


@pytest.mark.parametrize(("reason", "left"), [("idle", 1), ("life", 1), ("reclaimed", 2)])
def test_a_machine_of_a_group_ends_itself(
    reason: str, left: int, infra: Path, site: Site, moto: Moto, tmp_path: Path
) -> None:
    root = make_root(infra, site.variables(machines=2))
    outputs = root.apply()
    mine, other = outputs["instance_ids"]
    with serve_metadata() as metadata:
        metadata.answers["instance-id"] = mine
        assert call_aws(f"machine_end {reason}", True, moto, tmp_path / "stubs", metadata.address).returncode == 0
    alive = {each["InstanceId"] for each in moto.live_instances()}
    assert mine not in alive and other in alive
    (group,) = moto.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert group["DesiredCapacity"] == left
    assert not (tmp_path / "stubs" / "systemctl.log").exists()
    root.destroy()
    assert moto.live_instances() == []


@pytest.mark.parametrize("group", [False, True])
def test_a_machine_without_a_group_or_with_one_that_does_not_answer_powers_off(
    group: bool, moto: Moto, tmp_path: Path
) -> None:
    with serve_metadata() as metadata:
        call_aws("machine_end idle", group, moto, tmp_path / "stubs", metadata.address)
    assert (tmp_path / "stubs" / "systemctl.log").read_text() == "poweroff\n"


def test_a_spot_notice_is_seen(moto: Moto, tmp_path: Path) -> None:
    with serve_metadata() as metadata:
        assert call_aws("machine_reclaimed", True, moto, tmp_path / "stubs", metadata.address).returncode != 0
        metadata.answers["spot/instance-action"] = '{"action": "terminate", "time": "2026-01-31T23:00:00Z"}'
        assert call_aws("machine_reclaimed", True, moto, tmp_path / "stubs", metadata.address).returncode == 0
        assert metadata.without_token == 0
    # A metadata service that is gone is no notice.
    assert call_aws("machine_reclaimed", True, moto, tmp_path / "stubs", metadata.address).returncode != 0


LSBLK = """\
case "$*" in
  "-dnpo NAME,TYPE")
    for disk in root0 used0 odd0 free0 free1; do echo "/dev/$disk disk"; done
    echo "/dev/loop0 loop" ;;
  "-n /dev/root0") printf 'root0\\nroot0p1\\n' ;;
  "-n "*) echo one ;;
  "-dno MOUNTPOINT /dev/used0") echo /data ;;
esac"""


def render_root(tmp_path: Path) -> tuple[str, Path, Path, Path]:
    """The root part with every command that would change this machine replaced by one that notes its call."""
    home, stubs, calls = tmp_path / "var", tmp_path / "stubs", tmp_path / "calls"
    script = render_machine(tmp_path)["root_script"].replace("'/var/lib/judgeforge'", f"'{home}'")
    assert str(home) in script and "/var/log/judgeforge" in script
    script = script.replace("/var/log/judgeforge", f"{tmp_path}/log")
    for name in ("shutdown", "apt-get", "mkfs.ext4", "mount", "useradd", "chown", "systemctl"):
        write_stub(stubs, name, f'echo "{name} $*" >>"{calls}"')
    write_stub(stubs, "mountpoint", "exit 1")
    write_stub(stubs, "id", "exit 1")
    write_stub(stubs, "dpkg", '[ "$2" != make ]')
    write_stub(stubs, "lsblk", LSBLK)
    write_stub(stubs, "wipefs", '[ "$1" != /dev/odd0 ]')  # a disk that cannot be read is no empty disk
    return script, home, stubs, calls


@pytest.mark.parametrize(
    ("fitting", "image", "is_told"),
    [
        (None, "", True),
        (None, "JUDGEFORGE_VENV=\n", True),
        ("python3.12", "", False),
        (None, "JUDGEFORGE_VENV=/srv/venv\n", False),
    ],
)
def test_an_image_without_a_fitting_python_says_so(
    fitting: str | None, image: str, is_told: bool, tmp_path: Path
) -> None:
    script, _, stubs, calls = render_root(tmp_path)
    for name in ("python3.11", "python3", "python3.12"):
        write_stub(stubs, name, '[ "$1" = --version ] && echo "Python 3.10.12"')
    if fitting:
        write_stub(stubs, fitting, "exit 0")
    (tmp_path / "image.env").write_text(image)
    done = run_script(script, PATH=f"{stubs}:{os.environ['PATH']}", JUDGEFORGE_IMAGE=str(tmp_path / "image.env"))
    assert ("no Python 3.11 or 3.12 (Python 3.10.12)" in done.stderr) == is_told
    assert "Ubuntu 24.04 or Debian 12" in done.stderr or not is_told
    # The watchdog, which ends the machine, is started all the same.
    assert "systemctl enable --now judgeforge-watchdog.service" in calls.read_text()


def test_the_root_part_formats_the_first_empty_disk_and_no_other(tmp_path: Path) -> None:
    script, home, stubs, calls = render_root(tmp_path)
    run_script(script, PATH=f"{stubs}:{os.environ['PATH']}")
    assert calls.read_text().splitlines() == [
        "shutdown -P +255",
        "apt-get update -qq",
        "apt-get install -y -qq --no-install-recommends make",
        "mkfs.ext4 -q -m 0 /dev/free0",
        f"mount -o noatime,nosuid,nodev /dev/free0 {home}",
        f"useradd --system --home-dir {home} --shell /usr/sbin/nologin judgeforge",
        f"chown judgeforge: {home}",
        "systemctl daemon-reload",
        "systemctl enable --now judgeforge-watchdog.service",
        "systemctl enable --now --no-block judgeforge-worker.service",
    ]
