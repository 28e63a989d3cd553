"""The scripts as they reach a machine: what stands in them, and what root's part does to it."""

import base64
import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from played_machine import render_machine, run_script, write_stub
from rented import ENVIRONMENT, Moto, Site
from terraformed import make_root

SCRIPTS = ("worker_script", "root_script", "watchdog_script")


@pytest.fixture
def rendered(infra: Path, site: Site) -> dict[str, Any]:
    return make_root(infra, site.variables()).render()


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
