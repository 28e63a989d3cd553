"""The streaming engine against mergekit, on random models of several architectures: within one unit of the output."""

import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from judgeforge.grading.templates import write_template
from judgeforge.merge.run import merge_judges
from judgeforge.weights.mapped import MappedFolder
from tests.integration.families import build_family

ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "gemma2")
DETERMINISTIC = {
    "linear": {},
    "slerp": {},
    "task_arithmetic": {"scaling": 1.5},
    "ties": {"density": 0.6, "normalize": True},
}


def make_judges(name, folder, template, spread=0.05):
    """A base, and two judges near it: with random differences, which no two are equal."""
    base = build_family(name, folder / "base")
    judges = []
    for seed in (1, 2):
        judge = folder / f"judge{seed}"
        shutil.copytree(base, judge)
        generator = torch.Generator().manual_seed(seed)
        model = AutoModelForCausalLM.from_pretrained(base)
        with torch.no_grad():
            for each in model.parameters():
                each.add_(torch.randn(each.shape, generator=generator), alpha=spread)
        model.save_pretrained(judge, max_shard_size="100KB")
        (judge / "model.safetensors").unlink()
        write_template(template, judge)
        judges.append(judge)
    return base, *judges


def read(folder):
    mapped = MappedFolder(folder)
    return {name: torch.from_numpy(np.array(mapped.read(name, slice(None)))) for name in mapped.header}


def unit(values, dtype):
    """One unit in the last place of each value in ``dtype``."""
    exponent = torch.frexp(values).exponent
    return torch.ldexp(torch.full_like(values, torch.finfo(dtype).eps), exponent - 1)


# mergekit joins a mixture's experts before it looks at a tensor as a whole; we take each as its file holds it.
CASES = [(name, method) for name in ARCHITECTURES for method in DETERMINISTIC]
CASES += [("mixtral", "linear"), ("mixtral", "task_arithmetic")]


@pytest.mark.parametrize(("name", "method"), CASES)
def test_deterministic_methods_give_what_mergekit_gives(name, method, template, params, tmp_path):
    base, direct, pairwise = make_judges(name, tmp_path, template)
    values = params.merge.model_copy(update={"method": method, "alpha": 0.3, "canary": False} | DETERMINISTIC[method])
    found = {}
    for engine in ("streaming", "mergekit"):
        merge_judges(values.model_copy(update={"engine": engine}), base, direct, pairwise, tmp_path / engine)
        found[engine] = read(tmp_path / engine)
    assert found["streaming"].keys() == found["mergekit"].keys()
    inputs = [read(folder) for folder in (base, direct, pairwise)]
    for tensor, ours in found["streaming"].items():
        theirs = found["mergekit"][tensor]
        # Where terms cancel out, what is left is as exact as they were in fp32.
        largest = torch.stack([each[tensor].abs() for each in inputs]).amax(0) * 2
        bound = unit(theirs, torch.bfloat16).maximum(4 * unit(largest, torch.float32))
        assert bool(((ours - theirs).abs() <= bound).all()), f"{tensor}: {(ours - theirs).abs().max()}"


@pytest.mark.parametrize("method", ["dare_linear", "dare_ties"])
def test_drawn_methods_have_mergekits_distribution(method, template, params, tmp_path):
    base, direct, pairwise = make_judges("llama", tmp_path, template)
    changes = {"method": method, "alpha": 0.3, "density": 0.7, "scaling": 1.2, "dtype": "float32", "canary": False}
    values = params.merge.model_copy(update=changes)
    deltas = {}
    for engine in ("streaming", "mergekit"):
        merge_judges(values.model_copy(update={"engine": engine}), base, direct, pairwise, tmp_path / engine)
        weights, before = read(tmp_path / engine), read(base)
        deltas[engine] = torch.cat([(weights[name] - before[name]).flatten() for name in sorted(weights)])
    ours, theirs = deltas["streaming"], deltas["mergekit"]
    assert not torch.equal(ours, theirs)
    # 100,000 numbers: means and spreads within some percent, and as many untouched.
    assert len(ours) > 90_000
    assert abs(float(ours.mean() - theirs.mean())) < 5 * float(theirs.std()) / len(ours) ** 0.5
    assert float(ours.std()) == pytest.approx(float(theirs.std()), rel=0.02)
    untouched = [float((each.abs() < 1e-9).float().mean()) for each in (ours, theirs)]
    assert untouched[0] == pytest.approx(untouched[1], abs=0.01)
