"""What a loss learns of its own: temperatures, and parameters of somebody's own module."""

import copy
import io
import math

import pytest
import torch
from torch import nn

import bslutils as bsl
from bslutils import TrainConfig, fit
from bslutils.losses import BilateralSoftmaxLoss, SoftmaxLoss, SoftmaxRiskLoss, softmax_risk_loss
from bslutils.updates import own_parameters


class Ball(nn.Module):
    """The dual of a ball of a radius: softmax loss that learns the logarithm of its temperature."""

    def __init__(self, tau=0.2, radius=0.5):
        super().__init__()
        self.log_tau = nn.Parameter(torch.tensor(tau).log())
        self.radius = radius

    def forward(self, pos, neg, pos_mask=None, neg_mask=None):
        tau = self.log_tau.exp()
        risk = softmax_risk_loss(pos, neg, tau=tau, pos_mask=pos_mask, neg_mask=neg_mask)
        return risk + self.radius * tau


def learned(tau=0.2):
    return nn.Parameter(torch.tensor(tau))


def model_of(data, **kwargs):
    return bsl.models.MatrixFactorization(data.n_users, data.n_items, **{"dim": 8} | kwargs)


def config(**kwargs):
    return TrainConfig(**{"epochs": 3, "lr": 1e-2, "n_negatives": 64, "progress": False} | kwargs)


def test_a_learned_parameter_is_registered_under_its_name():
    tau = learned()
    loss = BilateralSoftmaxLoss(tau_pos=tau, tau_neg=torch.tensor(0.1))
    assert dict(loss.named_parameters()) == {"tau_pos": tau}
    assert set(loss.state_dict()) == {"tau_pos", "tau_neg"} and loss.params["tau_pos"] is tau
    assert loss.double().params["tau_neg"].dtype == torch.float64
    assert str(SoftmaxRiskLoss(tau=learned(0.5))) == (
        "SoftmaxRiskLoss(tau=0.5 (learned), reduction='mean')"
    )
    leaf = torch.tensor(0.25, requires_grad=True)
    loss = SoftmaxLoss(tau=leaf)
    loss(torch.zeros(2, 1), torch.ones(2, 3)).backward()
    assert loss.tau.grad != 0 and loss.tau.data_ptr() == leaf.data_ptr()
    assert not list(SoftmaxLoss(tau=0.2).parameters()) and not SoftmaxLoss(tau=0.2).state_dict()


def test_copies_and_files_have_the_parameter_to_the_bit():
    loss = SoftmaxLoss(tau=learned(1 / 3))
    twin = copy.deepcopy(loss)
    assert twin.tau is not loss.tau and twin.params["tau"] is twin.tau
    assert torch.equal(twin.tau, loss.tau)
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    other = SoftmaxLoss(tau=learned(0.2))
    other.load_state_dict(torch.load(file, weights_only=True))
    scores = torch.randn(4, 1), torch.randn(4, 5)
    assert torch.equal(other.tau, loss.tau) and torch.equal(other(*scores), loss(*scores))


def test_a_module_has_one_temperature_for_all_rows():
    for tau in (torch.tensor([0.2]), nn.Parameter(torch.full((1, 1), 0.2))):
        with pytest.raises(
            ValueError, match=r"tau of a module must be .* 0-dim tensor.*shape \(1,"
        ):
            SoftmaxLoss(tau=tau)


def test_what_is_computed_once_cannot_be_learned():
    with pytest.raises(ValueError, match="tau is computed from other tensors"):
        SoftmaxLoss(tau=learned(-1.0).exp())


@pytest.mark.parametrize("optimizer", ["adam", "row-adam"])
@pytest.mark.parametrize("name", ["softmax", "ball"])
def test_fit_trains_it_as_dense_adam_by_hand_does(synthetic, name, optimizer):
    """With tables that stand still; neither L2 nor row-wise updates touch the parameter."""

    def made():
        return SoftmaxLoss(tau=learned()) if name == "softmax" else Ball()

    loss, model = made(), model_of(synthetic)
    [own] = loss.parameters()
    settings = config(epochs=2, optimizer=optimizer, weight_decay=1e-3, lr=1e-3)
    seen = []

    class Watch(type(loss)):
        def forward(self, pos, neg, pos_mask=None, neg_mask=None):
            seen.append((pos.detach().clone(), neg.detach().clone()))
            return super().forward(pos, neg, pos_mask, neg_mask)

    loss.__class__ = Watch  # sees every score, as a loss that learns does in any case
    run = fit(model, synthetic, loss, settings)
    assert run.loss is loss and len(seen) == 2 * 14
    hand = made()
    [parameter] = hand.parameters()
    adam = torch.optim.Adam([parameter], lr=1e-3)
    values = []
    for pos, neg in seen:
        adam.zero_grad()
        hand(pos, neg).backward()
        adam.step()
        values.append(parameter.item())
    [key] = [f"loss.{key}" for key in hand.state_dict()]
    assert [entry[key] for entry in run.history] == pytest.approx([values[13], values[27]], 1e-5)
    assert own.item() == run.best[key]


def test_a_loss_that_learns_nothing_trains_as_before(synthetic):
    """A parameter that stands still changes nothing, to the bit; it is no part of the run."""

    class Idle(SoftmaxLoss):
        def __init__(self, tau):
            super().__init__(tau=tau)
            self.idle = nn.Parameter(torch.zeros(2))

        def forward(self, pos, neg, pos_mask=None, neg_mask=None):
            return super().forward(pos, neg, pos_mask, neg_mask) + 0 * self.idle.sum()

    class Plain(SoftmaxLoss):
        pass

    tables = []
    for loss in (Idle(tau=0.2), Plain(tau=0.2)):
        model = model_of(synthetic)
        run = fit(model, synthetic, loss, config())
        assert not any(key.startswith("loss.") for key in run.history[0])
        tables.append(model.item_table)
    assert torch.equal(*tables)


