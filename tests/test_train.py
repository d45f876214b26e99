"""The trainer."""

import json
import math
import warnings
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

import bslutils as bsl
from bslutils.batch import batch_scores
from bslutils.data.interactions import from_pairs
from bslutils.losses import LOSSES, VECTOR_LOSSES, DirectAULoss, SoftmaxLoss, make_loss
from bslutils.models import MODELS, make_model
from bslutils.sampling import SAMPLERS, batches
from bslutils.train import Run, TrainConfig, fit
from bslutils.updates import part_of_update, set_lr, update

PARAMS = {
    "softmax": {"tau": 0.1},
    "softmax_risk": {"tau": 0.1},
    "bilateral_softmax": {"tau_pos": 0.3, "tau_neg": 0.1},
    "pessimistic_bilateral_softmax": {"tau_pos": 0.3, "tau_neg": 0.1},
    "reweighted_softmax": {"tau": 0.1, "neg_weight": 1.1},
    "pooled_softmax": {"tau": 0.1, "neg_weight": 1.1},
    "rescaled_softmax": {"tau_pos": 0.3, "tau_neg": 0.1},
    "psl_tanh": {"tau": 0.1},
    "psl_atan": {"tau": 0.1},
    "psl_relu": {"tau": 0.1},
    "slatk": {"tau": 0.1, "tau_weight": 1.0, "n_items": 800},
    "llpauc": {"beta": 0.1},
    "advinfonce": {"tau": 0.1, "radius": 0.1},
    "chi2": {"tau": 0.1},
    "cvar": {"level": 0.1},
    "renyi": {"radius": 0.5, "order": 2.0},
    "direct_au": {"gamma": 1.0},
}
ALL_LOSSES = LOSSES | VECTOR_LOSSES


def model_for(data, **kwargs):
    return bsl.models.MatrixFactorization(data.n_users, data.n_items, **{"dim": 16} | kwargs)


def config(**kwargs):
    return TrainConfig(**{"epochs": 2, "lr": 1e-2, "n_negatives": 64, "progress": False} | kwargs)


@pytest.fixture(scope="module")
def few(synthetic):
    """The first sixty people, where size is not what is tested."""
    pairs = {split: np.stack(synthetic.pairs(split), 1) for split in ("train", "valid", "test")}
    pairs = {split: array[array[:, 0] < 60] for split, array in pairs.items()}
    return from_pairs(**pairs, n_items=synthetic.n_items)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("positives", [1, 4])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.filterwarnings("ignore:with one positive per row")
def test_every_loss_with_every_sampler(few, name, positives, sampler):
    run = fit(
        model_for(few),
        few,
        make_loss(name, **PARAMS.get(name, {})),
        config(sampler=sampler, positives=positives, batch_size=512, n_negatives=16, epochs=1),
    )
    assert math.isfinite(run.history[0]["loss"]) and run.best_epoch == 1


@pytest.fixture(scope="module")
def whole_movielens():
    """Without validation, whose cost is not what is tested."""
    return bsl.load("movielens-small", valid_fraction=0)


@pytest.mark.parametrize("name", ALL_LOSSES)
@pytest.mark.parametrize("backbone", MODELS)
@pytest.mark.filterwarnings("ignore:with one positive per row")
def test_every_loss_trains_every_model(whole_movielens, backbone, name):
    """One epoch lowers the loss of one and the same batch, without dropout and noise."""
    data = whole_movielens
    sizes = {"n_items": data.n_items} if name == "slatk" else {}
    loss = ALL_LOSSES[name](**PARAMS.get(name, {}) | sizes)
    # The pairs that a loss on vectors looks at grow with the square of the batch.
    settings = config(epochs=1, lr=5e-3, batch_size=512 if name == "direct_au" else 16384)
    user, pos, mask = next(batches(data.train, 1024, generator=torch.Generator().manual_seed(0)))
    model = make_model(backbone, data, dim=8)

    @torch.no_grad()
    def value():
        model.eval()
        draw = torch.Generator().manual_seed(1)
        scores = batch_scores(model, user, pos, mask, settings, data.n_items, draw, loss=loss)
        return loss(*scores[:2], pos_mask=mask, neg_mask=scores[2]).item()

    before = value()
    run = fit(model, data, loss, settings)
    assert math.isfinite(run.history[0]["loss"]) and math.isfinite(value())
    if name != "slatk":  # the gradient leaves out that its thresholds move
        assert value() < before


