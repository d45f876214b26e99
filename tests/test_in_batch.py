"""In-batch negatives: the correction for popularity, and positives of the same user."""

import itertools
import math

import pytest
import torch
from scipy.sparse import csr_array
from torch import nn

import bslutils as bsl
from bslutils import TrainConfig, fit
from bslutils.batch import batch_scores
from bslutils.in_batch import LogQ
from bslutils.losses import BPRLoss, SoftmaxLoss, SoftmaxRiskLoss, softmax_loss
from bslutils.sampling import NoisyNegatives

PAIRS = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 2), (3, 1)]  # three of item 0, two of 1, one of 2
USERS, ITEMS = (torch.tensor(x) for x in zip(*PAIRS, strict=True))
TRAIN = csr_array((torch.ones(6).numpy(), (USERS.numpy(), ITEMS.numpy())), shape=(4, 3))
TABLE = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Table(nn.Module):
    """A table of scores as a model: vectors whose inner products they are."""

    def __init__(self):
        super().__init__()
        self.items = nn.Parameter(TABLE.T.clone())

    def embed(self):
        return torch.eye(4, dtype=torch.float64), self.items

    def forward(self, users, items):
        return self.embed()[0][users], self.items[items]


def settings(**kwargs):
    return TrainConfig(**{"sampler": "in-batch", "progress": False} | kwargs)


def corrected(rows, loss, config, model=None):
    """Scores of the batch that is made of some pairs."""
    rows = torch.tensor(rows)
    noise = NoisyNegatives(TRAIN, 0) if config.negative_noise == 0 else None
    return batch_scores(
        model or Table(),
        USERS[rows],
        ITEMS[rows, None],
        None,
        config,
        3,
        torch.Generator(),
        noise=noise,
        log_q=LogQ(TRAIN) if config.log_q else None,
        loss=loss,
    )


@pytest.mark.parametrize("form", [SoftmaxLoss, SoftmaxRiskLoss])
@pytest.mark.parametrize("noise", [1, 0])
@pytest.mark.parametrize("size", [2, 3, 5, 6])
def test_the_sum_over_negatives_is_right_on_average(size, noise, form):
    """Of all batches of that size with a pair: the sum over all items but its own, or but the
    training positives of its user; over their number where the loss takes a mean."""
    tau, config = 0.7, settings(log_q=True, negative_noise=noise)
    for pair in range(6):
        others = [n for n in range(6) if n != pair]
        sums = []
        for rest in itertools.combinations(others, size - 1):
            _, neg, mask = corrected([pair, *rest], form(tau=tau), config)
            terms = (neg[0] / tau).exp().masked_fill(~mask[0], 0)
            mean = form is SoftmaxRiskLoss and mask[0].any()
            sums.append(terms.sum() / mask[0].sum() if mean else terms.sum())
        u, p = PAIRS[pair]
        own = {j for v, j in PAIRS if v == u} if noise == 0 else {p}
        want = sum(math.exp(TABLE[u, j] / tau) for j in {0, 1, 2} - own)
        want /= 3 if form is SoftmaxRiskLoss else 1
        assert torch.stack(sums).mean().item() == pytest.approx(want, rel=1e-6)


def test_the_whole_data_as_one_batch_is_the_softmax_over_all_items():
    """Value and gradient, with the positive in the denominator: exact, since each item stands
    there as often as is taken off."""
    loss, tau = SoftmaxLoss(tau=0.4, pos_in_denominator=True), 0.4
    model, plain = Table(), Table()
    pos, neg, mask = corrected(range(6), loss, settings(log_q=True), model)
    value = loss(pos, neg, neg_mask=mask)
    logits = plain.items.T[USERS] / tau
    full = nn.functional.cross_entropy(logits, ITEMS)
    value.backward()
    full.backward()
    torch.testing.assert_close(value, full, rtol=1e-6, atol=0)
    torch.testing.assert_close(model.items.grad, plain.items.grad, rtol=1e-5, atol=1e-8)
    pos, neg, mask = corrected(range(6), loss, settings(), Table())
    assert abs(loss(pos, neg, neg_mask=mask) - full) > 0.05


def test_positives_of_the_same_user_are_masked_on_request():
    for noise, first in ((1, [False, True, False, False]), (0, [False, False, False, False])):
        config = settings(negative_noise=noise)
        _, neg, mask = corrected([0, 1, 2, 4], BPRLoss(), config)
        assert mask.shape == neg.shape == (4, 4)
        assert mask[0].tolist()[:3] == first[:3]  # user 0 has items 0 and 1, both in the batch
    assert mask[0].tolist() == [False, False, False, True]
    assert mask[2].tolist() == [False, True, False, True]  # user 1 has item 0 alone


def test_a_learned_temperature_reaches_the_correction():
    tau = nn.Parameter(torch.tensor(0.4, dtype=torch.float64))
    loss = SoftmaxLoss(tau=tau, pos_in_denominator=True)
    pos, neg, mask = corrected(range(6), loss, settings(log_q=True))
    grad = torch.autograd.grad(loss(pos, neg, neg_mask=mask), tau)[0]
    plain = tau.detach().clone().requires_grad_()
    full = nn.functional.cross_entropy(TABLE[USERS] / plain, ITEMS)
    torch.testing.assert_close(grad, torch.autograd.grad(full, plain)[0], rtol=1e-5, atol=0)


def test_a_loss_of_ones_own_says_where_its_temperature_is(synthetic):
    class Mine(nn.Module):
        negatives, tau = ("tau", False), 0.2

        def forward(self, pos, neg, pos_mask=None, neg_mask=None):
            return softmax_loss(pos, neg, tau=self.tau, neg_mask=neg_mask)

    losses = []
    for loss in (Mine(), SoftmaxLoss(tau=0.2)):
        model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=8)
        run = fit(model, synthetic, loss, settings(epochs=1, batch_size=256, log_q=True))
        losses.append(run.history[0]["loss"])
    assert losses[0] == losses[1]
    with pytest.raises(ValueError, match="log_q needs a loss that takes a soft maximum.*BPRLoss"):
        fit(model, synthetic, BPRLoss(), settings(log_q=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampler": "shared", "log_q": True}, "log_q needs sampler='in-batch'.* got 'shared'"),
        ({"positives": 2, "log_q": True}, "log_q needs .* positives=1 .* got 'in-batch', 2"),
        ({"pool_users": True, "log_q": True}, "log_q needs .*pool_users=False.* and True"),
        ({"negative_noise": 0.5}, "negative_noise needs .* got 0.5 and 'in-batch'"),
        ({"negative_noise": 0, "sampler": "full"}, "negative_noise needs .* got 0 and 'full'"),
    ],
)
def test_settings_that_do_not_go_together(change, message):
    with pytest.raises(ValueError, match=message):
        settings(**change)


@pytest.mark.parametrize("tau", [0, -1.0, math.nan, "0.1"])
def test_a_temperature_that_is_none_is_refused(tau):
    log_q = LogQ(TRAIN)
    with pytest.raises(ValueError, match="tau must be a positive finite number, got"):
        log_q.taken_off(torch.tensor([0, 1]), 3, tau=tau)
