"""The stage ``train`` as DVC runs it, in as many processes as params.yaml says."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

import judgeforge

ROOT = Path(__file__).parents[3]


class Stage:
    """A working folder with a params.yaml in which the stage runs."""

    def __init__(self, folder: Path, params: Any, data: Path, base: Path) -> None:
        self.folder, self._params = folder, params
        self._command = [sys.executable, "-m", "judgeforge.train", "--data", str(data), "--base", str(base)]
        self._command += ["--out", "judge", "--curve", "curve.jsonl", "--checkpoints", "checkpoints"]
        folder.mkdir()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(
        self, format: str = "direct", environment: dict[str, str] | None = None, **changes: Any
    ) -> subprocess.Popen[bytes]:
        distribution = {"processes": 2} | changes.pop("distribution", {})
        spread = self._params.distribution.model_copy(update=distribution)
        document = yaml.safe_load((ROOT / "params.yaml").read_text())
        changed = self._params.model_copy(update=changes | {"distribution": spread})
        document["train"] = changed.model_dump(mode="json")
        (self.folder / "params.yaml").write_text(yaml.safe_dump(document))
        around = {"PYTHONPATH": str(Path(judgeforge.__file__).parents[1]), "CUDA_VISIBLE_DEVICES": ""}
        around["MLFLOW_TRACKING_URI"] = f"sqlite:///{self.folder}/mlflow.db"
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*self._command, "--format", format],
                cwd=self.folder,
                env=os.environ | around | (environment or {}),
                stdout=log,
                stderr=log,
            )

    def run(self, *arguments: Any, **changes: Any) -> int:
        return self.start(*arguments, **changes).wait(300)

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        (path,) = (self.folder / "judge").glob("*.safetensors")
        return load_file(path)

    @property
    def sealed(self) -> list[Path]:
        return sorted(self.folder.glob("checkpoints/*/checkpoint-*/COMPLETE"))


@pytest.fixture
def stage(tmp_path: Path, small_train_params: Any, training_sets: Path, miniature: Path) -> Callable[[str], Stage]:
    def build(name: str) -> Stage:
        return Stage(tmp_path / name, small_train_params, training_sets, miniature)

    return build
