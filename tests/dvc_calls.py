"""Which DVC commands processes run, counted where they start: whoever calls DVC, and however."""

from pathlib import Path

_SITE = """
# Python runs this at each start: a line for each process that is DVC's command.
import os, sys
if "dvc" in sys.orig_argv[1:3] and os.environ.get("COUNT_DVC"):
    with open(os.environ["COUNT_DVC"], "a") as handle:
        handle.write(" ".join(sys.orig_argv[3:]) + chr(10))
"""


def watch_dvc(folder: Path) -> tuple[Path, dict[str, str]]:
    """Prepare the counting.

    Args:
        folder: for its files.

    Returns:
        A folder that must stand first in PYTHONPATH, and what else the environment must hold.
    """
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_SITE)
    return site, {"COUNT_DVC": str(folder / "dvc.txt")}


def list_dvc_calls(folder: Path) -> list[str]:
    """List what DVC was asked, without the program's own name.

    Args:
        folder: as of ``watch_dvc``.
    """
    path = folder / "dvc.txt"
    return path.read_text().splitlines() if path.exists() else []
