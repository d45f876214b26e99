"""Scores."""

import pytest
import torch

from bslutils.scoring import pair_scores, ready, shared_scores


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
    with pytest.raises(ValueError, match=r"items must be \(2, M, 3\).*got \(4, 3\)"):
        pair_scores(torch.zeros(2, 3), torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"same d, got \(2, 3\) and \(4, 5\)"):
        shared_scores(torch.zeros(2, 3), torch.zeros(4, 5))
    with pytest.raises(ValueError, match="score must be one of cosine, dot, got 'euclid'"):
        ready(torch.zeros(2, 3), "euclid")
