"""A judge as a merge sees it: full weights, or an adapter with the base that it was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.weights.headers import Header, read_header

ADAPTER_FILE, TRAINING_FILE = "adapter_config.json", "training.json"


@dataclass(frozen=True)
class JudgePart:
    """One of the judges.

    Args:
        name: ``direct`` or ``pairwise``.
        folder: the judge's.
        base: the base of both.
    """

    name: str
    folder: Path
    base: Path

    @property
    def is_adapter(self) -> bool:
        """Whether it is an adapter."""
        return (self.folder / ADAPTER_FILE).is_file()

    @property
    def model_folder(self) -> Path:
        """Where its ``config.json`` is."""
        return self.base if self.is_adapter else self.folder

    def read_header(self) -> Header:
        """Read where its full weights are; of an adapter the base's.

        Raises:
            InputError: a file is missing or cut off.
        """
        return read_header(self.model_folder)

    def load_config(self) -> dict[str, Any]:
        """Read the model's configuration.

        Raises:
            InputError: it is missing or broken.
        """
        path = self.model_folder / "config.json"
        found = load_json(path)
        if not isinstance(found, dict):
            raise InputError(f"{path} is no configuration of a model.", "train or fetch that model again.")
        return found
