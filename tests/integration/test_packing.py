"""Packed rows: the same loss and gradients as each row alone, in every family of models that judges start from."""

from copy import deepcopy

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    Lfm2Config,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    Qwen2Config,
    Qwen3Config,
)

from judgeforge.errors import InputError
from judgeforge.train import attention
from judgeforge.train.attention import PACKED_ATTENTION, attend_within_rows
from judgeforge.train.dataset import load_examples
from judgeforge.train.fused import fuse_modules
from judgeforge.train.loss import CompletionLoss
from judgeforge.train.model import build_model, load_tokenizer, require_packable
from judgeforge.train.packing import FILLER, IGNORED, PackingCollator
from judgeforge.train.tokens import TokenRows, tokenize_examples

SIZES = {
    **{"vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0},
}
WINDOW = {"sliding_window": 5}
GEMMA = {"layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 8} | WINDOW
FAMILIES = {
    "llama": LlamaConfig(**SIZES),
    "mistral": MistralConfig(**SIZES),
    "mistral, sliding": MistralConfig(**SIZES, **WINDOW),
    "mixtral": MixtralConfig(**SIZES, num_local_experts=3, num_experts_per_tok=2),
    "qwen2": Qwen2Config(**SIZES),
    "qwen3": Qwen3Config(**SIZES),
    "gemma2": Gemma2Config(**SIZES, **GEMMA, attn_logit_softcapping=2.0, final_logit_softcapping=3.0),
    "gemma3": Gemma3TextConfig(**SIZES, **GEMMA),
}
LENGTHS = (9, 14, 6)


def build(config, implementation):
    torch.manual_seed(3)
    return AutoModelForCausalLM.from_config(deepcopy(config), attn_implementation=implementation).float()


def draw_rows():
    generator = torch.Generator().manual_seed(1)
    return [
        {"input_ids": torch.randint(1, 97, (length,), generator=generator).numpy(), "completion_length": 3}
        for length in LENGTHS
    ]


def sum_alone(model, rows):
    """The plain way: one row at a time, whole logits, the libraries' own attention."""
    total = 0.0
    for row in rows:
        ids = torch.tensor(row["input_ids"], dtype=torch.int64)
        learnt = row["completion_length"]
        logits = model(ids.unsqueeze(0)).logits[0, -learnt - 1 : -1]
        total = total + cross_entropy(logits.float(), ids[-learnt:], reduction="sum")
    return total


def sum_packed(model, rows, chunk_tokens=None):
    batch = PackingCollator(filler_id=0)(rows)
    labels, _filler = batch.pop("labels"), batch.pop(FILLER)
    total, _ = CompletionLoss(model, chunk_tokens).compute(model, batch, labels)
    return total


def gradients(model, total):
    model.zero_grad()
    total.backward()
    return {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("chunk_tokens", "checkpointing"), [(None, False), (4, True)])
def test_a_packed_batch_has_the_loss_and_gradients_of_its_rows_alone(family, chunk_tokens, checkpointing, monkeypatch):
    monkeypatch.setattr(attention, "_BLOCK", 4)
    rows = draw_rows()
    ours, plain = build(FAMILIES[family], PACKED_ATTENTION), build(FAMILIES[family], "eager")
    require_packable(ours)
    fuse_modules(ours, torch.float32, adapters_only=False)
    if checkpointing:
        ours.train().gradient_checkpointing_enable({"use_reentrant": False})
    packed, alone = sum_packed(ours, rows, chunk_tokens), sum_alone(plain, rows)
    torch.testing.assert_close(packed, alone, rtol=1e-5, atol=1e-5)
    expected = gradients(plain, alone)
    for name, gradient in gradients(ours, packed).items():
        torch.testing.assert_close(
            gradient, expected[name], rtol=1e-4, atol=1e-5, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_adapters_of_a_packed_batch_learn_as_from_its_rows_alone(miniature, training_sets, small_train_params):
    table, left_out = tokenize_examples(load_examples(training_sets, "joint"), load_tokenizer(miniature), 2000)
    rows = [TokenRows(table, left_out)[index] for index in (2, 5, 11)]
    totals = []
    for fused in (True, False):
        torch.manual_seed(0)
        model = build_model(miniature, small_train_params)
        for name, each in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(each, std=0.1)
        if fused:
            assert fuse_modules(model, torch.float32, adapters_only=False) == {
                "adapters": 7,
                "norms": 5,
                "gated_units": 2,
            }
        totals.append((sum_packed(model, rows) if fused else sum_alone(model, rows), model))
    (packed, ours), (alone, plain) = totals
    torch.testing.assert_close(packed, alone, rtol=1e-5, atol=1e-5)
    expected, found = gradients(plain, alone), gradients(ours, packed)
    assert len(found) == 14 and found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=5e-4, atol=1e-4)  # fp32 sums in another order


def test_a_model_that_mixes_neighbours_is_refused():
    mixing = {"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False}
    with pytest.raises(InputError, match="lfm2 mixes rows that are packed"):
        require_packable(build(Lfm2Config(**SIZES, **mixing), PACKED_ATTENTION))


def test_dropout_of_attention_is_refused():
    states = [torch.zeros(1, 2, 4, 8)] * 3
    with pytest.raises(InputError, match="cannot be packed"):
        attend_within_rows(torch.nn.Module(), *states, None, dropout=0.1)


@pytest.mark.parametrize("tokens", [1, 3, 4, 9])
def test_blocks_of_queries_have_exact_gradients(tokens, monkeypatch):
    monkeypatch.setattr(attention, "_BLOCK", 4)
    torch.manual_seed(0)
    query = torch.randn(4, tokens, 3, dtype=torch.float64, requires_grad=True)
    key, value = (torch.randn(2, tokens, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours = attention.CausalBlocks.apply(query, key, value, 0.4)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.unsqueeze(0), key.unsqueeze(0), value.unsqueeze(0), is_causal=True, scale=0.4, enable_gqa=True
    )[0]
    torch.testing.assert_close(ours, expected)
    came = torch.randn_like(ours)
    for mine, theirs in zip(
        torch.autograd.grad(ours, (query, key, value), came),
        torch.autograd.grad(expected, (query, key, value), came),
        strict=True,
    ):
        # Sums over blocks are held in fp32.
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_rows_are_laid_end_to_end_and_only_completions_are_learnt():
    batch = PackingCollator(filler_id=7)(draw_rows())
    assert batch["row_lengths"] == [9, 14, 6, 35] and batch["input_ids"].shape == (1, 64)
    assert batch["position_ids"][0, 9:23].tolist() == list(range(14))
    learnt = (batch["labels"][0] != IGNORED).nonzero().squeeze(1).tolist()
    assert learnt == [6, 7, 8, 20, 21, 22, 26, 27, 28]
    assert torch.equal(batch["labels"][0, learnt], batch["input_ids"][0, learnt])
    assert set(batch["input_ids"][0, 29:].tolist()) == {7}


def test_only_the_completion_is_learnt(miniature, training_sets):
    tokenizer = load_tokenizer(miniature)
    table, left_out = tokenize_examples(load_examples(training_sets, "direct"), tokenizer, 2000)
    labels = PackingCollator(tokenizer.pad_token_id)([TokenRows(table, left_out)[0]])["labels"]
    assert tokenizer.decode(labels[labels != IGNORED]) == "So it goes. [RESULT] 1<|im_end|>"