@pytest.mark.parametrize("backbone", MODELS)
def test_same_seed_same_run_with_every_model(synthetic, backbone):
    def run(seed, global_seed):
        torch.manual_seed(global_seed)
        model = make_model(backbone, synthetic, dim=8)
        history = fit(model, synthetic, SoftmaxLoss(tau=0.2), config(seed=seed)).history
        return [(e["loss"], e["ndcg@20"]) for e in history], torch.cat(model.embed())

    (first, vectors), (again, same), (other, _) = (
        run(*seeds) for seeds in ((0, 1), (0, 2), (1, 1))
    )
    assert first == again != other and torch.equal(vectors, same)


def test_the_auxiliary_term_is_added_to_the_loss(synthetic):
    """It is called in training with the ids of the batch; gradient and history see the sum."""
    seen = []

    class Pulled(bsl.models.MatrixFactorization):
        def auxiliary(self, users, items):
            assert self.training
            seen.append((users, items))
            return 3 * self.user_table.mean() + 10

    histories, settings = [], config(epochs=1, positives=2, lr=1e-9)
    for kind in (bsl.models.MatrixFactorization, Pulled):
        model = kind(synthetic.n_users, synthetic.n_items, dim=4)
        histories.append(fit(model, synthetic, SoftmaxLoss(tau=0.2), settings).history[0]["loss"])
    pull = 3 * model.user_table.detach().mean().item() + 10
    assert histories[1] - histories[0] == pytest.approx(pull, abs=1e-4)
    users = torch.cat([users for users, _ in seen])
    assert len(users) == int((-(-synthetic.user_degree // 2)).sum())
    assert all(items.shape == (len(users), 2) for users, items in seen)

    loss, start = SoftmaxLoss(tau=0.2), model.user_table.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scores = [torch.zeros(1, 1), torch.zeros(1, 1), None]
    model.train()
    update(loss, optimizer, scores, extra=model.auxiliary(users, users))
    step = torch.full_like(start, -3 / start.numel())
    torch.testing.assert_close(model.user_table - start, step, rtol=1e-2, atol=1e-8)


@pytest.mark.parametrize("positives", [1, 3])
def test_a_loss_on_vectors_gets_vectors_and_draws_no_negatives(synthetic, positives, monkeypatch):
    monkeypatch.setattr(bsl.batch, "uniform_negatives", None)
    seen = []

    class Watch(DirectAULoss):
        def forward(self, users, items, pos_mask=None, neg_mask=None):
            seen.append((users, items, pos_mask, neg_mask))
            return super().forward(users, items, pos_mask, neg_mask)

    loss = Watch(gamma=1.0)
    seen.clear()  # it tries itself when it is made
    losses = set()
    for sampler in SAMPLERS:
        settings = config(epochs=1, batch_size=128, positives=positives, sampler=sampler)
        losses.add(fit(model_for(synthetic), synthetic, loss, settings).history[0]["loss"])
    assert len(losses) == 1  # whatever the sampler
    users, items, pos_mask, neg_mask = seen[0]
    assert users.shape == (128, 16) and items.shape == (128, positives, 16)
    assert (pos_mask is None) == (positives == 1) and neg_mask is None


def test_training_finds_the_planted_preferences(synthetic):
    class Popularity(torch.nn.Module):
        def embed(self):
            degree = torch.tensor(synthetic.item_degree, dtype=torch.float32)
            return torch.ones(synthetic.n_users, 1), degree.unsqueeze(1)

    popularity = bsl.evaluate(Popularity(), synthetic)["ndcg@20"]
    model = model_for(synthetic)
    untrained = bsl.evaluate(model, synthetic)["ndcg@20"]
    run = fit(model, synthetic, SoftmaxLoss(tau=0.2), config(epochs=30, batch_size=256))
    trained = bsl.evaluate(run.model, synthetic)["ndcg@20"]
    assert untrained < popularity and trained > 1.5 * popularity


def test_same_seed_same_run_bit_for_bit(synthetic):
    def history(seed):
        model = model_for(synthetic, user_dropout=0.2)
        run = fit(model, synthetic, SoftmaxLoss(tau=0.2), config(seed=seed))
        return [{k: v for k, v in e.items() if k != "seconds"} for e in run.history]

    torch.manual_seed(123)
    first = history(0)
    torch.manual_seed(456)
    before = torch.random.get_rng_state()
    assert history(0) == first != history(1)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_best_validation_epoch_is_kept_and_patience_stops(synthetic):
    model = model_for(synthetic)
    run = fit(
        model,
        synthetic,
        SoftmaxLoss(tau=0.05),
        config(epochs=60, lr=0.05, patience=3, metric="recall@10"),
    )
    values = [entry["recall@10"] for entry in run.history]
    assert run.stopped == "patience" and len(values) < 60
    assert run.best_epoch == values.index(max(values)) + 1 == len(values) - 3
    assert bsl.evaluate(model, synthetic, split="valid", ks=(10,))["recall@10"] == max(values)
    assert run.best["recall@10"] == max(values)


def test_validation_every_few_epochs(synthetic):
    run = fit(model_for(synthetic), synthetic, SoftmaxLoss(tau=0.2), config(epochs=5, eval_every=2))
    assert [entry["epoch"] for entry in run.history if "ndcg@20" in entry] == [2, 4, 5]


def test_without_validation_the_last_epoch_is_kept():
    data = bsl.load("synthetic", valid_fraction=0)
    run = fit(model_for(data), data, SoftmaxLoss(tau=0.2), config(epochs=3))
    assert run.best_epoch == 3 and "ndcg@20" not in run.best


def test_test_pairs_are_never_looked_at(synthetic):
    """Another test split gives the same run."""
    pairs = {s: np.stack(synthetic.pairs(s), 1) for s in ("train", "valid", "test")}
    pairs["test"] = pairs["test"][::3]
    other = bsl.data.from_pairs(**pairs)
    assert other.test.nnz < synthetic.test.nnz and other.valid.nnz == synthetic.valid.nnz
    losses = []
    for data in (synthetic, other):
        run = fit(model_for(data), data, SoftmaxLoss(tau=0.2), config())
        losses.append([(e["loss"], e["ndcg@20"]) for e in run.history])
    assert losses[0] == losses[1]


def test_a_loss_that_breaks_stops_and_keeps_the_last_good_weights(synthetic):
    class Breaks(torch.nn.Module):
        def __init__(self, at):
            super().__init__()
            self.calls, self.at = 0, at

        def forward(self, pos, neg, **masks):
            self.calls += 1
            value = bsl.losses.softmax_loss(pos, neg, tau=0.2)
            return value * math.nan if self.calls == self.at else value

    model, reference = model_for(synthetic), model_for(synthetic)
    # 14,223 training pairs make 14 steps an epoch: call 20 is step 6 of epoch 2.
    with pytest.raises(FloatingPointError, match="nan at step 6 of epoch 2.* epoch 1"):
        fit(model, synthetic, breaks := Breaks(20), config(epochs=3))
    assert breaks.calls == 28  # the loss is looked at when the epoch ends
    fit(reference, synthetic, Breaks(None), config(epochs=1))
    assert torch.equal(model.item_table, reference.item_table)


def test_a_broken_loss_stops_a_long_epoch_early(synthetic, monkeypatch):
    monkeypatch.setattr(bsl.train, "CHECK_EVERY", 5)
    calls = []

    class Breaks(torch.nn.Module):
        def forward(self, pos, neg, **masks):
            calls.append(1)
            value = bsl.losses.softmax_loss(pos, neg, tau=0.2)
            return value * math.inf if len(calls) == 7 else value

    with pytest.raises(FloatingPointError, match="inf at step 7 of epoch 1.* epoch 0"):
        fit(model_for(synthetic), synthetic, Breaks(), config())
    assert len(calls) == 10


@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name].negatives])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sampler": "in-batch"},
        {"sampler": "full"},
        {"negative_noise": 0.3},
        {"positives": 3},
        {"n_lists": 7},
    ],
)
def test_fast_path_equals_plain_path(movielens, name, settings):
    """One soft maximum gives a loss the value and the gradient of the whole list, in float32."""
    loss = make_loss(name, **PARAMS[name])
    settings = config(n_negatives=700, batch_size=300, **settings)
    noise = bsl.sampling.NoisyNegatives(movielens.train, settings.negative_noise)
    user, pos, mask = next(
        bsl.sampling.batches(
            movielens.train,
            300,
            positives=settings.positives,
            generator=torch.Generator().manual_seed(0),
        )
    )
    results = []
    for fast in (loss, None):
        model = model_for(movielens, dim=64)
        with torch.no_grad():
            model.item_table += 0.02  # so that scores are not near zero
        generator = torch.Generator().manual_seed(1)
        scores = batch_scores(
            model,
            user,
            pos,
            mask,
            settings,
            movielens.n_items,
            generator,
            noise=noise if settings.negative_noise != 1 else None,
            loss=fast,
        )
        assert (scores[1].shape[1] == 1) == (fast is not None)
        value = loss(*scores[:2], pos_mask=mask, neg_mask=scores[2])
        value.backward()
        results.append([value.detach(), model.user_table.grad, model.item_table.grad])
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5 * plain.abs().max().item())


