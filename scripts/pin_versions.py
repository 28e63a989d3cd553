"""Write constraints.txt: the newest versions that pyproject.toml allows, for Python 3.11, as versions and nothing else.

Build labels such as torch's ``+cpu`` are dropped: the same file serves a machine with CUDA.
"""

import os
import re
import sys

from setup_environment import (
    BASE_MODEL,
    CONSTRAINTS,
    EXTRAS,
    ROOT,
    build_source_options,
    parse_pip_settings,
    run,
)

BASE_MODEL_VERSION = "0.1.2"  # the same as base.revision in conf/config.yaml
HEADER = "# Versions only, for every machine: no addresses, no build labels. Made by 'make constraints'.\n"


def main() -> None:
    """Resolve and write."""
    settings = parse_pip_settings(run(sys.executable, "-m", "pip", "config", "list", capture=True))
    sources = build_source_options(settings, dict(os.environ))
    extras = [part for extra in EXTRAS.split(",") for part in ("--extra", extra)]
    listing = run(
        *(
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "pyproject.toml",
            "--python-version",
            "3.11",
            *extras,
            *sources,
        ),
        *("--override", "constraints-cpu.txt", "--no-header", "--no-annotate", "--no-emit-find-links", "--quiet"),
        capture=True,
    )
    pins = re.findall(r"^([\w.-]+==[^\s+]+)", listing, flags=re.MULTILINE)
    (ROOT / CONSTRAINTS).write_text(HEADER + "\n".join(sorted([*pins, f"{BASE_MODEL}=={BASE_MODEL_VERSION}"])) + "\n")


if __name__ == "__main__":
    main()
