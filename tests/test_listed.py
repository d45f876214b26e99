"""Scores with items of one's own: without copies as with them."""

import warnings
from dataclasses import replace

import pytest
import torch

import bslutils as bsl
from bslutils.listed import listed_scores, ragged_scores
from bslutils.scoring import FEW, pair_scores


def case(batch, n_items, width, dtype=torch.float64, dim=6):
    generator = torch.Generator().manual_seed(0)
    users, items = (
        torch.randn(rows, dim, generator=generator, dtype=dtype).requires_grad_()
        for rows in (batch, n_items)
    )
    place = torch.randint(n_items, (batch, width), generator=generator)
    return users, items, place, torch.randn(batch, width, generator=generator, dtype=dtype)


# Few items of a user, many, more than there are, repeats, one of each kind.
SHAPES = [(5, 90, 3), (5, 90, FEW), (4, 70, 40), (4, 9, 30), (3, 40, 40), (1, 1, 1), (1, 1, FEW)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_and_gradients_are_those_of_copies(shape, dtype):
    users, items, place, weight = case(*shape, dtype)
    near = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-12, "atol": 0}
    ours, theirs = listed_scores(users, items, place), pair_scores(users, items[place])
    torch.testing.assert_close(ours, theirs, **near)
    for a, b in zip(
        torch.autograd.grad(ours, (users, items), weight),
        torch.autograd.grad(theirs, (users, items), weight),
        strict=True,
    ):
        torch.testing.assert_close(a, b, **near)


def copied_scores(users, items, place, starts):
    lists = zip(users, place.split(starts.diff().tolist()), strict=True)
    return torch.cat([items[ids] @ user for user, ids in lists])


@pytest.mark.parametrize("lengths", [[3, 0, 5, 1], [0, 0, 0, 4], [0, 0, 0, 0], [6, 6, 6, 6]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_lists_of_different_lengths(lengths, dtype):
    users, items, _, _ = case(4, 6, 1, dtype)
    generator = torch.Generator().manual_seed(1)
    place = torch.cat([torch.randperm(6, generator=generator)[:n] for n in lengths])
    starts = torch.tensor([0, *lengths]).cumsum(0)
    ours, theirs = (f(users, items, place, starts) for f in (ragged_scores, copied_scores))
    near = {torch.float32: 1e-5, torch.float64: 1e-12, torch.bfloat16: 0.05}[dtype]
    torch.testing.assert_close(ours, theirs, rtol=near, atol=near)
    weight = torch.linspace(1, 2, len(place), dtype=dtype)
    for a, b in zip(
        *(torch.autograd.grad(x, (users, items), weight) for x in (ours, theirs)), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=near, atol=near)


def test_bad_shapes_of_different_lengths():
    users, items, _, _ = case(4, 6, 1)
    place, starts = torch.tensor([1, 0]), torch.tensor([0, 1, 1, 2, 2])
    assert ragged_scores(users, items, place, starts).shape == (2,)
    for bad in (
        (users, items[:, :3], place, starts),
        (users, items, place.view(1, 2), starts),
        (users, items, place, starts[:4]),
    ):
        with pytest.raises(
            ValueError, match=r"items must be \(U, 6\), place \(T,\) and starts \(5,\)"
        ):
            ragged_scores(*bad)


def test_gradients_that_are_no_plain_memory():
    users, items, place, weight = case(4, 70, 40)
    expected = torch.autograd.grad(pair_scores(users, items[place]).sum(), (users, items))
    got = torch.autograd.grad(listed_scores(users, items, place).sum(), (users, items))
    torch.testing.assert_close(got, expected)  # of a sum: one number, expanded
    turned = place.T.contiguous().T
    for by in (weight, weight.T.contiguous().T):
        got = torch.autograd.grad(listed_scores(users, items, turned), (users, items), by)
        torch.testing.assert_close(
            got, torch.autograd.grad(pair_scores(users, items[place]), (users, items), weight)
        )
    (only_items,) = torch.autograd.grad(listed_scores(users.detach(), items, place), items, weight)
    torch.testing.assert_close(only_items, got[1])


def test_types_that_no_sparse_product_knows_and_nothing_to_score():
    users, items, place, _ = case(4, 70, 40)
    half = listed_scores(users.bfloat16(), items.bfloat16(), place)
    torch.testing.assert_close(half.double(), pair_scores(users, items[place]), rtol=0.1, atol=0.2)
    assert listed_scores(users[:0], items, place[:0]).shape == (0, 40)
    assert listed_scores(users, items, place[:, :0]).shape == (4, 0)


def test_it_says_nothing_about_sparse_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        listed_scores(*case(4, 70, 40)[:3]).sum().backward()


def test_a_second_derivative_is_refused():
    users, items, place, weight = case(4, 70, 40)
    scores = listed_scores(users, items, place)
    (grad,) = torch.autograd.grad(scores, users, weight.requires_grad_(), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_bad_shapes():
    users, items, place, _ = case(4, 70, 40)
    for bad in ((users, items[:, :3], place), (users, items, place[:3]), (users, items, place[0])):
        with pytest.raises(ValueError, match=r"items must be \(U, 6\) and place \(4, M\)"):
            listed_scores(*bad)


@pytest.mark.parametrize("settings", [{"sampler": "independent"}, {"negative_noise": 8.0}])
@pytest.mark.parametrize("positives", [1, 4])
def test_a_training_is_that_with_copies(movielens, monkeypatch, settings, positives):
    config = bsl.TrainConfig(
        epochs=2, lr=1e-2, n_negatives=50, batch_size=512, positives=positives, **settings
    )

    def trained(config=config):
        model = bsl.models.MatrixFactorization(movielens.n_users, movielens.n_items, dim=8, seed=0)
        run = bsl.fit(model, movielens, bsl.losses.BPRLoss(tau=0.3), config)
        return run.history[-1]["loss"], model.item_table.detach()

    loss, table = trained()
    again, same = trained()
    assert loss == again and torch.equal(table, same)  # to the bit
    monkeypatch.setattr(
        "bslutils.batch.listed_scores", lambda users, items, place: pair_scores(users, items[place])
    )
    monkeypatch.setattr("bslutils.batch.ragged_scores", copied_scores)
    copied, close = trained()
    assert loss == pytest.approx(copied, rel=1e-5)
    torch.testing.assert_close(table, close, rtol=1e-3, atol=1e-4)
    other, _ = trained(replace(config, seed=1))
    assert loss != pytest.approx(other, rel=1e-5)
