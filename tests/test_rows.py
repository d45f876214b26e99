"""Distinct rows, and the gradients that are written out for speed, against the plain ones."""

import pytest
import torch
import torch.nn.functional as F

import bslutils as bsl
from bslutils.batch import batch_scores
from bslutils.rows import SPARSE, distinct, summed_rows
from bslutils.scoring import FEW, SHORTEST, pair_scores, ready


@pytest.mark.parametrize("size", [40, 40 * SPARSE])  # by a mark for every row, and by sorting
@pytest.mark.parametrize("shape", [(30,), (6, 5), (0,)])
def test_distinct_ids_and_their_places(size, shape):
    ids = torch.randint(40, shape, generator=torch.Generator().manual_seed(0))
    rows, place = distinct(ids, size)
    assert rows.tolist() == sorted(set(ids.flatten().tolist()))
    assert place.shape == ids.shape and torch.equal(rows[place], ids)


def test_an_id_beyond_the_table_is_an_error():
    for wrong in (-41, -1, 40):
        with pytest.raises((IndexError, RuntimeError)):
            distinct(torch.tensor([1, wrong]), 40)


def test_rows_that_stand_once_are_not_added_up_again():
    for ids in ([1, 3, 4], [3, 1, 4], [3, 3, 1], [2]):
        table = torch.randn(6, 2, requires_grad=True)
        weights = torch.randn(len(ids), 2)
        (F.embedding(torch.tensor(ids), table, sparse=True) * weights).sum().backward()
        rows, grad = summed_rows(table.grad)
        assert rows.tolist() == sorted(set(ids))
        torch.testing.assert_close(grad, table.grad.to_dense()[rows])


def test_unit_vectors_and_their_gradients_are_those_of_normalize():
    start = torch.randn(7, 3, dtype=torch.float64)
    start[2], start[3], start[4] = 0, SHORTEST / 10, 1e-8
    weights = torch.randn(7, 3, dtype=torch.float64)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    ready(ours, "cosine").mul(weights).sum().backward()
    F.normalize(theirs, dim=-1).mul(weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-9, atol=0)
    assert torch.equal(ready(start, "cosine"), F.normalize(start, dim=-1))
    inner = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: ready(x, "cosine"), inner)


@pytest.mark.parametrize("n_items", [1, FEW - 1, FEW, 2 * FEW])
def test_scores_of_pairs_and_their_gradients(n_items):
    generator = torch.Generator().manual_seed(0)
    users, items = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((3, 4), (3, n_items, 4))
    )
    assert torch.allclose(pair_scores(users, items), torch.einsum("bd,bmd->bm", users, items))
    assert torch.autograd.gradcheck(pair_scores, (users, items))
    assert torch.autograd.gradgradcheck(pair_scores, (users, items))


@pytest.mark.parametrize("n_items", [1, 2 * FEW])
def test_scores_of_pairs_have_a_gradient_under_autocast(n_items):
    users, items = (torch.randn(s, requires_grad=True) for s in ((3, 4), (3, n_items, 4)))
    with torch.autocast("cpu", torch.bfloat16):
        value = pair_scores(users, items).float().sum()
    value.backward()
    torch.testing.assert_close(users.grad, items.detach().sum(1), rtol=0.02, atol=0.02)
    wanted = users.detach().unsqueeze(1).expand_as(items)
    torch.testing.assert_close(items.grad, wanted, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("sampler", ["shared", "independent", "in-batch", "full"])
@pytest.mark.parametrize("score", ["cosine", "dot"])
def test_a_batch_has_the_gradient_of_its_scores_taken_one_by_one(sampler, score):
    """The scores of a batch, with every vector looked up for every place that it takes."""
    model = bsl.models.MatrixFactorization(12, 9, dim=4, score=score).double()
    generator = torch.Generator().manual_seed(1)
    user = torch.randint(12, (8,), generator=generator)
    pos = torch.randint(9, (8, 3), generator=generator)
    config = bsl.TrainConfig(sampler=sampler, n_negatives=20)

    def draw():
        return torch.Generator().manual_seed(2)

    first, second, _ = batch_scores(model, user, pos, None, config, 9, draw())
    if sampler == "shared":
        neg = torch.randint(9, (20,), generator=draw()).expand(8, -1)
    elif sampler == "independent":
        neg = torch.randint(9, (8, 20), generator=draw())
    else:
        neg = (pos.flatten() if sampler == "in-batch" else torch.arange(9)).expand(8, -1)
    users, items = model(user, torch.cat([pos, neg], 1))
    plain = torch.einsum("bd,bmd->bm", users, items)
    ours = torch.cat([first, second], 1)
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    weights = torch.randn(plain.shape, generator=generator, dtype=torch.float64)
    tables = list(model.parameters())
    for got, wanted in zip(
        torch.autograd.grad((ours * weights).sum(), tables),
        torch.autograd.grad((plain * weights).sum(), tables),
        strict=True,
    ):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)
