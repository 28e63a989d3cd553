"""``judgeforge retrain``: the whole pipeline, as the flow runs it."""

import importlib
import sys
from pathlib import Path

from judgeforge.errors import InputError


def retrain() -> None:
    """Run every stage whose inputs changed, record the run, register the merged judge and let the gate decide.

    Example: judgeforge recipe smoke && judgeforge retrain
    """
    if not Path("flows/retrain.py").is_file():
        raise InputError("There is no flows/retrain.py here.", "run this in the repository's root.")
    sys.path.insert(0, str(Path.cwd()))  # flows belong to the checkout, like dvc.yaml; they are not installed
    importlib.import_module("flows.retrain").main()