def test_the_parameter_of_the_best_epoch_is_kept(synthetic):
    loss, seen = SoftmaxLoss(tau=learned(0.1)), []
    settings = config(epochs=40, lr=0.05, patience=2)
    run = fit(
        model_of(synthetic),
        synthetic,
        loss,
        settings,
        on_epoch=lambda epoch, model: seen.append(loss.tau.item()),
    )
    assert run.stopped == "patience" and run.best_epoch < len(seen)
    assert [entry["loss.tau"] for entry in run.history] == seen
    assert loss.tau.item() == seen[run.best_epoch - 1] != seen[-1]


@pytest.mark.parametrize("optimizer", ["adam", "row-adam"])
def test_equal_seeds_learn_the_same_to_the_bit(synthetic, optimizer):
    runs = [
        fit(model_of(synthetic), synthetic, Ball(), config(optimizer=optimizer)) for _ in range(2)
    ]
    assert torch.equal(*(run.loss.log_tau for run in runs))
    assert torch.equal(*(run.model.item_table for run in runs))


def test_a_temperature_does_not_fall_below_zero_in_silence(synthetic):
    class Falls(SoftmaxLoss):
        def forward(self, pos, neg, pos_mask=None, neg_mask=None):
            return super().forward(pos, neg, pos_mask, neg_mask) + 1000 * self.tau

    model, loss = model_of(synthetic), Falls(tau=learned(0.05))
    start = model.item_table.detach().clone()
    message = (
        r"tau must be a positive .* got .*-.*; .* learn its logarithm and give tau=log.exp\(\)"
    )
    with pytest.raises(ValueError, match=message):
        fit(model, synthetic, loss, config(lr=0.2))
    assert torch.equal(model.item_table, start) and loss.tau.item() == learned(0.05).item()
    fit(model, synthetic, Ball(0.05, radius=1000), config(lr=0.2))


def test_a_parameter_of_the_model_is_trained_once(synthetic):
    """A loss that holds the model, as for a penalty on its weights, learns nothing of its own."""

    class Penalised(SoftmaxLoss):
        def forward(self, pos, neg, pos_mask=None, neg_mask=None):
            value = super().forward(pos, neg, pos_mask, neg_mask)
            return value + 0 * sum(p.sum() for p in self.parameters())

    tables = []
    for cls in (SoftmaxLoss, Penalised):
        model, loss = model_of(synthetic), cls(tau=0.2)
        if cls is Penalised:
            loss.model = model
            assert own_parameters(loss, model) == []
        fit(model, synthetic, loss, config())
        tables.append(model.item_table)
    torch.testing.assert_close(*tables, rtol=1e-3, atol=1e-5)


def test_what_the_three_forms_do_to_a_temperature():
    """On scores that stand still: the risk falls with tau, for ever; softmax loss has its least
    where the negatives, tilted, score what the positives do; the ball has the joint tau."""
    generator = torch.Generator().manual_seed(0)
    neg = 0.3 * torch.randn(200, 50, generator=generator, dtype=torch.float64)
    pos = torch.full((200,), 0.4, dtype=torch.float64)

    def least(make):
        loss = make().double()
        optimizer = torch.optim.LBFGS(
            loss.parameters(), max_iter=200, line_search_fn="strong_wolfe"
        )

        def closure():
            optimizer.zero_grad()
            value = loss(pos, neg)
            value.backward()
            return value

        optimizer.step(closure)
        return loss

    radius = 0.3
    tau = least(lambda: Ball(0.2, radius)).log_tau.exp().item()
    assert tau == pytest.approx(bsl.dro.joint_tau_of_radius(neg.numpy(), radius=radius), rel=1e-4)
    tau = least(lambda: SoftmaxLoss(tau=learned(0.2))).tau
    tilted = (torch.softmax(neg / tau, 1) * neg).sum(1).mean()
    assert tilted.item() == pytest.approx(0.4, abs=1e-4)
    risks = [softmax_risk_loss(pos, neg, tau=x).item() for x in (0.01, 0.1, 1.0, 10.0, 100.0)]
    assert risks == sorted(risks, reverse=True) and math.isfinite(risks[-1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_learned_temperature_ends_where_a_grid_has_its_best(movielens, seed):
    """On movielens-small: a ball whose radius validation chooses, within one step of the grid. The
    plain loss ends two steps below it or lower, and ranks worse."""
    grid, radii = (0.14, 0.2, 0.28, 0.4), (0.3, 0.6, 1.0)

    def run(loss):
        model = model_of(movielens, dim=64, seed=seed)
        return fit(model, movielens, loss, config(epochs=40, n_negatives=512, seed=seed))

    best, fixed = max((run(SoftmaxLoss(tau=t)).best["ndcg@20"], t) for t in grid)
    ball = max((run(Ball(0.1, radius)) for radius in radii), key=lambda run: run.best["ndcg@20"])
    assert fixed / 1.45 < ball.loss.log_tau.exp().item() < fixed * 1.45
    assert ball.best["ndcg@20"] > 0.98 * best
    plain = run(SoftmaxLoss(tau=learned(0.2)))
    assert plain.loss.tau.item() < fixed / 2 and plain.best["ndcg@20"] < 0.9 * best
