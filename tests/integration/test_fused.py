"""Modules that are exchanged for fused ones: exact gradients, and only where they do the same."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.autograd import gradcheck
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

from judgeforge.train.fused import AdaptedLinear, FrozenNorm, GatedUnit, compile_modules, fuse_modules

SIZES = {
    **{"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8},
}


def draw(*shape, requires_grad=True):
    return torch.randn(*shape, dtype=torch.float64).requires_grad_(requires_grad)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_gradients_are_those_of_finite_differences():
    weight = draw(6, 5, requires_grad=False)
    assert gradcheck(AdaptedLinear.apply, (draw(2, 3, 5), weight, draw(2, 5), draw(6, 2), 0.7))
    assert gradcheck(GatedUnit.apply, (draw(3, 4), draw(3, 4)))
    assert gradcheck(FrozenNorm.apply, (draw(2, 3, 4), draw(4, requires_grad=False), 1e-6))


def adapt(model, **options):
    names = ["q_proj", "down_proj"]
    return get_peft_model(model, LoraConfig(r=2, target_modules=names, task_type="CAUSAL_LM", **options))


@pytest.mark.parametrize(
    ("options", "count"), [({}, 4), ({"lora_dropout": 0.1}, 0), ({"use_dora": True}, 0), ({"use_rslora": True}, 4)]
)
def test_only_plain_adapters_are_exchanged(options, count):
    model = adapt(LlamaForCausalLM(LlamaConfig(**SIZES)), **options)
    assert fuse_modules(model, torch.float32, adapters_only=True) == {"adapters": count, "norms": 0, "gated_units": 0}
    assert not any(each.any() for name, each in model.named_parameters() if "lora_B" in name), "as they were"


def test_a_module_that_only_looks_alike_is_left_alone():
    """Gemma's norm multiplies by 1 + weight, and its gate is a GELU."""
    model = adapt(Gemma3ForCausalLM(Gemma3TextConfig(**SIZES)))
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.variance_epsilon = module.eps
    assert fuse_modules(model, torch.float32, adapters_only=False) == {"adapters": 4, "norms": 0, "gated_units": 0}


def test_trained_norms_are_left_alone():
    counts = fuse_modules(LlamaForCausalLM(LlamaConfig(**SIZES)), torch.float32, adapters_only=False)
    assert counts == {"adapters": 0, "norms": 0, "gated_units": 2}


def test_bf16_is_as_close_to_fp32_as_the_libraries_modules_are():
    ids = torch.randint(97, (1, 40))
    exact = adapt(LlamaForCausalLM(LlamaConfig(**SIZES))).eval()
    for name, each in exact.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(each, std=0.1)
    errors = []
    for fused in (False, True):
        model = adapt(LlamaForCausalLM(LlamaConfig(**SIZES)).to(torch.bfloat16))
        model.load_state_dict(exact.state_dict())
        if fused:
            assert fuse_modules(model, torch.bfloat16, adapters_only=False) == {
                "adapters": 4,
                "norms": 5,
                "gated_units": 2,
            }
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            errors.append((model(ids).logits.float() - exact(ids).logits.float()).pow(2).mean().sqrt())
    assert errors[1] < 1.2 * errors[0]


@pytest.mark.slow
def test_compiled_modules_give_the_same(tmp_path):
    model = LlamaForCausalLM(LlamaConfig(**SIZES))
    ids = torch.randint(97, (1, 24))
    before = model(ids).logits
    compile_modules(model)
    torch.testing.assert_close(model(ids).logits, before, rtol=1e-4, atol=1e-5)
