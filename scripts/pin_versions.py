"""Write constraints.txt: what pyproject.toml requires, resolved, as versions and nothing else.

Present pins are kept where they still fit; ``--upgrade`` or ``--upgrade-package NAME`` renews them. Build labels such
as torch's ``+cpu`` and what is for CUDA alone are dropped: one file serves every machine, and torch pins its CUDA.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from setup_environment import (
    BASE_MODEL,
    CONSTRAINTS,
    CPU_OVERRIDES,
    EXTRAS,
    ROOT,
    build_source_options,
    parse_pip_settings,
    run,
)

PYTHONS = ("3.11", "3.12")
BASE_MODEL_PIN = f"{BASE_MODEL}==0.1.2"  # the same as base.revision in conf/config.yaml
CUDA_ALONE = ("cuda-", "nvidia-", "triton==")
HEADER = "# Versions only, for every machine: no addresses, no build labels. Made by 'make constraints'.\n"


def resolve(python: str, output: Path, *options: str) -> str:
    """Resolve for ``python`` with the pins of ``output`` as preferences, and return the pins that came out."""
    settings = parse_pip_settings(run(sys.executable, "-m", "pip", "config", "list", capture=True))
    sources = build_source_options(settings, dict(os.environ))
    extras = [part for extra in EXTRAS.split(",") for part in ("--extra", extra)]
    return run(
        *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *extras, *sources, *options),
        *("--python-version", python, "--override", CPU_OVERRIDES, "--output-file", str(output)),
        *("--no-header", "--no-annotate", "--no-emit-find-links", "--no-emit-index-url", "--quiet"),
        capture=True,
    )


def main() -> None:
    """Resolve for the first Python, write, and make sure that the others can use the same pins."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / CONSTRAINTS
        shutil.copyfile(ROOT / CONSTRAINTS, output)
        resolve(PYTHONS[0], output, *sys.argv[1:])
        pins = re.findall(r"^([\w.-]+==[^\s+]+)", output.read_text(), flags=re.MULTILINE)
        pins = [pin for pin in pins if not pin.startswith(CUDA_ALONE)]
        (ROOT / CONSTRAINTS).write_text(HEADER + "\n".join(sorted([*pins, BASE_MODEL_PIN])) + "\n")
        for python in PYTHONS[1:]:
            resolve(python, Path(name) / python, "--constraint", CONSTRAINTS)


if __name__ == "__main__":
    main()