def test_changed_losses_and_learned_temperatures_see_every_score():
    class Watch(SoftmaxLoss):
        pass

    assert bsl.losses.negative_form(Watch(tau=0.1)) is None
    assert bsl.losses.negative_form(SoftmaxLoss(tau=torch.tensor(0.1))) is None
    assert bsl.losses.negative_form(SoftmaxLoss(tau=0.1)) is not None


def test_bfloat16_trains_as_well(movielens):
    values = {}
    for precision in ("float32", "bfloat16"):
        for loss in (SoftmaxLoss(tau=0.1), bsl.losses.BPRLoss(tau=0.2)):
            model = model_for(movielens)
            run = fit(model, movielens, loss, config(epochs=4, precision=precision))
            values.setdefault(str(loss), []).append(run.history[-1]["ndcg@20"])
    for full, half in values.values():
        assert full != half and half == pytest.approx(full, rel=0.05)


@pytest.mark.parametrize("optimizer", ["adam", "row-adam"])
def test_the_schedule_ends_at_zero_and_does_not_change_the_first_step(synthetic, optimizer):
    moved = []

    def watch(epoch, model):
        moved.append(model.item_table.detach().clone())

    rates = []
    settings = config(epochs=8, optimizer=optimizer, schedule="cosine")
    fit(model_for(synthetic), synthetic, SoftmaxLoss(tau=0.2), settings, on_epoch=watch)
    rates = [(b - a).abs().mean().item() for a, b in pairwise(moved)]
    assert rates[-1] < 0.2 * rates[0]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    cosine = TrainConfig(epochs=5, schedule="cosine", lr=0.4)
    for step, expected in ((0, 0.4), (25, 0.2), (50, 0)):
        set_lr(optimizer, cosine, step, 10)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_row_updates_train_like_dense_ones_and_repeat_bit_for_bit(movielens, schedule):
    values = []
    for optimizer in ("adam", "row-adam", "row-adam"):
        model = model_for(movielens, user_dropout=0.1)
        settings = config(epochs=4, optimizer=optimizer, schedule=schedule, batch_size=256)
        run = fit(model, movielens, SoftmaxLoss(tau=0.1), settings)
        assert not model.sparse and not model._forward_pre_hooks
        values.append([(e["loss"], e["ndcg@20"]) for e in run.history])
    assert values[1] == values[2]
    for rows, dense in zip(values[1], values[0], strict=True):
        assert rows == pytest.approx(dense, rel=0.02)


