"""Losses on vectors: alignment, uniformity and DirectAU."""

import math

import pytest
import torch

from bslutils.losses.vectors import DirectAULoss, alignment, direct_au_loss, uniformity


def vectors(*shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g, dtype=torch.float64)


def squared_distance(a, b):
    a, b = (x / x.norm() for x in (a, b))
    return sum((x - y) ** 2 for x, y in zip(a.tolist(), b.tolist(), strict=True))


def slow_uniformity(rows, t):
    pairs = [(v, w) for v in range(len(rows)) for w in range(len(rows)) if v < w]
    values = [math.exp(-t * squared_distance(rows[v], rows[w])) for v, w in pairs]
    return math.log(sum(values) / len(values))


def slow_direct_au(users, items, mask, gamma, t):
    pairs = [(u, p) for u in range(len(users)) for p in range(items.shape[1]) if mask[u, p]]
    aligned = sum(squared_distance(users[u], items[u, p]) for u, p in pairs) / len(pairs)
    sides = users[mask.any(1)], torch.stack([items[u, p] for u, p in pairs])
    return aligned + gamma / 2 * sum(slow_uniformity(side, t) for side in sides)


@pytest.mark.parametrize("t", [0.5, 2.0, 30.0])
def test_uniformity_equals_the_slow_loop(t):
    rows = vectors(7, 3)
    assert uniformity(rows, t=t).item() == pytest.approx(slow_uniformity(rows, t), rel=1e-12)
    twice = torch.cat([rows, rows[:2]])  # repeated vectors are pairs at distance 0
    assert uniformity(twice, t=t).item() == pytest.approx(slow_uniformity(twice, t), rel=1e-12)


def test_alignment_and_uniformity_in_scores():
    """What the docstrings say of cosines."""
    users, items = (torch.nn.functional.normalize(vectors(6, 4, seed=s), dim=1) for s in (0, 1))
    cosines = (users * items).sum(1)
    torch.testing.assert_close(alignment(users, items), 2 - 2 * cosines.mean())
    same_side = (users @ users.T)[~torch.eye(6, dtype=torch.bool)]
    tau = 1 / 4
    soft_maximum = tau * (torch.logsumexp(same_side / tau, 0) - math.log(30))
    torch.testing.assert_close(uniformity(users), (soft_maximum - 1) / tau)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 5.0])
def test_direct_au_equals_the_slow_loop(gamma):
    users, items = vectors(5, 3), vectors(5, 4, 3, seed=1)
    whole = torch.ones(5, 4, dtype=torch.bool)
    mask = whole.clone()
    mask[0, 2:], mask[3] = False, False
    for pos_mask in (None, mask):
        got = direct_au_loss(users, items, gamma=gamma, pos_mask=pos_mask).item()
        used = whole if pos_mask is None else pos_mask
        assert got == pytest.approx(slow_direct_au(users, items, used, gamma, 2.0), rel=1e-12)
    # What is masked may hold anything; lengths do not count; one positive needs no axis.
    items[~mask] = math.nan
    assert direct_au_loss(3 * users, items / 7, gamma=gamma, pos_mask=mask).item() == (
        pytest.approx(got, rel=1e-12)
    )
    one = direct_au_loss(users, items[:, 0].nan_to_num(1.0), gamma=gamma)
    assert one == direct_au_loss(users, items[:, :1].nan_to_num(1.0), gamma=gamma)


def test_gradients_also_where_vectors_coincide():
    users, items = vectors(4, 3), vectors(4, 2, 3, seed=1)
    users[1] = users[0]
    mask = torch.tensor([[True, True], [True, False], [False, False], [True, True]])
    pair = (users.requires_grad_(), items.requires_grad_())
    for pos_mask in (None, mask):
        assert torch.autograd.gradcheck(
            lambda u, i, m=pos_mask: direct_au_loss(u, i, gamma=1.5, pos_mask=m), pair
        )


def test_too_few_vectors_are_worth_nothing():
    one = vectors(1, 3).requires_grad_()
    assert uniformity(one) == 0
    value = direct_au_loss(one, vectors(1, 3, seed=1), gamma=1.0)
    assert value == alignment(one, vectors(1, 3, seed=1)) and value.isfinite()
    none = direct_au_loss(
        one, vectors(1, 2, 3), gamma=1.0, pos_mask=torch.zeros(1, 2, dtype=torch.bool)
    )
    none.backward()
    assert none == 0 and one.grad.eq(0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision(dtype):
    users, items = vectors(50, 8), vectors(50, 8, seed=1)
    exact = direct_au_loss(users, items, gamma=1.0).item()
    low = direct_au_loss(users.to(dtype), items.to(dtype), gamma=1.0)
    assert low.dtype == dtype
    assert low.item() == pytest.approx(exact, abs=100 * torch.finfo(dtype).eps * abs(exact))


def test_module_is_the_function():
    users, items = vectors(5, 3), vectors(5, 2, 3, seed=1)
    mask = torch.tensor([[True, False]] * 5)
    loss = DirectAULoss(gamma=0.7, t=1.0)
    expected = direct_au_loss(users, items, gamma=0.7, t=1.0, pos_mask=mask)
    assert loss(users, items, pos_mask=mask, neg_mask=None) == expected
    assert loss.on_vectors and repr(loss) == "DirectAULoss(gamma=0.7, t=1.0)"


def test_bad_arguments():
    two = torch.ones(2, 3)
    with pytest.raises(ValueError, match=r"pair by pair, got \(2, 3\) and \(4, 3\)"):
        alignment(two, torch.ones(4, 3))
    with pytest.raises(ValueError, match=r"vectors must be \(n, d\), got \(3,\)"):
        uniformity(torch.ones(3))
    with pytest.raises(ValueError, match="t must be a positive finite number, got 0"):
        uniformity(two, t=0)
    for items in (torch.ones(2, 5, 4), torch.ones(3, 5, 3), torch.ones(3)):
        with pytest.raises(ValueError, match=r"users must be \(B, d\) and items"):
            direct_au_loss(two, items, gamma=1.0)
    with pytest.raises(ValueError, match=r"pos_mask must be bool \(2, 1\).*got torch.float32"):
        direct_au_loss(two, two, gamma=1.0, pos_mask=torch.ones(2, 1))
    with pytest.raises(ValueError, match=r"pos_mask must be bool \(2, 1\).*got torch.bool \(2, 3"):
        direct_au_loss(two, two, gamma=1.0, pos_mask=torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="gamma must be at least 0 and finite, got -1"):
        DirectAULoss(gamma=-1)
    with pytest.raises(ValueError, match="t must be a positive finite number, got nan"):
        DirectAULoss(gamma=1, t=math.nan)
