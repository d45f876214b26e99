"""Row-wise Adam."""

import pytest
import torch
import torch.nn.functional as F

from bslutils.optim import RowAdam, summed_rows


def step(table, optimizer, rows, weight):
    optimizer.zero_grad()
    (F.embedding(rows, table, sparse=isinstance(optimizer, RowAdam)) * weight).sum().backward()
    optimizer.step()


def start(n=6, dim=3):
    return torch.nn.Parameter(torch.linspace(-1, 1, n * dim, dtype=torch.float64).view(n, dim))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_where_every_row_is_touched_it_is_adam(weight_decay):
    ours, theirs = start(), start()
    settings = {"lr": 0.01, "weight_decay": weight_decay}
    rows = torch.tensor([0, 1, 2, 2, 3, 4, 5, 0])
    generator = torch.Generator().manual_seed(0)
    optimizers = RowAdam([ours], **settings), torch.optim.Adam([theirs], **settings)
    for _ in range(20):
        weight = torch.randn(len(rows), 3, generator=generator, dtype=torch.float64)
        step(ours, optimizers[0], rows, weight)
        step(theirs, optimizers[1], rows, weight)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert (ours - start()).abs().min() > 0


@pytest.mark.parametrize("eps", [1e-8, 1e-2])
@pytest.mark.parametrize("scheduled", [False, True])
def test_rarely_touched_rows_follow_dense_adam(eps, scheduled):
    """Every row at every time, through idle stretches, a schedule and the growth of the record
    (after 1,024 steps).

    With an ε far below the gradients the two agree to rounding. With one of their size the drift
    is only near, since it takes the second moment under the root for constant.
    """
    ours, theirs = start(50), start(50)
    optimizers = RowAdam([ours], lr=0.01, eps=eps), torch.optim.Adam([theirs], lr=0.01, eps=eps)
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for turn in range(1200):
        for optimizer in optimizers:
            rate = 0.01 * (1 - turn / 1200) if scheduled else 0.01
            optimizer.param_groups[0]["lr"] = rate
        # row r is touched with a chance of about 1 / r
        rows = (torch.rand(50, generator=generator) * torch.arange(50) < 1).nonzero()[:, 0]
        weight = torch.randn(len(rows), 3, generator=generator, dtype=torch.float64)
        optimizers[0].catch_up(ours, rows)
        worst = max(worst, (ours[rows] - theirs[rows]).abs().max().item())
        step(ours, optimizers[0], rows, weight)
        step(theirs, optimizers[1], rows, weight)
    optimizers[0].catch_up()
    worst = max(worst, (ours - theirs).abs().max().item())
    moved = (theirs - start(50)).abs().mean().item()
    assert moved > 0.1 and worst < (1e-6 if eps == 1e-8 else 0.1) * moved


def test_a_row_that_was_not_caught_up_is_paid_before_its_update():
    ours, theirs = start(), start()
    optimizers = RowAdam([ours], lr=0.1), torch.optim.Adam([theirs], lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for turn in range(30):
        weight = torch.randn(1, 3, generator=generator, dtype=torch.float64)
        for table, optimizer in zip((ours, theirs), optimizers, strict=True):
            step(table, optimizer, torch.tensor([turn % 5]), weight)
    assert not torch.allclose(ours, theirs, atol=1e-3)
    assert torch.equal(ours[5], start()[5])
    optimizers[0].catch_up()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_rows_are_summed():
    table = start()
    F.embedding(torch.tensor([3, 1, 3]), table, sparse=True).sum().backward()
    rows, grad = summed_rows(table.grad)
    assert rows.tolist() == [1, 3] and grad.tolist() == [[1.0] * 3, [2.0] * 3]


def test_bad_settings_and_dense_gradients():
    for settings, message in (
        ({"lr": 0.0}, "lr must be positive and finite, got 0.0"),
        ({"betas": (0.9, 0.8)}, r"betas must satisfy .*, got \(0.9, 0.8\)"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0, got -1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            RowAdam([start()], **settings)
    table = start()
    table.sum().backward()
    with pytest.raises(ValueError, match="RowAdam needs sparse gradients"):
        RowAdam([table]).step()
