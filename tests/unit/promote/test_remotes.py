"""DVC's default remote, asked of DVC itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from judgeforge.errors import InputError
from judgeforge.promote.remotes import find_remote


def test_a_project_without_a_default_remote_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dvc(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)

    monkeypatch.chdir(tmp_path)
    dvc("init", "--no-scm")
    dvc("remote", "add", "storage", str(tmp_path / "remote"))
    with pytest.raises(InputError, match=r"no default remote.* Remedy: add one \('dvc remote add --default"):
        find_remote(None)
    dvc("remote", "default", "storage")
    assert find_remote(None).url == str(tmp_path / "remote")
