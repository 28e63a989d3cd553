"""Make .venv-examples, in which the packages of examples/ stand beside what .venv has; .venv is not touched.

What .venv has is seen through a .pth file, so that torch and vLLM are not on disk twice. The rest is installed as
pinned, without asking the packages' own limits: some exclude versions that .venv needs, and work with them all the same
(the tests say so). Run by ``make setup-examples``, after ``make setup``.
"""

import sysconfig
from pathlib import Path

from environment_beside import make_environment
from setup_environment import run

EXAMPLES_CONSTRAINTS = "constraints-examples.txt"
FOLDER = ".venv-examples"


def main() -> None:
    """Make the environment, and install the pins."""
    python = make_environment(FOLDER, "--no-deps", "--requirement", EXAMPLES_CONSTRAINTS)
    place = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", capture=True).strip()
    # Read after its own packages, which therefore come first; editable installs are named by .pth files of their own.
    own = sysconfig.get_path("purelib")
    Path(place, "environment.pth").write_text(f"import site; site.addsitedir({own!r})\n")


if __name__ == "__main__":
    main()
