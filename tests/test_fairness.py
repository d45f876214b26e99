"""Accuracy against fairness: the mixture against a linear program, and what is read off records."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.optimize import linprog

from bslutils.experiments import SWEEPS, MissingRun, accuracy, fairness
from bslutils.experiments.accuracy import (
    FIGURE,
    LOSSES,
    NEWER,
    chosen,
    compared,
    either,
    grid,
    inner,
)
from bslutils.experiments.fairness import (
    as_tuned,
    at_equal_accuracy,
    cloud,
    mixture,
    over_settings,
    tail,
)
from bslutils.experiments.fairness_links import (
    at_fixed_accuracy,
    link_per_pull,
    link_per_push,
    links,
    partial,
    price,
    price_per_push,
)
from bslutils.experiments.testbeds import INTERCEPT
from bslutils.exposure import gini

BENCH, AMAZON, LARGE, PLANTED = fairness.testbeds()
thousandths = st.integers(0, 1000).map(lambda x: x / 1000)


@given(arrays(float, (2, 6), elements=thousandths), st.floats(0, 1))
def test_the_mixture_is_the_optimum_of_the_linear_program(points, share):
    accuracy, unfairness = points
    at = accuracy.min() + share * np.ptp(accuracy) if share < 1 else accuracy.max()
    weights = mixture(accuracy, unfairness, at=at)
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1)
    assert weights @ accuracy >= at - 1e-12
    best = linprog(unfairness, A_ub=-accuracy[None], b_ub=[-at], A_eq=np.ones((1, 6)), b_eq=[1.0])
    assert weights @ unfairness == pytest.approx(best.fun, abs=1e-7)
    assert (weights > 0).sum() <= 2


@given(arrays(float, (2, 12), elements=thousandths.filter(bool)), st.floats(0, 1))
def test_a_mixture_shows_no_less_equally_than_the_mixed_gini(counts, share):
    first, second = counts / counts.sum(1, keepdims=True)
    mixed = share * gini(first) + (1 - share) * gini(second)
    assert gini(share * first + (1 - share) * second) <= mixed + 1e-12


@pytest.mark.parametrize(
    "accuracy, unfairness, at, message",
    [
        ([0.1, 0.2], [0.1], 0.1, r"must be \(n,\), got \(2,\) and \(1,\)"),
        ([], [], 0.1, r"must be \(n,\), got \(0,\)"),
        ([0.1, np.nan], [0.1, 0.2], 0.1, "must be finite"),
        ([0.1, 0.2], [0.1, 0.2], 0.3, "no model reaches 0.3, the best has 0.2"),
    ],
)
def test_bad_mixtures_name_what_is_wrong(accuracy, unfairness, at, message):
    with pytest.raises(ValueError, match=message):
        mixture(np.array(accuracy), np.array(unfairness), at=at)


def test_the_tail_is_the_less_popular_half():
    assert tail(np.array([1.0, 1.0, 3.0, 5.0])) == pytest.approx(0.2)
    assert tail(np.array([[2.0, 0.0], [0.0, 2.0]])).tolist() == [1.0, 0.0]


@given(arrays(float, (3, 12), elements=st.floats(-5, 5), unique=True))
def test_partial_is_the_correlation_of_what_the_third_does_not_explain(columns):
    ranks = np.array([stats.rankdata(column) for column in columns])
    x, y, z = ranks - ranks.mean(1, keepdims=True)
    rest = [v - z * (v @ z) / (z @ z) for v in (x, y)]
    if min(abs(v).max() for v in rest) < 1e-9:
        return  # one of them is the third
    expected = np.corrcoef(*rest)[0, 1]
    assert partial(*columns) == pytest.approx(expected, abs=1e-9)


def test_partial_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="n >= 4"):
        partial(np.arange(3.0), np.arange(3.0), np.arange(3.0))
    with pytest.raises(ValueError, match=r"\(5,\), \(4,\)"):
        partial(np.arange(5.0), np.arange(4.0), np.arange(4.0))


def offered(trial):
    loss = INTERCEPT if "intercept" in trial.params else trial.loss
    return [t.params for t in grid(BENCH, loss)]


def record(trial):
    """A made-up record: accuracy falls with the place of the setting, fairness rises with it."""
    place = next(n for n, params in enumerate(offered(trial)) if params == trial.params)
    worth = 0.5 - 0.01 * place + 0.001 * trial.config.seed
    worth -= 0.02 * (trial.loss != "softmax")
    return {
        "valid": worth,
        "test": {"ndcg@20": worth - 0.1, "recall@20 by group": [place + 1] * 5 + [5] * 5},
        "exposure": {
            "gini": 0.9 - 0.05 * place,
            "popularity": 90.0 - place,
            "coverage": 0.1 * place,
            "variance over items": 0.04,
            "gap": 0.5,
        },
    }


@pytest.fixture
def records():
    wanted = [t for loss in fairness.compared(BENCH) for t in grid(BENCH, loss)]
    return {t.id: record(t) for trial in wanted for t in BENCH.seeds(trial)}


def test_a_cloud_has_every_setting_and_seed(records):
    points = cloud(BENCH, "softmax", records)
    assert {array.shape for array in points} == {(5, 6)}
    assert points.valid[2, 3] == pytest.approx(0.5 - 0.03 + 0.002)
    assert points.gini[0].tolist() == pytest.approx([0.9, 0.85, 0.8, 0.75, 0.7, 0.65])
    assert points.tail[0, 0] == pytest.approx(1 / 6)
    assert np.unique(points.scaled) == pytest.approx([0.16])
    del records[BENCH.seeds(grid(BENCH, "softmax")[5])[4].id]
    for read, args in (
        (cloud, (BENCH, "softmax", records)),
        (over_settings, (BENCH, "softmax", records, "valid")),
        (links, (BENCH, records)),
    ):
        with pytest.raises(MissingRun, match="MF/softmax tau=0.55, seed 4"):
            read(*args)


def test_losses_are_compared_where_both_can_be(records):
    """BPR is worse by two settings' worth: at its best, softmax loss can afford the third."""
    first, second = (cloud(BENCH, loss, records) for loss in ("softmax", "bpr"))
    equal = at_equal_accuracy(first, second)
    assert equal.at == pytest.approx(second.valid.max(1))
    assert equal.first["valid"] == pytest.approx(equal.at)
    assert equal.first["gini"] == pytest.approx(np.full(5, 0.8))
    assert equal.second["gini"] == pytest.approx(np.full(5, 0.9))
    lower = at_equal_accuracy(first, second, share=0.95, by="popularity")
    assert (lower.first["popularity"] < equal.first["popularity"]).all()
    assert as_tuned(first)["gini"] == pytest.approx(np.full(5, 0.9))
    for wrong in ({"by": "tail"}, {"share": 0.0}, {"share": 1.5}):
        with pytest.raises(ValueError, match="must"):
            at_equal_accuracy(first, second, **wrong)


