"""The memory estimate against what autograd really keeps, for every family, method and dtype."""

import gc

import pytest
import torch

from judgeforge.train import attention, fitting
from judgeforge.train.fitting import Device, find_device, list_advice
from judgeforge.train.fused import fuse_modules
from judgeforge.train.memory import Spread, Step, estimate_memory
from judgeforge.train.model import build_model
from judgeforge.train.skeleton import load_skeleton
from tests.integration.bases import write_configuration
from tests.integration.families import FAMILIES, build_family

ONE_DEVICE = Spread(processes=1, sharding="none", offload=False, kind="cpu")


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    return {name: build_family(name, tmp_path_factory.mktemp(name)) for name in FAMILIES}


def measure_kept(model, rows: int, width: int, half: bool) -> int:
    """Sum the bytes of all that autograd keeps of the layers, but for the weights themselves."""
    weights = {each.untyped_storage()._cdata for each in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    ids = torch.randint(0, 258, (1, rows * width), generator=torch.Generator().manual_seed(0))
    positions = torch.arange(width).repeat(1, rows)
    gc.collect()
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda each: each)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=half):
        inner.model(input_ids=ids, position_ids=positions, row_lengths=[width] * rows)
    return sum(each.nbytes() for each in kept.values())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("name", "method", "dropout"),
    [*((name, method, 0.0) for name in FAMILIES for method in ("lora", "full")), ("llama", "lora", 0.1)],
)
def test_what_a_token_leaves_is_what_was_counted(name, method, dropout, dtype, bases, small_train_params, monkeypatch):
    monkeypatch.setattr(attention, "_BLOCK", 16)
    lora = small_train_params.lora.model_copy(update={"last_layers": None, "rank": 4, "dropout": dropout})
    params = small_train_params.model_copy(update={"method": method, "dtype": dtype, "lora": lora})
    model = build_model(bases[name], params).train()
    fuse_modules(model, getattr(torch, dtype), adapters_only=False)
    skeleton = load_skeleton(bases[name], params)
    measured, expected = (
        [count(width) for width in (64, 128)]
        for count in (
            lambda width: measure_kept(model, 2, width, dtype == "bfloat16"),
            lambda width: estimate_memory(skeleton, params, Step((width, width), 0, False), ONE_DEVICE).activations,
        )
    )
    # The difference, since what does not grow with the tokens (copies of weights) is counted apart.
    assert expected[1] - expected[0] == pytest.approx(measured[1] - measured[0], rel=0.15)


GB = 1e9


def test_the_7b_recipe_by_hand(tmp_path, small_train_params):
    """7,241,732,096 weights: 16 bytes each in fp32 with gradient and moments, and 2 more for bf16's copies."""
    base = write_configuration("mistralai/Mistral-7B-Instruct-v0.2", tmp_path)
    changes = {"method": "full", "dtype": "bfloat16", "gradient_checkpointing": True}
    params = small_train_params.model_copy(update=changes)
    skeleton, step = load_skeleton(base, params), Step((4096,) * 4, 2048, on_gpu=True)
    alone = estimate_memory(skeleton, params, step, Spread(1, "none", False, "gpu"))
    assert alone.trained == alone.gradients == 4 * 7_241_732_096 and alone.moments == 2 * alone.trained
    assert alone.copies == 2 * 7_241_732_096 and alone.frozen == alone.host == 0
    # Between 32 layers the stream in fp32, and what one layer leaves.
    assert alone.activations > 32 * 4 * 4096 * 4096 * 4
    assert alone.logits == 2048 * 32000 * 10
    shared = estimate_memory(skeleton, params, step, Spread(8, "zero3", False, "gpu"))
    assert shared.trained + shared.gradients + shared.moments == 2 * alone.trained // 4
    assert shared.activations == alone.activations
    second = estimate_memory(skeleton, params, step, Spread(8, "zero2", False, "gpu"))
    assert second.trained == alone.trained and second.moments == shared.moments
    away = estimate_memory(skeleton, params, step, Spread(8, "zero3", True, "gpu"))
    assert away.trained == away.moments == away.gradients == 0 and away.host == 28 * 7_241_732_096 // 8
    assert away.copies == 2 * 7_241_732_096 // 32, "of the layer that is gathered"
    assert away.total < shared.total < second.total < alone.total