def test_row_updates_need_rows(movielens):
    model = bsl.models.LightGCN(movielens.train, dim=8)
    with pytest.raises(ValueError, match="row-adam.* LightGCN has no method 'rows'"):
        fit(model, movielens, SoftmaxLoss(tau=0.2), config(optimizer="row-adam"))


def test_memory_that_runs_out_names_the_knobs(synthetic):
    model, start = model_for(synthetic), model_for(synthetic)
    with pytest.raises(MemoryError, match="batch_size=1024, n_negatives=1000000000000, sampler"):
        fit(model, synthetic, SoftmaxLoss(tau=0.2), config(n_negatives=10**12))
    assert torch.equal(model.item_table, start.item_table)


def test_an_interrupt_keeps_the_best_epoch(synthetic):
    class Interrupted(torch.nn.Module):
        calls = 0

        def forward(self, pos, neg, **masks):
            self.calls += 1
            if self.calls == 20:
                raise KeyboardInterrupt
            return bsl.losses.softmax_loss(pos, neg, tau=0.2)

    model = model_for(synthetic)
    run = fit(model, synthetic, Interrupted(), config(epochs=3))
    assert run.stopped == "interrupted" and run.best_epoch == len(run.history) == 1
    assert bsl.evaluate(model, synthetic, split="valid")["ndcg@20"] == run.best["ndcg@20"]
    early = fit(model, synthetic, InterruptAtOnce(), config())
    assert early.best == {} and early.history == []