def test_accuracy_is_equal_on_validation_and_fairness_looks_at_no_test(records):
    first, second = (cloud(BENCH, loss, records) for loss in ("softmax", "bpr"))
    spoilt = first._replace(test=first.test[:, ::-1], tail=first.tail[:, ::-1])
    same = at_equal_accuracy(first, second), at_equal_accuracy(spoilt, second)
    assert same[0].first["gini"] == pytest.approx(same[1].first["gini"])
    assert as_tuned(spoilt)["gini"] == pytest.approx(as_tuned(first)["gini"])


def test_every_loss_is_compared_with_the_same_number_of_settings():
    for testbed in accuracy.testbeds():
        assert {len(grid(testbed, loss)) for loss in compared(testbed)} == {6}
    assert set(compared(BENCH)) == {*LOSSES, *NEWER}
    assert {testbed.backbone for testbed in accuracy.testbeds()} == {"MF", "NGCF", "LightGCN"}


def test_the_authors_loss_and_an_intercept_are_compared_where_runs_are_cheap():
    for testbed in (BENCH, PLANTED):
        assert fairness.compared(testbed) == (*fairness.LOSSES, *fairness.ADDED)
        assert not fairness.short(testbed)
    assert fairness.short(AMAZON) and fairness.short(LARGE)
    assert fairness.compared(AMAZON) == fairness.LOSSES and fairness.compared(LARGE) == FIGURE
    assert all(loss not in fairness.LOSSES for loss in fairness.ADDED)
    trials = grid(BENCH, INTERCEPT)
    assert len({t.id for t in trials} | {t.id for t in grid(BENCH, "bce")}) == 12
    assert {t.loss for t in trials} == {"bce"}
    assert all(t.params["intercept"] < 0 for t in trials)


