"""Scores."""

import numpy as np
import pytest
import torch

from bslutils.scoring import pair_scores, ready, shared_scores, soft_maximum


def test_cosine_is_the_inner_product_of_ready_vectors():
    users, items = torch.randn(4, 8).double(), torch.randn(6, 8).double()
    expected = torch.nn.functional.cosine_similarity(users[:, None], items[None], dim=2)
    got = shared_scores(ready(users, "cosine"), ready(items, "cosine"))
    torch.testing.assert_close(got, expected)
    assert torch.equal(ready(users, "dot"), users)


def test_a_zero_vector_scores_zero():
    assert ready(torch.zeros(1, 3), "cosine").equal(torch.zeros(1, 3))


def test_shared_and_pair_scores_agree():
    users, items = torch.randn(4, 8).double(), torch.randn(6, 8).double()
    pairs = pair_scores(users, items.expand(4, 6, 8))
    torch.testing.assert_close(pairs, shared_scores(users, items))


def test_bad_shapes_and_names():
    with pytest.raises(ValueError, match=r"items \(B, M, d\) .* got \(2, 3\) and \(4, 3\)"):
        pair_scores(torch.zeros(2, 3), torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"same d, got \(2, 3\) and \(4, 5\)"):
        shared_scores(torch.zeros(2, 3), torch.zeros(4, 5))
    with pytest.raises(ValueError, match="score must be one of cosine, dot, got 'euclid'"):
        ready(torch.zeros(2, 3), "euclid")
    with pytest.raises(ValueError, match="tau must be a positive finite number, got 0"):
        soft_maximum(torch.zeros(2, 3), torch.zeros(4, 3), tau=0)
    for mask, got in ((torch.zeros(2, 4), r"torch.float32 \(2, 4\)"), ([[True]], "list")):
        message = rf"mask must be bool \(2, 4\), True where an item counts, got {got}"
        with pytest.raises(ValueError, match=message):
            soft_maximum(torch.zeros(2, 3), torch.zeros(4, 3), tau=1, mask=mask)
    for users in ([[1.0]], np.ones((2, 3)), torch.ones(2, 3, dtype=torch.long)):
        for function in (shared_scores, pair_scores):
            with pytest.raises(ValueError, match="users must be a floating-point tensor, got "):
                function(users, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="block must be at least 1 or None, got 0"):
        soft_maximum(torch.zeros(2, 3), torch.zeros(4, 3), tau=1, block=0)


def plain_soft_maximum(users, items, tau, mean, mask):
    scores = users @ items.T / tau
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    count = torch.tensor(len(items)) if mask is None else mask.sum(1)
    log_sum = torch.logsumexp(scores, 1)
    return tau * (log_sum - count.to(scores).log() if mean else log_sum)


def lists(seed=0, batch=5, n=37, dim=8, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    users, items = (
        torch.randn(rows, dim, generator=generator, dtype=dtype).requires_grad_()
        for rows in (batch, n)
    )
    mask = torch.rand(batch, n, generator=generator) < 0.6
    return users, items, mask


@pytest.mark.parametrize("block", [1, 5 * 4, 5 * 37 - 1, 5 * 37])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("tau", [0.01, 0.2, 10.0])
def test_soft_maximum_in_blocks_equals_the_plain_one(block, masked, mean, tau):
    users, items, mask = lists()
    mask = mask if masked else None
    weight = torch.linspace(-1, 2, len(users), dtype=torch.float64)
    got = soft_maximum(users, items, tau=tau, mean=mean, mask=mask, block=block)
    expected = plain_soft_maximum(users, items, tau, mean, mask)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    for a, b in zip(
        torch.autograd.grad((got * weight).sum(), (users, items)),
        torch.autograd.grad((expected * weight).sum(), (users, items)),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("block", [10, 10_000])
def test_gradcheck_of_the_soft_maximum(block):
    users, items, mask = lists(n=11, dim=3)
    for m in (None, mask):
        torch.autograd.gradcheck(
            lambda u, i, m=m: soft_maximum(u, i, tau=0.7, mask=m, block=block), (users, items)
        )


@pytest.mark.parametrize("block", [10, 10_000])
@pytest.mark.parametrize("mean", [False, True])
def test_a_row_without_items_is_zero_and_has_no_gradient(block, mean):
    users, items, mask = lists()
    mask[2] = False
    value = soft_maximum(users, items, tau=0.1, mean=mean, mask=mask, block=block)
    grad_users, grad_items = torch.autograd.grad(value.sum(), (users, items))
    assert value[2] == 0 and grad_users[2].equal(torch.zeros(8, dtype=torch.float64))
    assert grad_users.isfinite().all() and grad_items.isfinite().all()


@pytest.mark.parametrize("tau", [0.01, 0.1])
def test_soft_maximum_in_float32_and_bfloat16_is_no_worse_than_plain_operations(tau):
    exact_users, exact_items, _ = lists(batch=64, n=2000, dim=64)
    exact = [ready(x, "cosine").detach() for x in (exact_users, exact_items)]
    value = plain_soft_maximum(*exact, tau, False, None)
    f32, bf16 = torch.float32, torch.bfloat16
    for dtype, block in ((f32, 10**9), (f32, 64 * 300), (bf16, 10**9), (bf16, 64 * 300)):
        lower = [x.to(f32) for x in exact]
        fast = soft_maximum(*lower, tau=tau, dtype=dtype, block=block).double()
        plain = plain_soft_maximum(*(x.to(dtype) for x in lower), tau, False, None).double()
        ours, theirs = (fast - value).abs().max(), (plain - value).abs().max()
        assert ours <= max(1.5 * theirs, torch.tensor(1e-6)), (dtype, ours, theirs)


def test_soft_maximum_holds_no_more_than_a_block():
    """The largest tensor that the operation makes is a block, however long the list."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        numel = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out._base is None:
                self.numel = max(self.numel, out.numel())
            return out

    for n in (4_000, 40_000):
        users, items, _ = lists(batch=32, n=n, dtype=torch.float32)
        with Largest() as largest:
            soft_maximum(users, items, tau=0.1, block=32 * 1000).sum().backward()
        assert largest.numel == max(32 * 1000, n * 8)  # a block, or the gradient of the items
