"""The methods' arithmetic: values worked by hand, and identities that hold whatever the weights."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeforge.params import MergeParams
from judgeforge.weights.methods import Block, build_rule, mix

PLAIN = {
    **{"method": "linear", "alpha": 0.5, "scaling": 1.0, "density": 1.0, "normalize": False, "engine": "streaming"},
    **{"canary": False, "dtype": "float32", "seed": 42},
}
METHODS = ("linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties")


def merge(direct, pairwise, base=None, **values):
    """Merge whole tensors in one block, as the engine does in many."""
    rule = build_rule(MergeParams(**(PLAIN | values)))
    block = Block(*(each if each is None else np.asarray(each, np.float32) for each in (direct, pairwise, base)), "x/0")
    found = rule.study(lambda: [block]) if rule.study else None
    return torch.from_numpy(np.array(rule.combine(block, found)))


def draw(seed, shape=(3, 5)):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for _ in range(3)]


weights = st.integers(0, 10_000).map(draw)
shares = st.floats(0, 1, width=32)


def test_linear_by_hand():
    assert merge([4.0, 0.0], [0.0, 8.0], alpha=0.25).tolist() == [1.0, 6.0]


def test_slerp_by_hand():
    # A right angle: a third of it is 30 degrees from the pairwise judge.
    found = merge([0.0, 2.0], [2.0, 0.0], method="slerp", alpha=1 / 3)
    torch.testing.assert_close(found, torch.tensor([2 * math.cos(math.pi / 6), 2 * math.sin(math.pi / 6)]))


def test_slerp_of_a_tensor_without_direction():
    found = merge([0.0, 0.0], [3.0, 4.0], method="slerp", alpha=0.5)
    torch.testing.assert_close(found, torch.tensor([3.0, 4.0]) * math.sin(math.pi / 4))


def test_task_arithmetic_by_hand():
    # 1 + 2 (0.25 x 3 + 0.75 x (-1)) = 1
    assert merge([4.0], [0.0], [1.0], method="task_arithmetic", alpha=0.25, scaling=2.0).tolist() == [1.0]


@pytest.mark.parametrize(("normalize", "expected"), [(True, [1.0, -3.0, 2.5, 0.0]), (False, [0.5, -1.5, 2.5, 0.0])])
def test_ties_by_hand(normalize, expected):
    # Of four deltas the two largest stay: direct 1 and 4, pairwise -3 and 1. Both judges are left with the third alone.
    direct, pairwise = [1.0, 0.1, 4.0, 0.2], [0.3, -3.0, 1.0, 0.0]
    found = merge(direct, pairwise, [0.0] * 4, method="ties", density=0.5, normalize=normalize)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_a_sign_is_elected_by_the_weighed_sum():
    # 0.5 x 3 outweighs 0.5 x -1: with its mean the result is 3, not 1.
    assert merge([3.0], [-1.0], [0.0], method="ties", normalize=True).tolist() == [3.0]
    assert merge([3.0], [-1.0], [0.0], method="ties", alpha=0.2, normalize=True).tolist() == [-1.0]


@given(weights, st.sampled_from(METHODS), st.booleans())
def test_a_share_of_one_gives_the_judge_bit_for_bit(tensors, method, first):
    direct, pairwise, base = tensors
    found = merge(direct, pairwise, base, method=method, alpha=float(first))
    assert found.numpy().tobytes() == (direct if first else pairwise).numpy().tobytes()


@given(weights, st.sampled_from(METHODS), shares)
def test_a_judge_merged_with_itself_is_itself(tensors, method, alpha):
    direct, _, base = tensors
    found = merge(direct, direct.clone(), base, method=method, alpha=alpha, normalize=True)
    if method in ("linear", "slerp", "task_arithmetic", "dare_linear"):
        assert torch.equal(found, direct)
    else:
        torch.testing.assert_close(found, direct, rtol=1e-6, atol=1e-6)


@given(weights, shares)
def test_linear_is_the_same_with_both_exchanged(tensors, alpha):
    direct, pairwise, _ = tensors
    one, other = mix(direct.numpy(), pairwise.numpy(), alpha), mix(pairwise.numpy(), direct.numpy(), 1 - alpha)
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
    if 1 - (1 - alpha) == alpha:
        assert np.array_equal(one, other)


@given(weights, shares)
def test_task_arithmetic_without_scaling_is_linear(tensors, alpha):
    direct, pairwise, base = tensors
    found = merge(direct, pairwise, base, method="task_arithmetic", alpha=alpha)
    assert torch.equal(found, merge(direct, pairwise, alpha=alpha))


@given(weights, shares, st.sampled_from([("dare_linear", "task_arithmetic"), ("dare_ties", "ties")]))
def test_without_drops_dare_is_its_base_method(tensors, alpha, pair):
    values = {"alpha": alpha, "scaling": 1.3, "normalize": True}
    dropped, plain = (merge(*tensors, method=method, **values) for method in pair)
    assert torch.equal(dropped, plain)


@given(weights, shares)
def test_slerp_keeps_the_norm_of_judges_that_have_the_same(tensors, alpha):
    direct, pairwise = (each / each.norm() for each in tensors[:2])
    torch.testing.assert_close(merge(direct, pairwise, method="slerp", alpha=alpha).norm(), torch.tensor(1.0))


def test_dare_keeps_its_share_and_the_mean():
    direct, pairwise, base = torch.full((200, 500), 3.0), torch.full((200, 500), 1.0), torch.ones(200, 500)
    found = merge(direct, pairwise, base, method="dare_linear", alpha=0.5, density=0.4) - base
    # Of 100,000 deltas of 2, each weighed by 0.5 and divided by 0.4: 2.5 where it is kept.
    kept = found != 0
    torch.testing.assert_close(found[kept], torch.full_like(found[kept], 2.5))
    assert abs(float(kept.float().mean()) - 0.4) < 0.01  # six standard deviations
    assert abs(float(found.mean()) - 1.0) < 0.03


def test_dare_draws_by_seed_judge_and_place():
    tensors = draw(1, (40, 50))
    same = [merge(*tensors, method="dare_linear", density=0.5, seed=seed) for seed in (1, 1, 2)]
    assert torch.equal(same[0], same[1]) and not torch.equal(same[0], same[2])
    zeros = torch.zeros(40, 50)
    first, second = (
        merge(*pair, zeros, method="dare_linear", density=0.5) != 0
        for pair in ((torch.ones(40, 50), zeros), (zeros, torch.ones(40, 50)))
    )
    assert not torch.equal(first, second)


@given(weights, st.floats(0.05, 0.95))
def test_ties_keeps_as_many_as_the_density_says(tensors, density):
    direct, _, _ = tensors
    found = merge(direct, torch.zeros_like(direct), torch.zeros_like(direct), method="ties", density=density)
    assert int((found != 0).sum()) == max(1, int(density * direct.numel()))
    smallest = direct.abs()[found != 0].min()
    assert bool((direct.abs()[found == 0] < smallest).all())


@settings(deadline=None)
@given(weights, st.floats(0.05, 0.95), st.integers(1, 7))
def test_ties_keeps_no_more_of_equal_magnitudes_in_however_many_blocks(tensors, density, cut):
    # Rounded to halves, nearly all magnitudes have their equals, as those of judges in bf16 have.
    direct = (tensors[0].numpy() * 2).round() / 2
    params = MergeParams(**(PLAIN | {"method": "ties", "density": density, "normalize": True}))

    def cut_into(size):
        rows = direct.reshape(-1, 1)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        blocks = [Block(part, np.zeros_like(part), np.zeros_like(part), "x") for part in parts]
        rule = build_rule(params)
        found = rule.study(lambda: blocks)
        return np.concatenate([rule.combine(block, found) for block in blocks]).reshape(direct.shape)

    merged = cut_into(cut)
    wanted = max(1, int(density * direct.size))
    kept = merged != 0
    assert kept.sum() == min(wanted, (direct != 0).sum())
    assert np.array_equal(merged[kept], direct[kept])
    assert np.abs(direct)[kept].min() >= np.abs(direct)[~kept].max()
    assert np.array_equal(cut_into(direct.size), merged)


def test_ties_of_differences_that_are_all_nothing():
    assert merge([0.0, 0.0], [0.0, 3.0], [0.0, 0.0], method="ties", density=0.5).tolist() == [0.0, 1.5]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"method": "linear"}, False),
        ({"method": "slerp"}, False),
        ({"method": "task_arithmetic"}, False),
        ({"method": "task_arithmetic", "scaling": 1.5}, True),
        ({"method": "ties"}, True),
        ({"method": "ties", "alpha": 1.0}, False),
        ({"method": "ties", "alpha": 1.0, "density": 0.5}, True),
    ],
)
def test_the_base_is_read_where_it_has_a_part(values, expected):
    params = MergeParams(**(PLAIN | values))
    assert params.needs_base() is expected
    if not expected:
        assert torch.isfinite(merge([1.0, 2.0], [2.0, 1.0], None, **values)).all()
