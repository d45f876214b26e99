"""Adapters: batches as other libraries lay them out, against the same scores laid out by hand.

`tests/adapters_against_theirs.py` runs them inside those libraries (`make test-adapters`).
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bslutils.adapters import PUBLIC, RepeatedBatch, SentenceLoss, public_loss
from bslutils.losses import (
    BilateralSoftmaxLoss,
    BPRLoss,
    MSELoss,
    SoftmaxLoss,
    pooled_softmax_loss,
    rescaled_softmax_loss,
    reweighted_softmax_loss,
)


@pytest.mark.parametrize("loss", [SoftmaxLoss(tau=0.2), BPRLoss(), MSELoss()])
def test_a_repeated_batch_is_the_batch(loss):
    g = torch.Generator().manual_seed(0)
    pos = torch.randn(5, generator=g).requires_grad_()
    neg = torch.randn(5, 3, generator=g).requires_grad_()
    repeated = RepeatedBatch(loss, 3)(pos.repeat(3), neg.T.reshape(-1))
    assert torch.equal(repeated, loss(pos, neg))
    ours = torch.autograd.grad(repeated, (pos, neg))
    torch.testing.assert_close(ours, torch.autograd.grad(loss(pos, neg), (pos, neg)))
    assert torch.equal(RepeatedBatch(loss, 1)(pos, neg[:, 0]), loss(pos, neg[:, :1]))


@pytest.mark.parametrize(
    ("pos", "neg", "message"),
    [
        (torch.ones(6), torch.ones(5), r"must both be \(3·B,\)"),
        (torch.ones(7), torch.ones(7), r"must both be \(3·B,\)"),
        (torch.ones(0), torch.ones(0), r"must both be \(3·B,\)"),
        (torch.ones(2, 3), torch.ones(2, 3), r"must both be \(3·B,\)"),
        (torch.arange(6.0), torch.ones(6), "copies of a batch differ"),
        (torch.arange(3.0).repeat_interleave(2), torch.ones(6), "copies of a batch differ"),
    ],
)
def test_another_layout_is_refused(pos, neg, message):
    with pytest.raises(ValueError, match=message):
        RepeatedBatch(SoftmaxLoss(tau=0.2), 3)(pos, neg)


class Texts(nn.Module):
    """A model of texts, for which their vectors stand in."""

    def forward(self, features):
        return {"sentence_embedding": features["x"]}


@pytest.mark.parametrize("score", ["cosine", "dot"])
@pytest.mark.parametrize("columns", [2, 3, 4])
def test_in_batch_negatives_of_texts(score, columns):
    vectors = [
        torch.randn(6, 4, generator=torch.Generator().manual_seed(k)) for k in range(columns)
    ]
    loss = SoftmaxLoss(tau=0.05, pos_in_denominator=True)
    found = SentenceLoss(Texts(), loss, score=score)([{"x": x} for x in vectors], torch.zeros(6))
    if score == "cosine":
        vectors = [F.normalize(x, dim=1) for x in vectors]
    logits = vectors[0] @ torch.cat(vectors[1:]).T / 0.05
    torch.testing.assert_close(found, F.cross_entropy(logits, torch.arange(6)))


def test_bad_texts_and_modules():
    loss = SoftmaxLoss(tau=0.1)
    with pytest.raises(ValueError, match="two columns or more"):
        SentenceLoss(Texts(), loss)([{"x": torch.ones(2, 3)}])
    with pytest.raises(ValueError, match=r"two columns or more, all .* \(3, 3\)"):
        SentenceLoss(Texts(), loss)([{"x": torch.ones(2, 3)}, {"x": torch.ones(3, 3)}])
    with pytest.raises(ValueError, match="score must be one of cosine, dot, got 'euclid'"):
        SentenceLoss(Texts(), loss, score="euclid")
    with pytest.raises(ValueError, match=r"loss must be a torch.nn.Module, got <function"):
        RepeatedBatch(reweighted_softmax_loss, 2)
    with pytest.raises(ValueError, match="model must be a torch.nn.Module"):
        SentenceLoss(None, loss)
    with pytest.raises(ValueError, match="n_negatives must be at least 1"):
        RepeatedBatch(loss, 0)


def test_public_losses_are_what_their_code_computes():
    g = torch.Generator().manual_seed(1)
    pos, neg = torch.randn(4, 2, generator=g), torch.randn(4, 7, generator=g)
    expected = {
        "bsl-reweight": reweighted_softmax_loss(pos, neg, tau=0.3, neg_weight=1.2),
        "bsl-multi": pooled_softmax_loss(pos, neg, tau=0.3, neg_weight=1.2),
        "ir-benchmark": rescaled_softmax_loss(pos, neg, tau_pos=0.3, tau_neg=1.2),
    }
    assert expected.keys() == set(PUBLIC)
    paper = BilateralSoftmaxLoss(tau_pos=0.3, tau_neg=1.2)(pos, neg)
    for code, value in expected.items():
        assert torch.equal(public_loss(code, 0.3, 1.2)(pos, neg), value)
        assert not torch.isclose(value, paper)
    # Written out: -s / t1 + t2 log sum exp(n / t1).
    by_hand = (1.2 * (neg / 0.3).exp().sum(1).log() - pos.mean(1) / 0.3).mean()
    torch.testing.assert_close(expected["bsl-reweight"], by_hand)
    with pytest.raises(ValueError, match="code must be one of bsl-reweight, .*, got 'talos'"):
        public_loss("talos", 0.1, 0.1)
    with pytest.raises(ValueError, match="tau must be a positive finite number, got -1"):
        public_loss("bsl-multi", -1, 0.1)
