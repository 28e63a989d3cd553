"""What a merged judge needs beside its weights: configuration, tokenizer, chat template and judge template."""

import shutil
from pathlib import Path

from judgeforge.files import write_json
from judgeforge.grading.templates import load_template, write_template
from judgeforge.weights.parts import JudgePart

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")


def write_companions(part: JudgePart, dtype: str, folder: Path) -> None:
    """Write the merged judge's companions, which are those of one of the judges.

    Args:
        part: that judge.
        dtype: of the merged weights.
        folder: the merged judge's.
    """
    config = part.load_config()
    config.pop("torch_dtype", None)  # what transformers 4 wrote
    write_json(folder / "config.json", config | {"dtype": dtype})
    files = [(part.model_folder, "generation_config.json"), *((part.folder, name) for name in TOKENIZER_FILES)]
    for source, name in files:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    write_template(load_template(part.folder), folder)