def with_exposure(record, **changes):
    return record | {"exposure": record["exposure"] | changes}


@given(st.sampled_from([0.1, 0.2, 0.5]), st.floats(-0.4, 0.4), st.sampled_from([1.0, 5.0]))
def test_both_prices_are_those_on_paper(tau, m, weight):
    """The rates of the chapter on the price of spread; per pull with the negatives at zero."""

    def sigma(x):
        return 1 / (1 + np.exp(-x))

    bce = {"tau": tau, "neg_weight": weight}
    assert price_per_push("softmax", {"tau": tau}, mean=m) == pytest.approx(1 / (2 * tau))
    assert price_per_push("bce", bce, mean=m) == pytest.approx(sigma(-m / tau) / (2 * tau))
    expected = sigma((0.5 - m) / tau) / (2 * tau)
    assert price_per_push("bpr", {"tau": tau}, mean=m) == pytest.approx(expected)
    assert price("softmax", {"tau": tau}, other=m) == pytest.approx(1 / (2 * tau))
    pull = sigma(-m / tau) / tau
    assert price("bce", bce, other=m) == pytest.approx(weight / (8 * tau**2) / pull)
    assert price("mse", {"neg_weight": weight}, other=m) == pytest.approx(weight / (2 - 2 * m))


def test_a_price_means_nothing_where_nothing_is_paid_for():
    for m, rate in ((0.05, 10.0), (0.0, np.inf)):  # the limit from above
        assert price_per_push("mse", {"neg_weight": 3.0}, mean=m) == pytest.approx(rate)
    with pytest.raises(ValueError, match="'mse' pulls negatives at -0.1 up: no price per push"):
        price_per_push("mse", {"neg_weight": 3.0}, mean=-0.1)
    with pytest.raises(ValueError, match="'mse' does not pull a positive at 1: no price per pull"):
        price("mse", {"neg_weight": 3.0}, other=1.0)
    assert price_per_push("ccl", {"margin": 0.2, "neg_weight": 5}) == 0
    for of in (price, price_per_push):
        with pytest.raises(ValueError, match="unknown loss 'hinge'"):
            of("hinge", {})


def spread_out(records):
    """Every run with a variance of its own."""
    return {
        id: with_exposure(record, **{"variance over items": 0.04 + 0.0001 * k})
        for k, (id, record) in enumerate(records.items())
    }


def turned_round(records, loss):
    """The Gini index of one loss the other way round."""
    trials = [t for setting in grid(BENCH, loss) for t in BENCH.seeds(setting)]
    return records | {
        t.id: with_exposure(records[t.id], gini=1 - records[t.id]["exposure"]["gini"])
        for t in trials
    }


def test_a_link_without_bce_leaves_it_out(records):
    """Turned round, BCE with an intercept or without does not move it; others do."""
    records = spread_out(records)
    before = links(BENCH, records)
    for loss in ("bce", INTERCEPT, "reweighted_softmax"):
        after = links(BENCH, turned_round(records, loss))
        same = {name: np.allclose(before[name], after[name]) for name in before}
        for name in ("price per pull", "price per push"):
            assert not same[f"{name}, Gini | accuracy"]
            without = same[f"{name}, Gini | accuracy, without either BCE"]
            assert without == (loss != "reweighted_softmax")


