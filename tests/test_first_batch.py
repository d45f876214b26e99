"""What `fit` says of a loss that is wrong, before it updates anything."""

import math

import pytest
import torch
from torch import nn

import bslutils as bsl
from bslutils import TrainConfig, fit
from bslutils.losses import SoftmaxLoss, softmax_loss

SETTINGS = TrainConfig(epochs=1, n_negatives=16, progress=False)


def no_masks(pos, neg):
    return softmax_loss(pos, neg, tau=0.2)


def a_number(pos, neg, pos_mask, neg_mask):
    return 0.5


def a_vector(pos, neg, pos_mask, neg_mask):
    return softmax_loss(pos, neg, tau=0.2, reduction="none")


def not_finite(pos, neg, pos_mask, neg_mask):
    return softmax_loss(pos, neg, tau=0.2) * math.inf


def bad_gradient(pos, neg, pos_mask, neg_mask):
    return (pos - pos).abs().sqrt().mean() + neg.mean()


def detached(pos, neg, pos_mask, neg_mask):
    return softmax_loss(pos.detach(), neg.detach(), tau=0.2)


def compared(pos, neg, pos_mask, neg_mask):
    return (neg > pos).float().mean()


def in_place(pos, neg, pos_mask, neg_mask):
    pos.mul_(2)
    return softmax_loss(pos, neg, tau=0.2)


def behind_the_back(pos, neg, pos_mask, neg_mask):
    neg.data.mul_(2)
    return softmax_loss(pos, neg, tau=0.2)


def wrong_shape(pos, neg, pos_mask, neg_mask):
    return (pos @ neg).mean()


class Detached(nn.Module):
    """With a parameter of its own the value wants a gradient, and yet none reaches the scores."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, pos, neg, pos_mask=None, neg_mask=None):
        return self.weight * detached(pos, neg, pos_mask, neg_mask)


WRONG = [
    (no_masks, TypeError, "no_masks fails when it is called as .*pos_mask=…"),
    (a_number, TypeError, "a_number gave a float: it must give a tensor"),
    (a_vector, ValueError, r"a_vector gave a tensor of shape \(1024,\), not one number"),
    (not_finite, FloatingPointError, "not_finite is inf for the scores .*: it must be finite"),
    (bad_gradient, FloatingPointError, "gradient of the loss bad_gradient is not finite"),
    (detached, ValueError, "no gradient of the loss detached reaches the scores"),
    (compared, ValueError, "no gradient of the loss compared reaches the scores"),
    (Detached(), ValueError, "no gradient of the loss Detached reaches the scores"),
    (in_place, ValueError, "in_place (changes the scores|fails when)"),
    (behind_the_back, ValueError, "behind_the_back changes the scores that it is given"),
    (wrong_shape, ValueError, r"wrong_shape fails .* with pos \(1024, 1\), neg \(1024, 16\): mat"),
    (SoftmaxLoss(tau=0.2, reduction="none"), ValueError, "SoftmaxLoss gave a tensor of shape"),
]


@pytest.mark.parametrize(
    ("loss", "kind", "message"), WRONG, ids=lambda x: getattr(x, "__name__", "")
)
def test_a_wrong_loss_is_named_before_anything_is_updated(synthetic, loss, kind, message):
    model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=8)
    before = model.item_table.detach().clone()
    with pytest.raises(kind, match=message):
        fit(model, synthetic, loss, SETTINGS)
    assert torch.equal(model.item_table, before)


def test_a_loss_is_called_once_a_step_and_a_function_will_do(synthetic):
    """So that one with a memory, or that draws, goes on as if nobody had looked."""
    calls = []

    def counted(pos, neg, pos_mask, neg_mask):
        calls.append(torch.rand(()).item())
        return softmax_loss(pos, neg, tau=0.2)

    class Plain(SoftmaxLoss):
        pass

    tables = []
    for loss in (counted, Plain(tau=0.2)):
        model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=8)
        fit(model, synthetic, loss, SETTINGS)
        tables.append(model.item_table)
    assert len(calls) == 14
    torch.testing.assert_close(*tables)
    with torch.random.fork_rng([]):
        torch.manual_seed(SETTINGS.seed)
        assert calls == [torch.rand(()).item() for _ in range(14)]


def test_scores_that_are_not_finite_are_not_the_fault_of_the_loss(synthetic):
    model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=8, score="dot")
    with torch.no_grad():
        model.item_table.fill_(math.inf)
    with pytest.raises(FloatingPointError, match="step 1 of epoch 1"):
        fit(model, synthetic, SoftmaxLoss(tau=0.2), SETTINGS)


def test_a_loss_that_uses_positives_alone_is_right(synthetic):
    model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=8)
    fit(model, synthetic, lambda pos, neg, pos_mask, neg_mask: -pos.mean(), SETTINGS)