class InterruptAtOnce(torch.nn.Module):
    def forward(self, *scores, **masks):
        raise KeyboardInterrupt


def test_shared_and_independent_negatives_estimate_the_same_loss(synthetic):
    """Same expectation: many draws of both agree within their standard error."""
    model = model_for(synthetic)
    user, pos = torch.arange(50), torch.arange(50).unsqueeze(1)
    means = {}
    for sampler in ("shared", "independent"):
        g = torch.Generator().manual_seed(0)
        values = []
        for _ in range(300):
            scores = batch_scores(
                model, user, pos, None, config(sampler=sampler), synthetic.n_items, g
            )
            values.append(bsl.losses.softmax_risk_loss(*scores[:2], tau=0.1).item())
        values = torch.tensor(values)
        means[sampler] = (values.mean(), values.std() / 300**0.5)
    (a, sa), (b, sb) = means.values()
    assert abs(a - b) < 4 * (sa**2 + sb**2).sqrt()


def test_an_idle_bilateral_loss_is_pointed_out(synthetic):
    """It trains exactly like softmax loss (risk form); nobody should find that out later."""
    bilateral = bsl.losses.BilateralSoftmaxLoss(tau_pos=0.1, tau_neg=0.2)
    losses = []
    for loss in (bilateral, bsl.losses.SoftmaxRiskLoss(tau=0.2)):
        model = model_for(synthetic)
        if loss is bilateral:
            with pytest.warns(UserWarning, match=r"the bilateral loss is softmax loss at tau_neg"):
                run = fit(model, synthetic, loss, config())
        else:
            run = fit(model, synthetic, loss, config())
        losses.append([entry["loss"] for entry in run.history])
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    fit(model, synthetic, bilateral, config(positives=4))  # no warning


def test_which_losses_are_bilateral(synthetic):
    """A loss that says so, or is derived from one, gets the warning; no other does."""

    class Mine(bsl.losses.BilateralSoftmaxLoss):
        pass

    said = {name for name, cls in (LOSSES | VECTOR_LOSSES).items() if cls.bilateral}
    assert said == {"bilateral_softmax", "pessimistic_bilateral_softmax"}
    for loss in (Mine, LOSSES["pessimistic_bilateral_softmax"]):
        with pytest.warns(UserWarning, match="one positive per row"):
            fit(model_for(synthetic), synthetic, loss(tau_pos=0.1, tau_neg=0.2), config(epochs=1))


def test_a_model_of_another_size_is_refused_before_training(synthetic):
    model = bsl.models.MatrixFactorization(synthetic.n_users - 1, synthetic.n_items)
    with pytest.raises(ValueError, match=r"499 users and 800 items, synthetic has 500 and 800"):
        fit(model, synthetic, SoftmaxLoss(tau=0.2), config())


def test_on_epoch_watches_without_touching(synthetic):
    seen = []

    def watch(epoch, model):
        torch.rand(3)
        seen.append((epoch, bsl.evaluate(model, synthetic, split="valid")["ndcg@20"]))

    histories = []
    for on_epoch in (None, watch):
        model = model_for(synthetic)
        run = fit(model, synthetic, SoftmaxLoss(tau=0.2), config(epochs=3), on_epoch=on_epoch)
        histories.append([(e["epoch"], e["ndcg@20"]) for e in run.history])
    assert histories[0] == histories[1] == seen


