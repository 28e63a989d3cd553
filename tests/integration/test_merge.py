"""Merging miniature judges with the real mergekit: identities, provenance, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from judgeforge.base.miniature import build_miniature
from judgeforge.engines.transformers import load_weights
from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json
from judgeforge.grading.templates import write_template
from judgeforge.merge.checks import BrokenMergeError, check_compatible, check_merged, read_header
from judgeforge.merge.recipe import build_recipe
from judgeforge.merge.run import merge_judges
from judgeforge.training_sets import load_judge_lineage


@pytest.fixture
def merge_params(params):
    return params.merge.model_copy(update={"dtype": "float32"})


def full_judge(folder: Path, template, seed: int, **options) -> Path:
    folder.mkdir()
    build_miniature(folder, "float32", seed, **options)
    write_template(template, folder)
    return folder


@pytest.fixture
def two_judges(tmp_path, template):
    return full_judge(tmp_path / "direct", template, 1), full_judge(tmp_path / "pairwise", template, 2)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_linear_is_the_weighted_sum(alpha, two_judges, miniature, merge_params, tmp_path):
    direct, pairwise = two_judges
    out = tmp_path / "merged"
    merge_judges(merge_params.model_copy(update={"alpha": alpha}), miniature, direct, pairwise, out)
    first, second = (load_file(folder / "model.safetensors") for folder in two_judges)
    merged = load_file(out / "model.safetensors")
    assert merged.keys() == first.keys()
    for name, tensor in merged.items():
        assert torch.allclose(tensor, alpha * first[name] + (1 - alpha) * second[name], atol=1e-7)


def test_adapters_are_folded_and_the_engine_sees_the_same_weights(train, miniature, merge_params, tmp_path):
    direct = train(tmp_path / "direct", learning_rate=0.05)
    pairwise = train(tmp_path / "pairwise", format="pairwise", learning_rate=0.05)
    out = tmp_path / "merged"
    provenance = merge_judges(merge_params, miniature, direct, pairwise, out)
    folded = [load_weights(folder, miniature, "float32").state_dict() for folder in (direct, pairwise)]
    base = load_file(miniature / "model.safetensors")
    merged = load_file(out / "model.safetensors")
    changed = [name for name in merged if not torch.equal(merged[name], base[name])]
    assert changed, "training must have moved the weights"
    for name, tensor in merged.items():
        assert torch.allclose(tensor, 0.5 * folded[0][name] + 0.5 * folded[1][name], atol=1e-6)
    assert provenance["folded"] == ["direct", "pairwise"]
    assert json.loads((out / "merge.json").read_text()) == json.loads(json.dumps(provenance))
    assert {"tokenizer.json", "judge_template.json", "config.json"} <= {path.name for path in out.iterdir()}
    assert not list(tmp_path.glob(".fold.*")), "scratch weights are gone"
    seen = {judge: set(load_judge_lineage(judge)["set"]) for judge in (direct, pairwise, out)}
    assert seen[out] == seen[direct] | seen[pairwise] and len(seen[out]) == 4


def test_the_recipe_states_its_weights_and_does_not_normalise(merge_params):
    recipe = build_recipe(merge_params.model_copy(update={"alpha": 0.3}), Path("d"), Path("p"))
    assert [entry["parameters"]["weight"] for entry in recipe["models"]] == [0.3, 0.7]
    assert recipe["parameters"] == {"normalize": False}


def test_different_vocabularies_are_refused(miniature, template, merge_params, tmp_path):
    direct = full_judge(tmp_path / "direct", template, 1)
    pairwise = full_judge(tmp_path / "pairwise", template, 2, vocabulary_extra=3)
    with pytest.raises(InputError, match=r"direct and pairwise differ in vocab_size: 258 and 261"):
        merge_judges(merge_params, miniature, direct, pairwise, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_equal_sizes_with_other_tokens_are_refused(two_judges, miniature, merge_params, tmp_path):
    path = two_judges[1] / "tokenizer.json"
    content = load_json(path)
    vocabulary = content["model"]["vocab"]
    vocabulary["!"], vocabulary['"'] = vocabulary['"'], vocabulary["!"]
    write_json(path, content)
    with pytest.raises(InputError, match="different vocabularies"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")


def test_different_tensors_are_named(two_judges, tmp_path):
    path = two_judges[1] / "model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"] = weights["model.norm.weight"].bfloat16()
    save_file(weights, path)
    with pytest.raises(InputError, match=r"model.norm.weight: F32 \[32\] and BF16 \[32\]"):
        check_compatible({"direct": two_judges[0], "pairwise": two_judges[1]})
    del weights["model.norm.weight"]
    save_file(weights, path)
    with pytest.raises(InputError, match=r"1 tensor names, such as model.norm.weight"):
        check_compatible({"direct": two_judges[0], "pairwise": two_judges[1]})


def test_other_templates_are_refused(two_judges, template, miniature, merge_params, tmp_path):
    write_template(template.model_copy(update={"system": "Be harsh."}), two_judges[1])
    with pytest.raises(InputError, match="different templates"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")


def test_a_cut_off_weight_file_is_named(two_judges, miniature, merge_params, tmp_path):
    path = two_judges[0] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model.safetensors is cut off"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")


def test_infinite_weights_are_not_published_and_the_old_merge_stays(two_judges, miniature, merge_params, tmp_path):
    out = tmp_path / "merged"
    merge_judges(merge_params, miniature, *two_judges, out)
    before = (out / "model.safetensors").read_bytes()
    path = two_judges[0] / "model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"][3] = float("inf")
    save_file(weights, path)
    with pytest.raises(BrokenMergeError, match=r"model.norm.weight holds NaN or infinity"):
        merge_judges(merge_params, miniature, *two_judges, out)
    assert (out / "model.safetensors").read_bytes() == before


def test_missing_tensors_are_found_after_the_merge(two_judges, tmp_path):
    expected = read_header(two_judges[0])
    assert check_merged(two_judges[1], expected)["tensors"] == len(expected)
    with pytest.raises(BrokenMergeError, match="1 tensors missing or new"):
        check_merged(two_judges[1], expected | {"more": ((1,), "F32")})


def test_an_adapter_of_another_base_is_refused(train, template, merge_params, tmp_path, miniature):
    direct, pairwise = train(tmp_path / "direct"), train(tmp_path / "pairwise", format="pairwise")
    other = tmp_path / "other"
    shutil.copytree(miniature, other)
    weights = load_file(other / "model.safetensors")
    shallow = {name: tensor for name, tensor in weights.items() if ".layers.1." not in name}
    save_file(shallow, other / "model.safetensors")
    with pytest.raises(InputError, match=r"adapter direct changes model.layers.1.*lacks"):
        merge_judges(merge_params, other, direct, pairwise, tmp_path / "merged")
