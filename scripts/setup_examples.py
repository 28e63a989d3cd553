"""Make .venv-examples, in which the packages of examples/ stand beside what .venv has; .venv is not touched.

What .venv has is seen through a .pth file, so that torch and vLLM are not on disk twice. The rest is installed as
pinned, without asking the packages' own limits: some exclude versions that .venv needs, and work with them all the same
(the tests say so). Run by ``make setup-examples``, after ``make setup``.
"""

import os
import sys
import sysconfig
from pathlib import Path

from setup_environment import ROOT, build_source_options, parse_pip_settings, run, say

EXAMPLES_CONSTRAINTS = "constraints-examples.txt"
FOLDER = ".venv-examples"


def main() -> None:
    """Make the environment, and install the pins."""
    settings = parse_pip_settings(run(sys.executable, "-m", "pip", "config", "list", capture=True))
    for certificate in settings.get("cert", [])[:1]:
        os.environ.setdefault("SSL_CERT_FILE", certificate)
    os.environ.setdefault("UV_HTTP_TIMEOUT", "300")
    uv = [sys.executable, "-m", "uv"]
    say(f"making {FOLDER}")
    run(*uv, "venv", "--quiet", "--clear", "--python", sys.executable, FOLDER)
    python = str(ROOT / FOLDER / "bin" / "python")
    sources = build_source_options(settings, dict(os.environ))
    run(*uv, "pip", "install", "--python", python, "--no-deps", *sources, "--requirement", EXAMPLES_CONSTRAINTS)
    place = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", capture=True).strip()
    # Read after its own packages, which therefore come first; editable installs are named by .pth files of their own.
    own = sysconfig.get_path("purelib")
    Path(place, "environment.pth").write_text(f"import site; site.addsitedir({own!r})\n")


if __name__ == "__main__":
    main()
