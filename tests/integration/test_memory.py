"""The memory estimate against what autograd really keeps, for every family, method and dtype."""

import gc

import pytest
import torch

from judgeforge.train.memory import ONE_DEVICE, Step, estimate_memory
from judgeforge.train.model import attends_plainly, build_model
from judgeforge.train.skeleton import load_skeleton
from tests.integration.families import FAMILIES, build_family


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
    ids = torch.randint(0, 258, (rows, width), generator=torch.Generator().manual_seed(0))
    gc.collect()
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda each: each)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=half):
        inner.model(input_ids=ids)
    return sum(each.nbytes() for each in kept.values())


@pytest.mark.parametrize("attention", ["fused", "plain"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_token_leaves_is_what_was_counted(name, method, dtype, attention, bases, small_train_params):
    lora = small_train_params.lora.model_copy(update={"last_layers": None, "rank": 4})
    params = small_train_params.model_copy(update={"method": method, "dtype": dtype, "lora": lora})
    longest = 100 if attention == "plain" else 1000
    plain = attends_plainly(bases[name], longest)
    model = build_model(bases[name], params, longest).train()
    assert model.config._attn_implementation == ("eager" if plain else "sdpa")
    skeleton = load_skeleton(bases[name], params)
    measured, expected = (
        [count(width) for width in (64, 128)]
        for count in (
            lambda width: measure_kept(model, 2, width, dtype == "bfloat16"),
            lambda width: estimate_memory(skeleton, params, Step(2, width, 0, plain), ONE_DEVICE).activations,
        )
    )
    # The difference, since what does not grow with the tokens (copies of weights) is counted apart.
    assert expected[1] - expected[0] == pytest.approx(measured[1] - measured[0], rel=0.15)
