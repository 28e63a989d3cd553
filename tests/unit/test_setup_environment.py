"""Set-up looks where pip would look, and takes a CPU build of torch only where one is offered."""

import pytest
import setup_environment
import yaml
from pin_versions import BASE_MODEL_PIN
from setup_environment import build_source_options, offers_cpu_torch, parse_pip_settings

EXTRA = "extra-index-url"
LISTING = f"""\
:env:.find-links='/wheels /more wheels'
global.find-links='/elsewhere'
global.cert='/certificates'
global.{EXTRA}='/one\\n/two'
install.no-binary='x'
garbage
"""


def test_pip_settings_from_the_environment_win_over_files() -> None:
    assert parse_pip_settings(LISTING) == {
        "find-links": ["/wheels", "/more", "wheels"],
        "cert": ["/certificates"],
        "extra-index-url": ["/one", "/two"],
        "no-binary": ["x"],
    }
    assert parse_pip_settings("global.cert='1'\ninstall.cert='2'\n:env:.cert='3'") == {"cert": ["3"]}


def test_sources_become_options_of_uv() -> None:
    settings = {"find-links": ["/a", "/b"], "index-url": ["file:///i"], "extra-index-url": ["file:///e"]}
    assert build_source_options(settings, {}) == [
        *("--find-links", "/a", "--find-links", "/b", "--default-index", "file:///i"),
        *("--index", "file:///e", "--index-strategy", "unsafe-best-match"),
    ]


def test_what_is_set_for_uv_itself_stays_in_force() -> None:
    settings = {"find-links": ["/a"], "index-url": ["file:///i"], "extra-index-url": ["file:///e"]}
    environment = {"UV_DEFAULT_INDEX": "file:///mine", "UV_INDEX": "file:///mine"}
    assert build_source_options(settings, environment) == ["--find-links", "/a"]


@pytest.mark.parametrize(
    ("listing", "taken"), [("torch==2.13.0+cpu\n", True), ("torch==2.13.0\n", False), ("torch==2.13.0+cu130\n", False)]
)
def test_which_torch(listing: str, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_environment, "run", lambda *_, **__: listing)
    assert offers_cpu_torch(["uv", "pip"], []) is taken


def test_a_command_that_fails_is_tried_again_and_then_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(setup_environment.time, "sleep", waits.append)
    with pytest.raises(SystemExit, match=r"set-up failed at: false\. Remedy: "):
        setup_environment.run("false")
    assert len(waits) == setup_environment.ATTEMPTS - 1


def test_the_base_models_version_is_the_same_wherever_it_stands() -> None:
    pins = (setup_environment.ROOT / "constraints.txt").read_text().splitlines()
    assert BASE_MODEL_PIN in pins
    base = yaml.safe_load((setup_environment.ROOT / "conf/config.yaml").read_text())["base"]
    assert f"{setup_environment.BASE_MODEL}=={base['revision']}" == BASE_MODEL_PIN


def test_a_machine_can_ask_for_fewer_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(setup_environment, "run", lambda *command, **_: commands.append(command) or "")
    monkeypatch.setenv(setup_environment.EXTRAS_VARIABLE, "pipeline,aws")
    setup_environment.main()
    monkeypatch.setenv(setup_environment.EXTRAS_VARIABLE, "")
    setup_environment.main()
    asked = [command[-1] for command in commands if "--editable" in command]
    assert asked == [".[pipeline,aws]", f".[{setup_environment.EXTRAS}]"]
