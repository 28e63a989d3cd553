"""Adapters in a merge: plain ones are folded on the way, others by peft, and none is passed over in silence."""

import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from judgeforge.engines.transformers import load_weights
from judgeforge.errors import InputError
from judgeforge.files import load_json, write_json
from judgeforge.merge.run import merge_judges
from judgeforge.weights.adapters import is_meant, is_plain
from judgeforge.weights.fold import fold_adapter
from judgeforge.weights.parts import JudgePart


@pytest.fixture
def values(params):
    return params.merge.model_copy(update={"dtype": "float32", "canary": False})


@pytest.fixture
def judges(train, tmp_path):
    direct = train(tmp_path / "direct", learning_rate=0.05)
    return direct, train(tmp_path / "pairwise", format="pairwise", learning_rate=0.05)


def rename(folder, change):
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({new: each for name, each in weights.items() if (new := change(name)) is not None}, path)


def set_config(folder, **changes):
    path = folder / "adapter_config.json"
    write_json(path, load_json(path) | changes)


def plain(folder, base):
    part = JudgePart("direct", folder, base)
    return is_plain(part, part.read_header())


@pytest.mark.parametrize(
    "change",
    [
        lambda name: name.removeprefix("base_model.model."),
        lambda name: name.replace(".weight", ".default.weight"),
    ],
    ids=["no prefix", "the adapter's name within"],
)
def test_names_that_peft_does_not_write_are_refused(change, judges, values, miniature, tmp_path):
    rename(judges[0], change)
    assert not plain(judges[0], miniature)
    with pytest.raises(InputError, match=r"adapter_model.safetensors and its settings differ in \d+ tensors, such as"):
        merge_judges(values, miniature, *judges, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def cut_rank(name, each):
    """Drop the last of the rank from both factors."""
    return (each[:-1] if ".lora_A." in name else each[:, :-1]).contiguous()


@pytest.mark.parametrize(
    "fault",
    ["another rank than the file's", "a layer that is not meant", "a layer that is missing"],
)
def test_an_adapter_that_is_not_what_its_settings_say_is_refused(fault, judges, values, miniature, tmp_path):
    path = judges[0] / "adapter_model.safetensors"
    weights = load_file(path)
    if fault == "another rank than the file's":
        weights = {name: cut_rank(name, each) for name, each in weights.items()}
    elif fault == "a layer that is not meant":
        targets = load_json(judges[0] / "adapter_config.json")["target_modules"]
        set_config(judges[0], target_modules=[each for each in targets if each != "v_proj"])
    else:
        weights = {name: each for name, each in weights.items() if ".v_proj." not in name}
    save_file(weights, path)
    assert not plain(judges[0], miniature)
    with pytest.raises(InputError, match=r"adapter_model.safetensors (and its settings differ|does not fit)"):
        merge_judges(values, miniature, *judges, tmp_path / "merged")


def test_factors_of_different_ranks_and_of_no_floats_are_refused(judges, values, miniature, tmp_path):
    path = judges[0] / "adapter_model.safetensors"
    weights = load_file(path)
    name = sorted(each for each in weights if ".lora_B." in each)[0]
    save_file(weights | {name: weights[name][:, :-1].contiguous()}, path)
    with pytest.raises(InputError, match="does not fit its settings"):
        merge_judges(values, miniature, *judges, tmp_path / "merged")
    save_file(weights | {name: weights[name].to(torch.int8)}, path)
    with pytest.raises(InputError, match=r"lora_B.weight of the adapter direct is I8, which cannot be averaged"):
        merge_judges(values, miniature, *judges, tmp_path / "merged")


def test_what_settings_mean_is_what_peft_adapts(judges, miniature):
    """Our reading of the settings against peft's own, in several ways to write them."""
    base = JudgePart("direct", judges[0], miniature).read_header()
    for changes in (
        {},
        {"target_modules": "all-linear-is-a-word-that-fits-nothing"},
        {"target_modules": r"model\.layers\.1\..*(q|v)_proj"},
        {"target_modules": ["q_proj"], "layers_to_transform": 0},
        {"target_modules": ["model.layers.0.mlp.up_proj", "o_proj"], "layers_to_transform": [1]},
    ):
        config = load_json(judges[0] / "adapter_config.json") | {"layers_to_transform": None} | changes
        model = AutoModelForCausalLM.from_pretrained(miniature)
        try:
            adapted = get_peft_model(model, LoraConfig(**config))
        except ValueError:
            theirs = set()
        else:
            names = (name for name in get_peft_model_state_dict(adapted) if ".lora_A." in name)
            theirs = {name.removeprefix("base_model.model.").removesuffix(".lora_A.weight") for name in names}
        matrices = {name.removesuffix(".weight") for name, place in base.items() if len(place.shape) == 2}
        assert {layer for layer in matrices if is_meant(layer, config)} == theirs, changes


def test_a_factor_without_the_other_is_refused(judges, values, miniature, tmp_path):
    odd = sorted(name for name in load_file(judges[0] / "adapter_model.safetensors") if ".lora_B." in name)[0]
    rename(judges[0], lambda name: None if name == odd else name)
    with pytest.raises(InputError, match=r"adapter direct has .*lora_A.weight without its other factor"):
        merge_judges(values, miniature, *judges, tmp_path / "merged")


@pytest.mark.parametrize(
    "changes",
    [
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora"},
        {"use_dora": True},
        {"rank_pattern": {"q_proj": 4}},
        {"modules_to_save": ["lm_head"]},
        {"fan_in_fan_out": True},
        {"bias": "all"},
        {"what_comes_next_year": True},
    ],
    ids=str,
)
def test_settings_that_say_more_than_products_are_left_to_peft(changes, judges, miniature):
    assert plain(judges[0], miniature)
    set_config(judges[0], **changes)
    assert not plain(judges[0], miniature)


def test_judges_of_other_ranks_are_merged(train, judges, values, miniature, small_train_params, tmp_path):
    lora = small_train_params.lora.model_copy(update={"rank": 5, "alpha": 7, "last_layers": None})
    pairwise = train(tmp_path / "wider", format="pairwise", learning_rate=0.05, lora=lora)
    check(values, miniature, judges[0], pairwise, tmp_path)


def test_full_weights_and_an_adapter_are_merged(judges, values, miniature, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    fold_adapter(miniature, judges[0], full)
    for path in judges[0].iterdir():
        if not path.name.startswith("adapter"):
            (full / path.name).write_bytes(path.read_bytes())
    check(values, miniature, full, judges[1], tmp_path)


def check(values, base, direct, pairwise, folder):
    merge_judges(values.model_copy(update={"alpha": 0.3}), base, direct, pairwise, folder / "merged")
    first, second = (load_weights(each, base, "float32").state_dict() for each in (direct, pairwise))
    assert any(not torch.equal(first[name], second[name]) for name in first)
    for name, merged in load_file(folder / "merged" / "model.safetensors").items():
        torch.testing.assert_close(merged, 0.3 * first[name] + 0.7 * second[name], rtol=1e-5, atol=1e-6)


def test_a_judge_that_does_not_tell_its_base_is_merged_and_said(judges, values, miniature, tmp_path, capsys):
    facts = load_json(judges[1] / "training.json")
    write_json(judges[1] / "training.json", {key: each for key, each in facts.items() if key != "base_weights"})
    merge_judges(values, miniature, *judges, tmp_path / "merged")
    said = " ".join(capsys.readouterr().err.split())
    assert "pairwise does not say which weights it was trained on" in said and "direct does not" not in said


def test_the_base_of_full_judges_is_the_one_that_differences_are_taken_to(
    train, values, miniature, small_train_params, tmp_path
):
    full = {"method": "full", "learning_rate": 0.001}
    direct = train(tmp_path / "direct", **full)
    pairwise = train(tmp_path / "pairwise", format="pairwise", **full)
    other = tmp_path / "other"
    other.mkdir()
    for path in miniature.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    weights = load_file(other / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    merge_judges(values, other, direct, pairwise, tmp_path / "merged")  # linear reads no base
    scaled = values.model_copy(update={"method": "task_arithmetic", "scaling": 1.5})
    with pytest.raises(InputError, match="judge direct was trained on another base"):
        merge_judges(scaled, other, direct, pairwise, tmp_path / "merged")
