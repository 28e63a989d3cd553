"""Wire the stage ``base``: params.yaml -> a folder with the base model."""

from pathlib import Path

from judgeforge.files import write_folder_atomically, write_json
from judgeforge.params import BaseParams, load_section
from judgeforge.stage import run_stage


def main(*, out: Path) -> None:
    """Materialise the base model as safetensors.

    Example: python -m judgeforge.base --out models/base
    """
    params = load_section("base", BaseParams)
    from judgeforge.base.fetch import write_base_model  # noqa: PLC0415 - bad params should not wait for torch

    with write_folder_atomically(out) as folder:
        write_base_model(params, folder)
        write_json(folder / "base.json", params.model_dump())


if __name__ == "__main__":
    run_stage(main)
