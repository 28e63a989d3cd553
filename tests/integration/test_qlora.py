"""QLoRA on bitsandbytes' CPU backend, which is slow and exact enough to train a miniature judge."""

import importlib.util

import pytest
import torch

from judgeforge.engines.transformers import load_weights
from judgeforge.errors import InputError
from judgeforge.files import load_json
from judgeforge.merge.run import merge_judges
from judgeforge.train import quantisation
from judgeforge.train.model import build_model
from tests.integration.families import build_family

needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Its linear layers are whole blocks of 64 weights, which bitsandbytes' kernel for CPUs wants when it judges."""
    return build_family("llama", tmp_path_factory.mktemp("llama"))


@needs_bitsandbytes
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_base_is_held_in_four_bits_and_its_adapters_learn(dtype, train, tmp_path, recorded_run, base):
    out = train(tmp_path / "judge", base=base, method="qlora", dtype=dtype, learning_rate=0.01, epochs=6)
    losses = [values["loss"] for _, values in recorded_run.points if "loss" in values]
    assert losses[-1] < losses[0] - 0.1
    config = load_json(out / "adapter_config.json")
    assert config["base_model_name_or_path"] == str(base)
    assert load_json(out / "training.json")["train"]["method"] == "qlora"
    assert not (out / "model.safetensors").exists()


@needs_bitsandbytes
def test_linear_layers_alone_are_quantised(base, small_train_params):
    model = build_model(base, small_train_params.model_copy(update={"method": "qlora"}))
    layer = model.base_model.model.model.layers[1].self_attn.q_proj
    assert type(layer.base_layer).__name__ == "Linear4bit" and layer.base_layer.weight.dtype == torch.uint8
    assert layer.base_layer.weight.quant_type == "nf4" and layer.base_layer.weight.quant_state.nested
    assert model.get_output_embeddings().weight.dtype == torch.float32
    trained = {each.dtype for each in model.parameters() if each.requires_grad}
    assert trained == {torch.float32}


@needs_bitsandbytes
def test_its_judges_are_merged_and_judge_nearly_as_they_were_trained(train, base, params, tmp_path):
    changes = {"base": base, "method": "qlora", "learning_rate": 0.05}
    direct, pairwise = (train(tmp_path / each, format=each, **changes) for each in ("direct", "pairwise"))
    merging = params.merge.model_copy(update={"dtype": "float32"})
    assert merge_judges(merging, base, direct, pairwise, tmp_path / "merged")["folded"] == ["direct", "pairwise"]
    folded = [load_weights(each, None, "float32").state_dict() for each in (direct, pairwise)]
    merged = load_weights(tmp_path / "merged", None, "float32").state_dict()
    assert all(
        torch.allclose(each, (folded[0][name] + folded[1][name]) / 2, atol=1e-6) for name, each in merged.items()
    )


@needs_bitsandbytes
def test_a_warm_up_is_folded_into_the_bases_own_weights(train, tmp_path, base):
    out = train(tmp_path / "form", "form", base=base, method="qlora", learning_rate=0.01)
    before = load_weights(base, None, "float32").state_dict()
    after = load_weights(out, None, "float32").state_dict()
    changed = {name for name, each in after.items() if not torch.equal(each, before[name])}
    assert changed and all("_proj" in name and ".layers.1." in name for name in changed)


@needs_bitsandbytes
def test_fused_experts_stay_whole_and_a_line_says_so(train, small_train_params, tmp_path):
    mixture = build_family("mixtral", tmp_path)
    lora = small_train_params.lora.model_copy(update={"last_layers": None})
    judge = train(tmp_path / "judge", base=mixture, method="qlora", lora=lora, epochs=1)
    (note,) = load_json(judge / "training.json")["notes"]
    assert note.startswith("The experts stay in float32")


def test_without_bitsandbytes_the_remedy_is_named(train, tmp_path, monkeypatch):
    monkeypatch.setattr(quantisation, "is_bitsandbytes_available", lambda: False)
    with pytest.raises(InputError, match=r"qlora needs bitsandbytes.*judgeforge\[qlora\].*train.method to lora"):
        train(tmp_path / "judge", method="qlora")
    assert not (tmp_path / "judge").exists()


@needs_bitsandbytes
def test_without_a_device_for_it_the_remedy_is_named(monkeypatch):
    from transformers.integrations import bitsandbytes

    monkeypatch.setattr(bitsandbytes, "validate_bnb_backend_availability", lambda raise_exception: False)
    with pytest.raises(InputError, match=r"knows none of this machine's devices.*train.method to lora"):
        quantisation.build_quantisation("bfloat16")
