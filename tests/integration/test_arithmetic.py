"""What training costs, worked by hand for a model whose weights can be counted on paper."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, MixtralConfig, MixtralForCausalLM

from judgeforge.train.arithmetic import Arithmetic, count_arithmetic, find_peak
from judgeforge.train.live import Meter

SIZES = {
    **{"vocab_size": 100, "hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 3},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": True},
}
# q 16 x 32, k and v 16 x 16, o 32 x 16; gate, up and down 16 x 40.
LAYER = 512 + 2 * 256 + 512 + 3 * 640
MIXTRAL_LAYER = 512 + 2 * 256 + 512 + 4 * 16 + 2 * 3 * 640  # the router, and two of four experts


def test_full_training_passes_through_every_weight_three_times():
    counted = count_arithmetic(LlamaForCausalLM(LlamaConfig(**SIZES)))
    assert counted == Arithmetic(used=3 * LAYER, passed=3 * LAYER, trained=3 * LAYER, head=1600, attention=3 * 32)
    # Two rows of 3 and 2 tokens meet 6 and 3 tokens; two tokens are learnt.
    assert counted.count([3, 2], 2) == 6 * 3 * LAYER * 5 + 12 * 96 * 9 + 4 * 1600 * 2


def test_adapters_of_the_last_layer_leave_the_others_forward_alone():
    lora = LoraConfig(r=2, target_modules=["q_proj"], layers_to_transform=[2], task_type="CAUSAL_LM")
    counted = count_arithmetic(get_peft_model(LlamaForCausalLM(LlamaConfig(**SIZES)), lora))
    adapter = 2 * 16 + 2 * 32
    assert (counted.used, counted.passed, counted.trained) == (3 * LAYER + adapter, LAYER + adapter, adapter)
    assert counted.attention == pytest.approx(32 + 2 * 32 / 3)


def test_of_experts_those_are_counted_that_a_token_asks():
    config = MixtralConfig(**SIZES, num_local_experts=4, num_experts_per_tok=2)
    assert count_arithmetic(MixtralForCausalLM(config)).used == 3 * MIXTRAL_LAYER


def test_a_known_gpu_is_held_against_its_data_sheet_and_a_cpu_against_a_measurement(monkeypatch):
    measured = find_peak(torch.float32)
    assert measured.flops > 1e8 and "measured product" in measured.source
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for device, flops in (
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA A100-SXM4", 312e12),
    ):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name=device: name)
        assert find_peak(torch.bfloat16).flops == flops


def test_a_measurement_draws_nothing_from_the_runs_generator():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    find_peak(torch.bfloat16)
    assert torch.equal(torch.rand(1), expected)


def test_the_meter_speaks_of_all_processes_and_begins_anew_at_each_reading(monkeypatch):
    from judgeforge.train import live

    now = [100.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    meter = Meter(Arithmetic(used=10, passed=10, trained=0, head=5, attention=0), live.Peak(flops=1000.0, source=""), 2)
    meter.add([6, 4], learnt=3)
    now[0] += 2.0
    read = meter.read()
    assert (read["tokens_per_second"], read["learnt_tokens_per_second"], read["tokens_seen"]) == (10.0, 3.0, 20)
    # 2 x 20 x 10 tokens + 4 x 5 x 3 learnt ones, in two seconds; the others do as much, each on a device of its own.
    assert read["mfu"] == pytest.approx((400 + 60) / 2 / 1000)
    now[0] += 1.0
    assert meter.read()["tokens_per_second"] == 0 and meter.seen == 20
