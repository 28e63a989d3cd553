"""Training where there is a GPU: packed rows and fused modules in bf16, held against fp32 and the libraries' own."""

import importlib.util
import math
from copy import deepcopy

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    Qwen3Config,
)
from transformers.models.llama import modeling_llama

from judgeforge.files import load_json_rows
from judgeforge.train.attention import PACKED_ATTENTION, attend_within_rows
from judgeforge.train.fused import fuse_modules
from judgeforge.train.loss import CompletionLoss
from judgeforge.train.model import build_model, require_packable
from judgeforge.train.packing import FILLER, PackingCollator

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")]

SIZES = {
    **{"vocab_size": 97, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "pad_token_id": 0},
}
WINDOW = {"sliding_window": 40}
GEMMA = {"layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 16} | WINDOW
FAMILIES = {
    "llama": LlamaConfig(**SIZES),
    "mistral, sliding": MistralConfig(**SIZES, **WINDOW),
    "qwen3": Qwen3Config(**SIZES),
    "gemma2": Gemma2Config(**SIZES, **GEMMA, attn_logit_softcapping=2.0, final_logit_softcapping=3.0),
    "gemma3": Gemma3TextConfig(**SIZES, **GEMMA),
}
LENGTHS = (290, 1, 33, 513)
OF_BF16 = 0.01
"""What operands in bf16 leave, relative to the whole."""


def measure_error(found, exact):
    found, exact = found.detach().double(), exact.detach().double()
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("window", [None, 40, 4096])
@pytest.mark.parametrize("shared", [8, 2])
def test_attention_of_packed_rows_is_that_of_each_row_alone(window, shared):
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(1, heads, sum(LENGTHS), 64, generator=generator) for heads in (8, shared, shared)]
    came = torch.randn(1, sum(LENGTHS), 8, 64, generator=generator)
    ours = [each.to("cuda", torch.bfloat16).requires_grad_() for each in states]
    output, _ = attend_within_rows(
        torch.nn.Module(), *ours, None, row_lengths=list(LENGTHS), sliding_window=window, scaling=0.2
    )
    output.backward(came.to("cuda", torch.bfloat16))
    exact = [each.detach().double().cpu().requires_grad_() for each in ours]
    rows = []
    for query, key, value in zip(*(each.split(LENGTHS, dim=2) for each in exact), strict=True):
        distance = torch.arange(query.shape[2]).unsqueeze(1) - torch.arange(query.shape[2])
        seen = (distance >= 0) & (distance < (window or 10**6))
        grown = [each.repeat_interleave(8 // shared, dim=1) for each in (key, value)]
        weights = (query @ grown[0].mT * 0.2).masked_fill(~seen, float("-inf")).softmax(-1)
        rows.append((weights @ grown[1]).transpose(1, 2))
    expected = torch.cat(rows, dim=1)
    expected.backward(came.to(torch.bfloat16).double())
    assert measure_error(output.cpu(), expected) < OF_BF16
    for mine, theirs in zip(ours, exact, strict=True):
        assert measure_error(mine.grad.cpu(), theirs.grad) < OF_BF16


def build(config, implementation):
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(deepcopy(config), attn_implementation=implementation).float()
    model.config.use_cache = False
    return model.to("cuda")


def draw_rows(vocabulary=97):
    generator = torch.Generator().manual_seed(1)
    return [
        {"input_ids": torch.randint(1, vocabulary, (length,), generator=generator).numpy(), "completion_length": 20}
        for length in (290, 45, 33, 513)
    ]


def sum_alone(model, rows):
    total = 0.0
    for row in rows:
        ids, learnt = torch.tensor(row["input_ids"], dtype=torch.int64, device="cuda"), row["completion_length"]
        logits = model(ids.unsqueeze(0)).logits[0, -learnt - 1 : -1]
        total = total + cross_entropy(logits.float(), ids[-learnt:], reduction="sum")
    return total


def sum_packed(model, rows, chunk_tokens, dtype):
    batch = PackingCollator(filler_id=0)(rows)
    labels, _filler = batch.pop("labels").to("cuda"), batch.pop(FILLER)
    batch = {name: each.to("cuda") if isinstance(each, torch.Tensor) else each for name, each in batch.items()}
    return CompletionLoss(model, chunk_tokens, dtype).compute(model, batch, labels)[0]


def gather_gradients(model, total):
    model.zero_grad()
    total.backward()
    return torch.cat([each.grad.flatten() for each in model.parameters() if each.grad is not None])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_packed_batch_in_bf16_is_as_close_to_fp32_as_rows_alone_are(family, checkpointing):
    rows, plain = draw_rows(), build(FAMILIES[family], "eager")
    total = sum_alone(plain, rows)
    exact = gather_gradients(plain, total)
    with torch.autocast("cuda", torch.bfloat16):
        theirs = sum_alone(plain, rows)
    error = measure_error(gather_gradients(plain, theirs), exact)
    ours = build(FAMILIES[family], PACKED_ATTENTION)
    fuse_modules(ours, torch.bfloat16, adapters_only=False)
    if checkpointing:
        ours.train().gradient_checkpointing_enable({"use_reentrant": False})
    with torch.autocast("cuda", torch.bfloat16):
        require_packable(ours)
        packed = sum_packed(ours, rows, 16, torch.bfloat16)
    assert abs(packed - total) <= 1.5 * abs(theirs - total) + OF_BF16 * abs(total)
    assert measure_error(gather_gradients(ours, packed), exact) < 1.5 * error + OF_BF16


def test_fused_adapters_in_bf16_are_as_close_to_fp32_as_the_libraries_are(miniature, small_train_params):
    rows, gradients = draw_rows(vocabulary=258), {}
    for name, dtype in (("exact", torch.float32), ("library", torch.bfloat16), ("fused", torch.bfloat16)):
        torch.manual_seed(0)
        params = small_train_params.model_copy(update={"dtype": str(dtype).removeprefix("torch.")})
        model = build_model(miniature, params).to("cuda")
        for label, each in model.named_parameters():
            if "lora_B" in label:
                torch.nn.init.normal_(each, std=0.1)
        if name == "fused":
            counts = fuse_modules(model, dtype, adapters_only=False)
            assert counts == {"adapters": 7, "norms": 5, "gated_units": 2}
        with torch.autocast("cuda", torch.bfloat16, enabled=dtype == torch.bfloat16):
            total = sum_packed(model, rows, 16, dtype)
        gradients[name] = gather_gradients(model, total)
    error = measure_error(gradients["library"], gradients["exact"])
    assert measure_error(gradients["fused"], gradients["exact"]) < 1.5 * error


needs_liger = pytest.mark.skipif(
    importlib.util.find_spec("liger_kernel") is None, reason="liger-kernel is not installed"
)


@pytest.fixture
def own_classes(monkeypatch):
    """Put back what Liger exchanges in the library's module: for all models that the process builds later."""
    for name, each in list(vars(modeling_llama).items()):
        if callable(each):
            monkeypatch.setattr(modeling_llama, name, each)


@pytest.mark.usefixtures("own_classes")
@pytest.mark.parametrize("kernels", [pytest.param({"liger": True}, marks=needs_liger), {"compile": True}])
def test_other_kernels_learn_the_same(kernels, train, tmp_path):
    curves = []
    for name, changes in (("ours", {}), ("theirs", kernels)):
        out = train(tmp_path / name, dtype="bfloat16", **changes)
        curves.append([point["loss"] for point in load_json_rows(out.with_suffix(".jsonl")) if "loss" in point])
    assert len(curves[0]) > 3 and curves[1] == pytest.approx(curves[0], rel=0.01)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_judge_learns_in_bf16_what_it_learns_in_fp32(method, train, recorded_run, tmp_path):
    curves = []
    for dtype in ("float32", "bfloat16"):
        out = train(tmp_path / dtype, method=method, dtype=dtype)
        weights = next(out.glob("*.safetensors"))
        assert all(each.isfinite().all() for each in load_file(weights).values())
        curves.append([point["loss"] for point in load_json_rows(out.with_suffix(".jsonl")) if "loss" in point])
    assert len(curves[0]) == len(curves[1]) > 3 and all(map(math.isfinite, curves[1]))
    assert curves[1] == pytest.approx(curves[0], rel=0.01)
    points = [values for _, values in recorded_run.points if "mfu" in values]
    assert all(0 < values["mfu"] < 1 and values["peak_memory_gib"] > 0 for values in points)
    assert torch.cuda.get_device_name() in recorded_run.tags["environment.device"]
