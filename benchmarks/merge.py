"""A linear merge of two models: ours, with its checks and provenance, against mergekit's own program.

Ours calls mergekit in its process, so what is measured is what the checks cost. Both start from a cold process.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
import yaml
from harness import ROOT, Side, compare, run_program
from transformers import LlamaConfig, LlamaForCausalLM

from judgeforge.base.miniature import build_tokenizer
from judgeforge.grading.templates import load_template, write_template
from judgeforge.merge.recipe import build_recipe
from judgeforge.params import MergeParams, load_section

OURS = """
from pathlib import Path
from judgeforge.merge.run import merge_judges
from judgeforge.params import MergeParams, load_section
params = load_section("merge", MergeParams, Path({params!r}))
merge_judges(params, Path("direct"), Path("direct"), Path("pairwise"), Path("ours"))
"""


def write_judge(folder: Path, seed: int) -> None:
    """Write a random model of about 60 million weights, as a judge that was fine-tuned in full."""
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=768, intermediate_size=2048, num_hidden_layers=8, num_attention_heads=12
    )
    model: Any = LlamaForCausalLM(config)  # type: ignore[no-untyped-call]
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_template(load_template("judgeforge-1"), folder)


def main() -> None:
    """Measure, and check that both sides wrote the same weights."""
    params = load_section("merge", MergeParams, ROOT / "params.yaml")
    with tempfile.TemporaryDirectory(prefix="judgeforge-bench-") as name:
        folder = Path(name)
        write_judge(folder / "direct", seed=1)
        write_judge(folder / "pairwise", seed=2)
        recipe = build_recipe(params, folder / "direct", folder / "pairwise")
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        ours = run_program(sys.executable, "-c", OURS.format(params=str(ROOT / "params.yaml")), folder=folder)
        program = Path(sys.executable).parent / "mergekit-yaml"
        peer = run_program(program, "recipe.yaml", "theirs", folder=folder)
        compare(
            "merge",
            "linear merge of two models of 60 million weights",
            Side("judgeforge", ours),
            Side("mergekit-yaml", peer),
            check=lambda: check_same(folder / "ours", folder / "theirs"),
            rounds=5,
            goal=1.1,
        )


def check_same(ours: Path, theirs: Path) -> None:
    """Compare the weights of both sides.

    Raises:
        SystemExit: they differ.
    """
    states = [LlamaForCausalLM.from_pretrained(path, dtype=torch.bfloat16).state_dict() for path in (ours, theirs)]
    if not all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items()):
        raise SystemExit("the two merges differ: the timings compare nothing")


if __name__ == "__main__":
    main()
