"""The watchdog as rendered, run for real: why it ends a machine, and that a stage seals its checkpoint first."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from played_machine import render_machine, run_flow, run_watchdog, wait_for
from rented import clean_environment, require_infra


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    require_infra()
    return render_machine(tmp_path_factory.mktemp("rendered"), idle_minutes=10, max_life_minutes=240)


@pytest.fixture(scope="module")
def watchdog(rendered: dict[str, str]) -> str:
    return rendered["watchdog_script"]


@pytest.fixture
def hasty(tmp_path: Path) -> str:
    require_infra()
    return render_machine(tmp_path, checkpoint_grace_s=1)["watchdog_script"]


def test_an_idle_machine_ends(watchdog: str, tmp_path: Path) -> None:
    with run_watchdog(watchdog, tmp_path / "machine-idle") as running:
        running.set_uptime(10.9)  # it was up for a minute when the watchdog started
        running.looks_again()
        assert running.process.poll() is None
        running.set_uptime(11.1)
        assert running.ended_for() == "idle"
        assert (running.home / "ending").read_text().strip() == "idle"


def test_where_the_machine_ends_is_told_in_a_folder_of_roots(watchdog: str, tmp_path: Path) -> None:
    """The home is the worker's: a link that a stage left there must lead root nowhere."""
    home, victim, own = tmp_path / "machine-linked", tmp_path / "victim", tmp_path / "run"
    home.mkdir()
    own.mkdir()
    victim.write_text("kept")
    (home / "ending").symlink_to(victim)
    with run_watchdog(watchdog, home, JUDGEFORGE_ENDING=str(own / "ending")) as running:
        running.set_uptime(12)
        assert running.ended_for() == "idle"
    assert victim.read_text() == "kept" and (own / "ending").read_text() == "idle\n"


def test_a_machine_with_a_flow_run_or_in_preparation_is_not_idle(watchdog: str, tmp_path: Path) -> None:
    home = tmp_path / "machine-busy"
    with run_watchdog(watchdog, home) as running:
        (home / "preparing").touch()
        running.set_uptime(100)
        running.looks_again()
        with run_flow(home):
            (home / "preparing").unlink()
            running.looks_again()
            running.set_uptime(200)
            running.looks_again()
            assert running.process.poll() is None
        running.set_uptime(209)  # idle since it was last seen at work, and not since it started
        running.looks_again()
        assert running.process.poll() is None
        running.set_uptime(211)
        assert running.ended_for() == "idle"


GIT = """\
#!/bin/sh
touch "$JUDGEFORGE_HOME/attempt"
until [ -e "$JUDGEFORGE_HOME/answer" ]; do /bin/sleep 0.02; done
exit 1
"""


@contextlib.contextmanager
def setting_up_in_vain(script: str, home: Path, killed: bool) -> Iterator[None]:
    """Run the worker's script as its unit does, held in mid-set-up as long as the block lasts; then it fails."""
    tools = home / "tools"
    tools.mkdir(exist_ok=True)
    for name, text in {"git": GIT, "sleep": "#!/bin/sh\n"}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    for mark in ("attempt", "answer"):
        (home / mark).unlink(missing_ok=True)
    added = {"JUDGEFORGE_HOME": str(home), "PLAYED_ID": home.name, "PATH": f"{tools}:{os.environ['PATH']}"}
    process = subprocess.Popen(["bash", "-c", script], env=clean_environment(**added), stderr=subprocess.DEVNULL)
    try:
        wait_for((home / "attempt").exists, "the set-up is under way")
        yield
        if killed:
            process.kill()
        (home / "answer").touch()
        assert process.wait(timeout=60) == (-signal.SIGKILL if killed else 75)
    finally:
        (home / "answer").touch()
        process.kill()
        process.wait()


@pytest.mark.parametrize("killed", [False, True])
def test_a_set_up_that_fails_again_and_again_ends_as_idle(
    killed: bool, rendered: dict[str, str], tmp_path: Path
) -> None:
    """The first is work, however long it takes; those with which its unit tries again are not."""
    home = tmp_path / f"machine-failing-{killed}"
    with run_watchdog(rendered["watchdog_script"], home) as running:
        for minutes in (40, 45, 49):
            with setting_up_in_vain(rendered["worker_script"], home, killed):
                running.set_uptime(minutes)
                running.looks_again()
                assert running.process.poll() is None
        with setting_up_in_vain(rendered["worker_script"], home, killed):
            running.set_uptime(51)
            wait_for(lambda: running.process.poll() is not None, "the machine ends", limit_s=20)
        assert running.ended_for() == "idle"


def test_a_flow_run_of_another_machine_does_not_count(watchdog: str, tmp_path: Path) -> None:
    other = tmp_path / "machine-other"
    with run_flow(other), run_watchdog(watchdog, tmp_path / "machine-this") as running:
        running.set_uptime(12)
        assert running.ended_for() == "idle"
        assert not (other / "sealed").exists()


@pytest.mark.parametrize("reason", ["life", "reclaimed"])
def test_a_stage_seals_its_checkpoint_and_the_flow_pushes_it_before_the_end(
    reason: str, watchdog: str, tmp_path: Path
) -> None:
    home = tmp_path / f"machine-{reason}"
    with run_watchdog(watchdog, home) as running, run_flow(home) as flow:
        running.looks_again()
        if reason == "life":
            running.set_uptime(240)
        else:
            (home / "reclaim").touch()
        assert running.ended_for() == reason
        assert (home / "sealed").read_text() == "checkpoint"
        assert (home / "pushed").read_text() == "75"  # the flow run was left alone, and learnt how the stage ended
        assert flow.wait(timeout=10) == 0
        assert (home / "ended").read_text() == f"{reason}\n"


def test_a_stage_that_does_not_stop_does_not_keep_the_machine(hasty: str, tmp_path: Path) -> None:
    home = tmp_path / "machine-stubborn"
    home.mkdir()
    (home / "stubborn").touch()
    with run_watchdog(hasty, home) as running, run_flow(home) as flow:
        (home / "reclaim").touch()
        assert running.ended_for() == "reclaimed"
        assert flow.poll() is None
        assert "still at work after 1 s" in running.log.read_text()


def test_a_machine_that_is_shut_down_from_outside_gets_its_checkpoint_too(watchdog: str, tmp_path: Path) -> None:
    home = tmp_path / "machine-outside"
    with run_watchdog(watchdog, home) as running, run_flow(home):
        running.looks_again()
        running.process.send_signal(signal.SIGTERM)  # as systemd stops it, before the worker
        assert running.ended_for() == ""  # it is being ended already
        assert (home / "sealed").exists() and (home / "pushed").read_text() == "75"


def test_an_end_that_fails_is_tried_again(watchdog: str, tmp_path: Path) -> None:
    home = tmp_path / "machine-stuck"
    home.mkdir()
    (home / "stuck").touch()
    with run_watchdog(watchdog.replace("sleep 10", "sleep 0.1"), home) as running:
        running.set_uptime(12)
        wait_for(lambda: "could not be ended" in running.log.read_text(), "the end fails")
        (home / "stuck").unlink()
        assert running.ended_for() == "idle"
