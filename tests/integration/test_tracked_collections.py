"""Collections are git's to ignore, but for their .dvc files: DVC must see those, and git, too."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_dvc_finds_a_collection_that_it_was_given_and_git_only_its_pointer(tmp_path: Path) -> None:
    dvc = (sys.executable, "-m", "dvc")
    own = tmp_path / "collections/own"
    own.mkdir(parents=True)
    for name in (".gitignore", "collections/.gitignore", "collections/README.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    (own / "rows.jsonl").write_text("{}\n")
    run(tmp_path, "git", "init", "--quiet")
    run(tmp_path, *dvc, "init", "--quiet")
    run(tmp_path, *dvc, "add", "--quiet", "collections/own")
    assert '"collections/own.dvc";' in run(tmp_path, *dvc, "dag", "--dot")
    (own / "rows.jsonl").write_text("{}\n{}\n")
    assert "collections/own.dvc" in run(tmp_path, *dvc, "status", "--json"), "a plain push must know of it, too"
    seen = run(tmp_path, "git", "ls-files", "--others", "--exclude-standard", "collections").split()
    assert seen == ["collections/.gitignore", "collections/README.md", "collections/own.dvc"]
    assert (tmp_path / "collections/.gitignore").read_text() == (ROOT / "collections/.gitignore").read_text()
