"""What Docker Compose puts into the environment of a service of infra/compose: its rules for ``${NAME:-default}``."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

COMPOSE = Path(__file__).parents[1] / "infra" / "compose"
_INNERMOST = re.compile(r"\$\{(\w+)(?::([-?])([^{}$]*))?\}")


def build_environment(service: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a service, for these values of .env."""
    document = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return {name: fill_in(value, values) for name, value in document["services"][service]["environment"].items()}


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """Replace ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?complaint}``, the innermost first."""
    while found := _INNERMOST.search(text):
        name, sign, default = found.groups()
        value = values.get(name) or (default if sign == "-" else "")
        text = text[: found.start()] + value + text[found.end() :]
    return text