def test_four_bits_and_adapters_by_hand(tmp_path, small_train_params):
    base = write_configuration("mistralai/Mistral-7B-Instruct-v0.2", tmp_path)
    params = small_train_params.model_copy(update={"dtype": "bfloat16", "gradient_checkpointing": True})
    step, spread = Step((4096,), 512, on_gpu=True), Spread(1, "none", False, "gpu")
    frozen = {}
    for method in ("lora", "qlora"):
        chosen = params.model_copy(update={"method": method})
        frozen[method] = estimate_memory(load_skeleton(base, chosen), chosen, step, spread).frozen
    assert frozen["lora"] == 2 * 7_241_732_096
    # 32 layers of 218,103,808 linear weights at 4.127 bits; embeddings, head and norms in bf16.
    assert frozen["qlora"] == pytest.approx(32 * 218_103_808 * 4.127 / 8 + 2 * (2 * 131_072_000 + 266_240), rel=1e-3)


def test_whole_experts_are_counted(tmp_path, small_train_params):
    """peft adds adapters to a layer's fused experts as a whole: 8 x 3 x 4096 x 14336 weights, and their gradient."""
    base = write_configuration("mistralai/Mixtral-8x7B-Instruct-v0.1", tmp_path)
    lora = small_train_params.lora.model_copy(update={"last_layers": None})
    params = small_train_params.model_copy(update={"dtype": "bfloat16", "lora": lora})
    step, spread = Step((16,), 16, on_gpu=True), Spread(1, "none", False, "gpu")
    experts = 2 * 2 * 8 * 3 * 4096 * 14336
    kept = estimate_memory(load_skeleton(base, params), params, step, spread).activations
    assert 32 * experts < kept < 33 * experts
    saving = params.model_copy(update={"gradient_checkpointing": True})
    kept = estimate_memory(load_skeleton(base, saving), saving, step, spread).activations
    assert experts < kept < 1.1 * experts


def test_what_does_not_fit_is_told_with_what_would_help(train, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fitting, "find_device", lambda: Device("GPU of the test", 1000))
    judge = train(tmp_path / "judge", epochs=1)
    told = " ".join(capsys.readouterr().err.split())
    assert "estimated to need 1.0 GB on each device, and GPU of the test has 0.0 GB free" in told
    assert "train.gradient_checkpointing: true" in told and "train.method: qlora" in told
    assert judge.is_dir(), "an estimate refuses nothing"


def test_advice_begins_with_what_suffices(tmp_path, small_train_params):
    base = write_configuration("mistralai/Mistral-7B-Instruct-v0.2", tmp_path)
    params = small_train_params.model_copy(
        update={"method": "full", "dtype": "bfloat16", "batch_size": 4, "gradient_accumulation": 2}
    )
    skeleton, step = load_skeleton(base, params), Step((4096,) * 4, 2048, on_gpu=True)
    advice = list_advice(skeleton, params, step, Spread(8, "none", False, "gpu"), 80 * 10**9)
    assert any("train.batch_size: 1 and train.gradient_accumulation: 8" in each for each in advice)
    assert any(each.startswith("ZeRO-3 with offload of 25 GB a process to") for each in advice)
    assert "train.method: lora" in advice[-2]
    assert "max_length_tokens" in advice[-1]


def test_what_fits_is_not_spoken_of(train, tmp_path, capsys):
    train(tmp_path / "judge", epochs=1)
    assert "estimated to need" not in capsys.readouterr().err


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    4000 kB\n")
    monkeypatch.setattr(fitting, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(fitting, "_CGROUP", tmp_path / "none")
    assert fitting._read_available() == 4_096_000
    assert fitting._read_container_room() is None
    monkeypatch.setattr(fitting, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    if not torch.cuda.is_available():
        assert find_device() == Device("CPU", 600_000)
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(fitting, "_MEMINFO", tmp_path / "none")
    if not torch.cuda.is_available():
        assert find_device().free is None
