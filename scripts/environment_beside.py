"""Make an environment beside .venv, for packages that do not belong into it, from the sources that pip has."""

import os
import sys

from setup_environment import ROOT, build_source_options, parse_pip_settings, run, say


def find_sources() -> list[str]:
    """Say in uv's options where pip would look, and let uv trust the certificate that pip trusts."""
    settings = parse_pip_settings(run(sys.executable, "-m", "pip", "config", "list", capture=True))
    for certificate in settings.get("cert", [])[:1]:
        os.environ.setdefault("SSL_CERT_FILE", certificate)
    os.environ.setdefault("UV_HTTP_TIMEOUT", "300")
    return build_source_options(settings, dict(os.environ))


def make_environment(folder: str, *options: str) -> str:
    """Make ``folder`` anew with this script's Python, and install into it.

    Args:
        folder: below the repository's root; what is there is removed.
        options: what to install, as arguments of ``uv pip install``.

    Returns:
        The environment's interpreter.
    """
    sources = find_sources()
    uv = [sys.executable, "-m", "uv"]
    say(f"making {folder}")
    run(*uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
    python = str(ROOT / folder / "bin" / "python")
    run(*uv, "pip", "install", "--python", python, *sources, *options)
    return python