def test_what_is_changed_of_a_link_is_changed_and_nothing_else(records):
    """A loss that is left out does not move it, MSE not where negatives are below zero."""
    records = spread_out(records)
    for read, main in ((link_per_pull, "price per pull"), (link_per_push, "price per push")):
        before = read(BENCH, records)
        assert {what for how, what in before if how == "without"} == set(fairness.compared(BENCH))
        after = read(BENCH, turned_round(records, "mse"))
        same = {key for key in before if np.allclose(before[key], after[key])}
        below = {key for key in before if key[0] == "negatives at" and key[1] < 0}
        assert same == {("without", "mse")} | below
        as_it_is = links(BENCH, records)[f"{main}, Gini | accuracy"]
        others = {key for key in before if key[0] == "without"}
        assert not any(np.allclose(before[key], as_it_is) for key in others)


def test_a_quantity_at_fixed_accuracy_is_the_partial_correlation(records):
    clouds = {loss: cloud(BENCH, loss, spread_out(records)) for loss in ("softmax", "bpr")}
    x = {"softmax": np.arange(6.0), "bpr": clouds["bpr"].scaled}
    unfair, good = (
        np.hstack([getattr(p, n)[1] for p in clouds.values()]) for n in ("gini", "test")
    )
    one = np.hstack([x["softmax"], x["bpr"][1]])
    got = at_fixed_accuracy(clouds, x)
    assert got.shape == (5,) and got[1] == pytest.approx(partial(one, unfair, good))
    with pytest.raises(ValueError, match="no cloud for 'mse'; there are softmax, bpr"):
        at_fixed_accuracy(clouds, {"mse": np.arange(6.0)})


def test_scores_are_compared_at_equal_settings():
    for trial in SWEEPS["score"].trials("small", {}):
        assert trial.model == {"score": "dot"} and trial.backbone == "MF"
    testbed = accuracy.testbeds()[0]
    for loss in FIGURE:
        cosines, products = grid(testbed, loss), inner(testbed, loss)
        assert {t.model.get("score", "cosine") for t in cosines} == {"cosine"}
        assert len(products) == 8 and len({t.id for t in products}) == 8
        assert either(testbed, loss) == [*cosines, *products]
        same = {replace(t.config, weight_decay=0) for t in (*cosines, *products)}
        assert same == {replace(testbed.config, weight_decay=0)}  # what else is set is equal


def test_slatk_knows_how_many_items_there_are():
    for trial in grid(BENCH, "slatk"):
        assert trial.params["n_items"] == trial.load()[0].n_items


def test_what_is_chosen_is_trained_with_every_seed(records):
    trials = chosen(BENCH, "softmax", records)
    assert [t.config.seed for t in trials] == [0, 1, 2, 3, 4]
    assert {t.params["tau"] for t in trials} == {0.1}
    with pytest.raises(MissingRun, match="MF/llpauc beta=0.03, seed 0"):
        chosen(BENCH, "llpauc", records)


def test_the_accuracy_of_a_frontier_is_a_part_of_the_sweep_on_accuracy(records):
    """What both want is one run: the settings of the first seed, and the chosen one's others."""
    fair = {t.id for t in SWEEPS["fairness"].trials("small", records)}
    overall = SWEEPS["overall"].trials("small", records)
    both = [t for t in overall if t.id in fair]
    assert {t.loss for t in both} == {*fairness.LOSSES, "reweighted_softmax"}
    assert {t.data for t in both} == {"movielens-small", "amazon-electronics", "ml-1m"}


def test_ablations_change_one_thing(records):
    base = {t.id: t for loss in LOSSES for t in grid(BENCH, loss)}
    for name, allowed in (("negatives", {"n_negatives", "sampler"}), ("dimension", set())):
        for trial in SWEEPS[name].trials("small", records):
            if trial.id in base:
                continue
            seedless = replace(trial.config, seed=0)
            twin = replace(
                seedless, n_negatives=BENCH.config.n_negatives, sampler=BENCH.config.sampler
            )
            assert twin == BENCH.config
            changed = {
                key
                for key in ("n_negatives", "sampler")
                if getattr(seedless, key) != getattr(BENCH.config, key)
            }
            assert changed <= allowed
            assert set(trial.model) <= ({"dim"} if name == "dimension" else set())
