"""What a run ran on, for whoever wants to run it again."""

import importlib.metadata
import platform
import subprocess
from typing import Any

import torch

_PACKAGES = ("torch", "transformers", "peft", "accelerate", "deepspeed", "liger-kernel", "bitsandbytes")


def describe_environment() -> dict[str, str]:
    """Name the packages, the processor or GPU and the driver, as tags of a tracking run."""
    facts = {"python": platform.python_version(), "system": f"{platform.system()} {platform.release()}"}
    for package in _PACKAGES:
        try:
            facts[f"package.{package}"] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            facts[f"package.{package}"] = "not installed"
    return {f"environment.{name}": value for name, value in (facts | _describe_device()).items()}


def _describe_device() -> dict[str, str]:
    if not torch.cuda.is_available():
        return {"device": f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"}
    properties: Any = torch.cuda.get_device_properties()
    return {
        "device": f"{torch.cuda.device_count()} x {properties.name}, {properties.total_memory / 2**30:.0f} GiB",
        "cuda": str(torch.version.cuda),
        "driver": _read_driver(),
    }


def _read_driver() -> str:
    command = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"