def test_record_is_json(synthetic):
    run = fit(model_for(synthetic), synthetic, SoftmaxLoss(tau=0.2), config(epochs=1))
    record = json.loads(json.dumps(run.record()))
    assert record["config"]["lr"] == 0.01 and record["data"]["hash"] == synthetic.hash
    assert isinstance(run, Run) and "dim=16" in record["model"]


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("rows", [2, 10])
def test_each_part_of_a_batch_has_its_own_list(synthetic, rows, replacement):
    settings = config(n_lists=3, n_negatives=40, replacement=replacement)
    user, pos = torch.arange(rows), torch.arange(rows).unsqueeze(1)
    model, draw = model_for(synthetic).eval(), torch.Generator().manual_seed(5)
    _, neg, _ = batch_scores(model, user, pos, None, settings, synthetic.n_items, draw)
    n_lists, draw = min(rows, 3), torch.Generator().manual_seed(5)
    if replacement:
        lists = torch.randint(synthetic.n_items, (n_lists, 40), generator=draw)
    else:
        lists = [
            bsl.sampling.uniform_negatives(
                synthetic.n_items, (40,), generator=draw, replacement=False
            )
            for _ in range(n_lists)
        ]
    users, items = model.embed()
    own = [0, 1] if rows == 2 else [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    want = torch.stack([items[lists[k]] @ users[u] for u, k in enumerate(own)])
    torch.testing.assert_close(neg, want)
    assert all(not torch.equal(lists[0], other) for other in lists[1:])


def test_more_lists_train_and_are_another_run(synthetic):
    runs = [
        fit(model_for(synthetic), synthetic, SoftmaxLoss(tau=0.2), config(n_lists=n))
        for n in (1, 4)
    ]
    losses = [run.history[-1]["loss"] for run in runs]
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=0.05)


def test_the_positives_of_a_user_in_a_batch_are_pooled(few):
    """One step, beside loops over the rows of the batch."""
    tau, weight, settings = 0.3, 1.2, config(epochs=1, batch_size=10**6, pool_users=True)
    losses = {}
    for loss in (
        bsl.losses.PooledSoftmaxLoss(tau=tau, neg_weight=weight),
        bsl.losses.ReweightedSoftmaxLoss(tau=tau, neg_weight=weight),
    ):
        run = fit(model_for(few), few, loss, settings)
        losses[type(loss).__name__] = run.history[0]["loss"]
    users, items = (t.detach() for t in model_for(few).embed())
    draw = torch.Generator().manual_seed(settings.seed)
    [(user, _, _)] = bsl.sampling.batches(few.train, 10**6, generator=draw)
    neg = bsl.sampling.uniform_negatives(few.n_items, (settings.n_negatives,), generator=draw)
    expected = []
    for u in range(few.n_users):  # the whole data is one batch: all of a user's positives
        own = items[torch.tensor(few.train[[u]].indices).long()] @ users[u]
        gain = (own / tau).exp().mean().log()
        pull = ((items[neg] @ users[u]) / tau).exp().mean().log()
        expected += [weight * pull - gain] * len(own)
    assert losses["PooledSoftmaxLoss"] == pytest.approx(float(torch.stack(expected).mean()), 1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a bilateral loss has something to pool
        bilateral = bsl.losses.BilateralSoftmaxLoss(tau_pos=0.1, tau_neg=0.2)
        fit(model_for(few), few, bilateral, settings)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("optimizer", ["adam", "row-adam"])
def test_batches_of_one_update_are_one_batch_of_all_their_rows(few, optimizer, schedule):
    """With all items as negatives. The last update has fewer batches, the last of them fewer
    rows."""
    tables, losses = [], []
    for size, accumulate in ((600, 1), (150, 4)):
        settings = config(
            batch_size=size,
            accumulate=accumulate,
            sampler="full",
            optimizer=optimizer,
            schedule=schedule,
        )
        model = model_for(few).double()
        run = fit(model, few, SoftmaxLoss(tau=0.2), settings)
        tables.append(torch.cat([p.detach() for p in model.parameters()]))
        losses.append([entry["ndcg@20"] for entry in run.history])
    rows = few.train.nnz
    assert 150 < rows % 600 < 450 and rows % 150 and losses[0] == losses[1]
    torch.testing.assert_close(*tables, rtol=1e-7, atol=1e-9)


def test_the_batches_of_an_update_share_it_by_their_rows():
    settings = TrainConfig(batch_size=10, accumulate=3)
    parts = [part_of_update(n, 44, settings) for n in range(5)]
    third, ten = pytest.approx(1 / 3), pytest.approx(10 / 14)
    assert parts == [
        (third, True, False),
        (third, False, False),
        (third, False, True),
        (ten, True, False),
        (pytest.approx(4 / 14), False, True),
    ]
    assert part_of_update(4, 41, replace(settings, accumulate=5)) == (
        pytest.approx(1 / 41),
        False,
        True,
    )


def test_progress_bar(synthetic, capfd):
    fit(model_for(synthetic), synthetic, SoftmaxLoss(tau=0.2), config(progress=True))
    shown = capfd.readouterr().err
    assert "28/28" in shown and "valid ndcg@20" in shown
    fit(model_for(synthetic), synthetic, SoftmaxLoss(tau=0.2), config(progress=None))
    assert capfd.readouterr().err == ""  # not a terminal


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"n_negatives": 0}, "n_negatives must be at least 1"),
        ({"accumulate": 0}, "accumulate must be at least 1, got 0"),
        ({"n_lists": 0}, "n_lists must be at least 1, got 0"),
        ({"pool_users": True, "positives": 2}, "pool_users needs positives=1, got 2"),
        ({"pool_users": True, "sampler": "independent"}, "pool_users needs shared negatives"),
        ({"n_lists": 2, "sampler": "full"}, "n_lists above 1 needs sampler='shared' and .*'full'"),
        ({"n_lists": 2, "negative_noise": 2}, "n_lists above 1 needs .*negative_noise=1, got .* 2"),
        ({"patience": 0}, "patience must be at least 1 or None, got 0"),
        ({"lr": 0.0}, "lr must be a positive finite number, got 0.0"),
        ({"lr": math.nan}, "lr must be a positive finite number, got nan"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"negative_noise": -1}, "negative_noise must be at least 0 and finite, got -1"),
        ({"negative_noise": 2, "sampler": "in-batch"}, "negative_noise needs sampler='shared'"),
        ({"sampler": "hard"}, "sampler must be one of shared, independent, in-batch, full, got 'h"),
        ({"optimizer": "sgd"}, "optimizer must be one of adam, row-adam, got 'sgd'"),
        ({"schedule": "step"}, "schedule must be one of constant, cosine, got 'step'"),
        ({"precision": "int8"}, "precision must be one of float32, bfloat16, got 'int8'"),
        ({"replacement": False, "sampler": "full"}, "replacement=False needs sampler='shared'"),
        ({"metric": "ndcg"}, "metric must be one of .*, got 'ndcg'"),
        ({"metric": "auc@20"}, "got 'auc@20'"),
    ],
)
def test_bad_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**setting)


