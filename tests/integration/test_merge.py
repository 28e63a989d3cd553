"""Merging miniature judges: sums, provenance, and what is refused."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from judgeforge.base.miniature import build_miniature
from judgeforge.engines.transformers import load_weights
from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.files import load_json, write_json
from judgeforge.grading.templates import write_template
from judgeforge.merge.recipe import build_recipe
from judgeforge.merge.run import merge_judges
from judgeforge.training_sets import load_judge_lineage
from judgeforge.weights.checks import check_judges
from judgeforge.weights.digests import hash_weights
from judgeforge.weights.drift import BrokenMergeError
from judgeforge.weights.parts import JudgePart

ROOT = Path(__file__).parents[2]


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


def check(judges, base, needs_base=False):
    parts = [JudgePart(name, folder, base) for name, folder in zip(("direct", "pairwise"), judges, strict=True)]
    return check_judges(parts, base, needs_base=needs_base)


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
    assert not list(tmp_path.glob(".folded.*")), "scratch weights are gone"
    seen = {judge: set(load_judge_lineage(judge)["set"]) for judge in (direct, pairwise, out)}
    assert seen[out] == seen[direct] | seen[pairwise] and len(seen[out]) == 4


def test_the_recipe_states_its_weights_and_does_not_normalise(merge_params):
    recipe = build_recipe(merge_params.model_copy(update={"alpha": 0.3}), Path("d"), Path("p"), Path("b"))
    assert [entry["parameters"]["weight"] for entry in recipe["models"]] == [0.3, 0.7]
    assert recipe["parameters"] == {"normalize": False}


def test_different_vocabularies_are_refused(miniature, template, merge_params, tmp_path):
    direct = full_judge(tmp_path / "direct", template, 1)
    pairwise = full_judge(tmp_path / "pairwise", template, 2, vocabulary_extra=3)
    with pytest.raises(InputError, match=r"direct and pairwise differ in vocab_size \(config.json\): 258 and 261"):
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
    for wrong, complaint in (
        (weights["model.norm.weight"].bfloat16(), r"model.norm.weight: F32 \[32\] and BF16 \[32\]"),
        (None, r"1 tensor names, such as model.norm.weight"),
    ):
        changed = {name: each for name, each in weights.items() if name != "model.norm.weight"}
        save_file(changed if wrong is None else changed | {"model.norm.weight": wrong}, path)
        with pytest.raises(InputError, match=complaint):
            check(two_judges, tmp_path)


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
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, path)
    with pytest.raises(InputError, match=r"model.norm.weight of the direct judge holds NaN or infinity"):
        merge_judges(merge_params, miniature, *two_judges, out)
    assert (out / "model.safetensors").read_bytes() == before


def test_a_sum_that_is_too_large_for_the_output_is_not_published(two_judges, miniature, merge_params, tmp_path):
    for folder in two_judges:
        weights = load_file(folder / "model.safetensors")
        weights["model.norm.weight"] += 1e5
        save_file(weights, folder / "model.safetensors")
    half = merge_params.model_copy(update={"dtype": "float16"})
    with pytest.raises(BrokenMergeError, match=r"model.norm.weight holds numbers too large for float16.*bfloat16"):
        merge_judges(half, miniature, *two_judges, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_judges_that_cancel_out_are_not_published(two_judges, miniature, merge_params, tmp_path):
    weights = load_file(two_judges[0] / "model.safetensors")
    save_file({name: -each for name, each in weights.items()}, two_judges[1] / "model.safetensors")
    with pytest.raises(BrokenMergeError, match=r"the norm of model\.\S+ is 0.00 times what the judges' would give"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")


def test_a_cut_off_tensor_is_named(two_judges, miniature, merge_params, tmp_path):
    path = two_judges[1] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"model.safetensors is cut off in model.norm.weight"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")


def test_weights_that_are_no_floats_are_refused(two_judges, miniature, merge_params, tmp_path):
    for folder in two_judges:
        weights = load_file(folder / "model.safetensors")
        weights["model.norm.weight"] = weights["model.norm.weight"].to(torch.int8)
        save_file(weights, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model.norm.weight of direct is I8, which cannot be averaged"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")


def test_other_special_tokens_are_refused(two_judges, miniature, merge_params, tmp_path):
    path = two_judges[1] / "tokenizer_config.json"
    write_json(path, load_json(path) | {"eos_token": "!"})
    with pytest.raises(InputError, match=r"differ in eos_token .*'<\|im_end\|>' and '!'"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")


def test_a_base_of_another_shape_is_refused_where_the_method_reads_it(two_judges, template, merge_params, tmp_path):
    base = full_judge(tmp_path / "base", template, 0, vocabulary_extra=3)
    merge_judges(merge_params, base, *two_judges, tmp_path / "merged")
    with pytest.raises(InputError, match=r"direct and its base differ in model.embed_tokens.weight"):
        merge_judges(merge_params.model_copy(update={"method": "ties"}), base, *two_judges, tmp_path / "merged")


def test_a_disk_without_room_is_noticed_beforehand(two_judges, miniature, merge_params, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(EnvironmentFault, match=r"merged needs .* GB, and the disk has 0.0 GB free"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")


def test_the_provenance_is_enough_to_do_it_again(two_judges, miniature, merge_params, tmp_path):
    out = tmp_path / "merged"
    values = merge_params.model_copy(update={"method": "dare_ties", "density": 0.5, "seed": 7})
    merge_judges(values, miniature, *two_judges, out)
    written = load_json(out / "merge.json")
    for name, folder in (("base", miniature), *written_folders(two_judges)):
        assert written["inputs"][name]["model.safetensors"] == hash_weights(folder / "model.safetensors")
        assert {"config.json", "tokenizer.json"} <= written["inputs"][name].keys()
    assert "counts as its weight" in written["weights_sum"]
    assert set(written["checks"]["drift"]) == {"least", "most"} and "canary" in written["checks"]
    # params.yaml says something else by now; the command is run as it is written.
    shutil.copy(ROOT / "params.yaml", tmp_path)
    program, *words = shlex.split(written["command"])
    assert program == "python"
    subprocess.run([sys.executable, *words], cwd=tmp_path, check=True, capture_output=True)
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "merged-again" / "model.safetensors").read_bytes()
    # With another judge in its place it would be another merge.
    weights = load_file(two_judges[1] / "model.safetensors")
    save_file({name: each * 1.01 for name, each in weights.items()}, two_judges[1] / "model.safetensors")
    again = subprocess.run([sys.executable, *words], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert again.returncode == 2 and "pairwise judge is another" in " ".join(again.stderr.split())


def written_folders(judges):
    return zip(("direct", "pairwise"), judges, strict=True)


@pytest.mark.parametrize("out", ["direct", "direct/within", "."])
def test_what_is_read_is_not_written_over(out, two_judges, miniature, merge_params, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=r"would be written over .*direct, which is read.*choose another --out"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / out)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"rms_norm_eps": 0.5}, r"differ in rms_norm_eps \(config.json\): \S+ and 0.5"),
        ({"num_key_value_heads": 1}, r"differ in num_key_value_heads"),
        ({"sliding_window": 128}, r"differ in sliding_window"),
        ({"transformers_version": "4.0.0", "sliding_window": 128}, None),
        ({"transformers_version": "4.0.0", "rms_norm_eps": 0.5}, r"differ in rms_norm_eps"),
        ({"use_cache": "changed"}, None),
    ],
    ids=str,
)
def test_configurations_may_differ_in_nothing_that_the_model_computes(changes, complaint, two_judges, tmp_path):
    path = two_judges[1] / "config.json"
    config = load_json(path)
    write_json(path, {key: each for key, each in config.items() if key != "sliding_window"} | changes)
    own = load_json(two_judges[0] / "config.json")
    write_json(two_judges[0] / "config.json", {key: each for key, each in own.items() if key != "sliding_window"})
    if complaint is None:
        assert check(two_judges, tmp_path)
    else:
        with pytest.raises(InputError, match=complaint):
            check(two_judges, tmp_path)


def test_tokenizers_that_cut_text_in_other_ways_are_refused(two_judges, tmp_path):
    path = two_judges[1] / "tokenizer.json"
    write_json(path, load_json(path) | {"truncation": {"max_length": 5}})
    assert check(two_judges, tmp_path), "what a call sets does not matter"
    write_json(path, load_json(path) | {"normalizer": {"type": "Lowercase"}})
    with pytest.raises(InputError, match=r"cut text in different ways \(tokenizer.json: normalizer\)"):
        check(two_judges, tmp_path)


def test_other_chat_templates_are_refused(two_judges, tmp_path):
    (two_judges[1] / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(InputError, match="have different chat templates"):
        check(two_judges, tmp_path)


def test_a_nan_in_the_base_is_the_bases(two_judges, template, merge_params, tmp_path):
    base = full_judge(tmp_path / "base", template, 0)
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][0] = float("inf")
    save_file(weights, base / "model.safetensors")
    with pytest.raises(InputError, match=r"model.norm.weight of the base holds NaN or infinity"):
        merge_judges(merge_params.model_copy(update={"method": "ties"}), base, *two_judges, tmp_path / "merged")


def test_a_judge_that_does_not_load_whole_is_not_published(two_judges, miniature, merge_params, tmp_path):
    # All checks of the judges pass: both lack the same tensor, which transformers would fill by chance.
    for folder in two_judges:
        weights = load_file(folder / "model.safetensors")
        del weights["model.norm.weight"]
        save_file(weights, folder / "model.safetensors")
    with pytest.raises(BrokenMergeError, match=r"does not load whole \(missing_keys\): model.norm.weight"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_no_memory_for_the_canary_is_no_fault_of_the_judge(two_judges, miniature, merge_params, tmp_path, monkeypatch):
    found = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: found._replace(available=1000))
    with pytest.raises(EnvironmentFault, match=r"speak takes 0.0 GB of memory, and 0.0 GB are free.*merge.canary"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_judge_that_cannot_speak_is_not_published(two_judges, miniature, merge_params, tmp_path):
    for folder in two_judges:
        (folder / "chat_template.jinja").unlink()
    with pytest.raises(BrokenMergeError, match=r"The merged judge does not answer: .*chat.?template"):
        merge_judges(merge_params, miniature, *two_judges, tmp_path / "merged")


def test_an_adapter_of_another_base_is_refused(train, template, merge_params, tmp_path, miniature):
    direct, pairwise = train(tmp_path / "direct"), train(tmp_path / "pairwise", format="pairwise")
    other = tmp_path / "other"
    shutil.copytree(miniature, other)
    weights = load_file(other / "model.safetensors")
    shallow = {name: tensor for name, tensor in weights.items() if ".layers.1." not in name}
    save_file(shallow, other / "model.safetensors")
    with pytest.raises(InputError, match=r"adapter direct changes model.layers.1.*lacks"):
        merge_judges(merge_params, other, direct, pairwise, tmp_path / "merged")


def test_an_adapter_trained_on_other_weights_of_the_same_shape_is_refused(train, merge_params, tmp_path, miniature):
    direct, pairwise = train(tmp_path / "direct"), train(tmp_path / "pairwise", format="pairwise")
    other = tmp_path / "other"
    other.mkdir()
    build_miniature(other, "float32", seed=9)
    with pytest.raises(InputError, match=r"judge direct was trained on another base: .*model.safetensors"):
        merge_judges(merge_params, other, direct, pairwise, tmp_path / "merged")
