"""Matrix factorisation."""

import pytest
import torch

from bslutils.models import MatrixFactorization


def test_training_vectors_and_tables_agree():
    for score in ("cosine", "dot"):
        model = MatrixFactorization(5, 7, dim=4, score=score)
        users, items = model.embed()
        ids = torch.tensor([[1, 6], [2, 2]])
        u, i = model(torch.tensor([4, 0]), ids)
        assert torch.equal(u, users[[4, 0]]) and torch.equal(i, items[ids])


def test_cosine_scores_lie_in_the_unit_interval_and_dot_scores_do_not_have_to():
    cosine, dot = (MatrixFactorization(50, 50, score=s) for s in ("cosine", "dot"))
    with torch.no_grad():
        dot.user_table.mul_(100)
        dot.item_table.mul_(100)
    u, i = cosine.embed()
    assert (u @ i.T).abs().max() <= 1 + 1e-6
    u, i = dot.embed()
    assert (u @ i.T).abs().max() > 1


def test_the_seed_makes_the_model():
    a, b, c = (MatrixFactorization(5, 7, seed=s) for s in (0, 0, 1))
    assert torch.equal(a.item_table, b.item_table) and not torch.equal(a.item_table, c.item_table)


def test_user_dropout_acts_in_training_only():
    model = MatrixFactorization(5, 7, dim=64, score="dot", user_dropout=0.5)
    ids = torch.arange(5)
    model.train()
    dropped = (model(ids, ids)[0] == 0).double().mean()
    assert 0.3 < dropped < 0.7
    model.eval()
    assert torch.equal(model(ids, ids)[0], model.user_table)


def test_bad_arguments():
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        MatrixFactorization(2, 2, dim=0)
    with pytest.raises(ValueError, match="score must be one of cosine, dot, got 'l2'"):
        MatrixFactorization(2, 2, score="l2")
    with pytest.raises(ValueError, match=r"user_dropout must lie in \[0, 1\), got 1"):
        MatrixFactorization(2, 2, user_dropout=1)