def test_a_metric_with_more_places_than_items_is_refused_before_training():
    pairs = torch.ones(4, 10).nonzero().numpy()
    data = bsl.data.from_pairs(pairs, [[0, 10]], name="tiny")
    model = bsl.models.MatrixFactorization(4, 11)
    before = [x.clone() for x in model.parameters()]
    with pytest.raises(ValueError, match="metric=.ndcg@20. must be at most 11"):
        bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=0.2), config(metric="ndcg@20"))
    assert all(map(torch.equal, before, model.parameters()))
    bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=0.2), config(metric="ndcg@11"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_where_there_is_none():
    with pytest.raises(ValueError, match="one that torch sees, got 'cuda', and it sees no CUDA"):
        TrainConfig(device="cuda")


def test_noise_in_the_negatives_reaches_the_loss(synthetic):
    """With noise the user's own positives, which score high, are among the negatives."""

    def mean_negative(noise):
        torch.manual_seed(0)
        model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=16)
        bsl.fit(model, synthetic, bsl.losses.SoftmaxLoss(tau=0.2), config(epochs=3, lr=1e-2))
        seen = []

        class Watch(bsl.losses.SoftmaxLoss):
            def forward(self, pos, neg, pos_mask=None, neg_mask=None):
                kept = torch.ones_like(neg) if neg_mask is None else neg_mask.float()
                rows = (neg * kept).sum(1) / kept.sum(1)
                seen.append(rows.detach().mean().item())
                return super().forward(pos, neg, pos_mask, neg_mask)

        settings = config(epochs=1, lr=1e-9, n_negatives=2048, negative_noise=noise)
        fit(model, synthetic, Watch(tau=0.2), settings)
        return sum(seen) / len(seen)

    clean, plain, noisy = (mean_negative(noise) for noise in (0.0, 1.0, 10.0))
    assert clean < plain - 0.01 and plain < noisy - 0.05
