"""What the tests of the registry agree on: the model's name, and which items a judge gets wrong."""

from typing import Any

NAME = "test-judge"
FEW, MORE, MANY, HALF = (range(0, 120, step) for step in (12, 6, 3, 2))


def find_aliases(store: Any) -> dict[str, str]:
    """Return who carries which alias."""
    return {alias: str(number) for alias, number in store.get_registered_model(NAME).aliases.items()}
