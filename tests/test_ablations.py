"""What is read off the records of the ablations: negatives, their samplers, length of a vector."""

from functools import cache

import numpy as np
import pytest

from bslutils.data import from_pairs
from bslutils.experiments import SWEEPS, MissingRun, noise
from bslutils.experiments.ablations import (
    DIMS,
    NEGATIVE_TAUS,
    NEGATIVES,
    POSITIVES,
    SAMPLED,
    SAMPLER_TAU,
    SIZED,
    best_dim,
    best_tau,
    drawn,
    equally_blunt,
    false_negatives,
    fewer,
    fewer_at_equal_tau,
    longer,
    missing,
    moved,
    need,
    over_dims,
    over_negatives,
    over_positives,
    over_samplers,
    over_taus,
    published_lengths,
    sampled,
    testbeds,
    way_change,
)
from bslutils.experiments.testbeds import SETTINGS, measured

BENCH = testbeds()[0]
WAYS = ("shared", "independent", "in-batch", "full")


def worth(trial):
    """A made-up result that tells the knobs, and the seed, from each other."""
    config = trial.config
    place = 100 * SETTINGS[trial.loss].index(trial.params) if trial.loss in SETTINGS else 0
    way = WAYS.index(config.sampler) / 10
    knobs = config.n_negatives + trial.model.get("dim", 64) / 1000 + place + way
    return knobs + 10_000 * config.seed


def humped(trial):
    """A made-up hump over the temperature, whose place and height tell the number of negatives."""
    config = trial.config
    if trial.loss != "softmax":
        return 1.0
    off = np.log(trial.params["tau"] / PEAK[config.n_negatives])
    return config.n_negatives**0.1 * (1 + config.seed) * (1 - off**2 / 10)


PEAK = dict(zip(NEGATIVES, NEGATIVE_TAUS, strict=True))


@cache
def recorded(worth=worth):
    records = {}
    for name in ("negatives", "dimension"):
        while new := [t for t in SWEEPS[name].trials("small", records) if t.id not in records]:
            for t in new:
                valid = -SETTINGS[t.loss].index(t.params)  # the first setting is chosen
                records[t.id] = {"valid": valid, "test": {"ndcg@20": worth(t)}}
                records[t.id]["exposure"] = {"popularity": 2 * worth(t), "gini": worth(t) ** 2}
    return records


def test_curves_have_a_row_for_each_seed_and_a_column_for_each_setting():
    records = recorded()
    assert missing(BENCH, records) == []
    seeds = 10_000 * np.arange(BENCH.n_seeds)[:, None]
    for n in NEGATIVES:
        found = over_taus(BENCH, n, records)
        places = [100 * SETTINGS["softmax"].index({"tau": tau}) for tau in NEGATIVE_TAUS]
        np.testing.assert_allclose(found, n + 0.064 + np.array([places]) + seeds)
    for loss in SAMPLED[1:]:
        np.testing.assert_allclose(
            over_negatives(BENCH, loss, records), np.array([NEGATIVES]) + 0.064 + seeds
        )
    for loss in SIZED:
        expected = 512 + np.array([DIMS]) / 1000 + seeds
        np.testing.assert_allclose(over_dims(BENCH, loss, records), expected)


def test_softmax_loss_over_negatives_is_a_column_of_its_grid():
    records, k = recorded(), NEGATIVE_TAUS.index(SAMPLER_TAU)
    column = [over_taus(BENCH, n, records)[:, k] for n in NEGATIVES]
    np.testing.assert_allclose(over_negatives(BENCH, "softmax", records).T, column)
    shared = measured(sampled(BENCH, "shared"), records, "ndcg@20", "test")
    np.testing.assert_allclose(shared, column[NEGATIVES.index(512)])


def test_what_is_missing_is_named():
    whole = len(NEGATIVES) + len(SAMPLED) - 1 + len(NEGATIVES) - 1 + 2 + len(SIZED)
    assert len(missing(BENCH, {})) == whole
    for read, which in ((over_taus, 8), (over_negatives, "mse"), (over_dims, "mse")):
        with pytest.raises(MissingRun, match="a run is missing: movielens-small"):
            read(BENCH, which, {})
    records = dict(recorded())
    del records[sampled(BENCH, "in-batch")[2].id]
    assert missing(BENCH, records) == ["in-batch negatives"]
    del records[sampled(BENCH, "independent", 8)[0].id]
    assert missing(BENCH, records) == ["8 independent negatives", "in-batch negatives"]


def test_fewer_negatives_move_the_best_temperature_and_lower_the_top():
    records, seeds = recorded(humped), np.ones(BENCH.n_seeds)
    for n in NEGATIVES:
        np.testing.assert_allclose(best_tau(BENCH, n, records), PEAK[n] * seeds)
        np.testing.assert_allclose(moved(BENCH, n, records), PEAK[n] / PEAK[2048] * seeds)
        np.testing.assert_allclose(fewer(BENCH, n, records), ((n / 2048) ** 0.1 - 1) * seeds)
    found = fewer_at_equal_tau(BENCH, 8, records)
    assert found.shape == (BENCH.n_seeds, len(NEGATIVE_TAUS))
    far = 1 - np.log(NEGATIVE_TAUS[-1] / NEGATIVE_TAUS[0]) ** 2 / 10
    np.testing.assert_allclose(found[:, 0], (8 / 2048) ** 0.1 / far - 1)
    np.testing.assert_allclose(found[:, -1], (8 / 2048) ** 0.1 * far - 1)


def test_few_negatives_act_as_many_where_their_tables_agree():
    taus = np.array(NEGATIVE_TAUS)
    acts_as = {n: taus * (1 + 8 / n) for n in NEGATIVES}
    for tau in (0.12, 0.2, 0.3):
        found = equally_blunt(NEGATIVE_TAUS, acts_as, tau)
        assert found[2048] == pytest.approx(tau)
        goal = tau * (1 + 8 / 2048)
        assert list(found) == [n for n in NEGATIVES if taus[0] <= goal / (1 + 8 / n) <= taus[-1]]
        assert all(found[n] == pytest.approx(goal / (1 + 8 / n)) for n in found)
    assert list(equally_blunt(NEGATIVE_TAUS, acts_as, 0.12)) == [128, 512, 2048]


def test_changes_over_negatives_and_lengths_are_relative_to_a_run_of_the_same_seed():
    records = recorded()
    for loss in SAMPLED:
        runs = over_negatives(BENCH, loss, records)
        base = runs[:, [NEGATIVES.index(512)]]
        np.testing.assert_allclose(base * (1 + need(BENCH, loss, records)), runs)
    for loss in SIZED:
        runs = over_dims(BENCH, loss, records)
        for base in (64, 128):
            changes = longer(BENCH, loss, records, base)
            np.testing.assert_allclose(runs[:, [DIMS.index(base)]] * (1 + changes), runs)
        np.testing.assert_array_equal(longer(BENCH, loss, records)[:, DIMS.index(64)], 0)
        assert best_dim(BENCH, loss, records) == 512
    falling = recorded(lambda trial: -worth(trial))
    assert {best_dim(BENCH, loss, falling) for loss in SIZED} == {32}


def test_ways_to_draw_are_compared_seed_by_seed():
    records, seeds = recorded(), 10_000 * np.arange(BENCH.n_seeds)
    k = 100 * NEGATIVE_TAUS.index(SAMPLER_TAU)
    eight = 8 + 0.064 + 0.1 + k + seeds
    found = drawn(BENCH, "independent", 8, records)
    np.testing.assert_allclose(found["ndcg@20"], eight)
    np.testing.assert_allclose(found["popularity"], 2 * eight)
    np.testing.assert_allclose(found["gini"], eight**2)
    few, many = ("independent", 8), ("shared", 512)
    base = drawn(BENCH, *many, records)
    for metric in found:
        change = way_change(BENCH, few, many, records, metric)
        np.testing.assert_allclose(base[metric] * (1 + change), found[metric])
    expected = 512 + 0.064 + np.array([[0, 0.2, 0.3]]) + k + seeds[:, None]
    samplers = ("shared", "in-batch", "full")
    np.testing.assert_allclose(over_samplers(BENCH, samplers, records), expected)


def test_softmax_loss_over_positives_has_a_column_for_each_number():
    bench = noise.testbeds()[0]
    records = {
        trial.id: {"test": {"ndcg@20": 10 * trial.config.positives + trial.config.seed}}
        for trial in SWEEPS["bilateral"].trials("small", {})
        if trial.loss == "softmax_risk" and not trial.false_positives
    }
    seeds = np.arange(bench.n_seeds)[:, None]
    np.testing.assert_array_equal(
        over_positives(bench, records), 10 * np.array([POSITIVES]) + seeds
    )


def test_readings_of_nothing_say_which_run_is_missing():
    for read in (
        lambda: fewer(BENCH, 8, {}),
        lambda: moved(BENCH, 8, {}),
        lambda: need(BENCH, "mse", {}),
        lambda: longer(BENCH, "mse", {}),
        lambda: drawn(BENCH, "full", 512, {}),
        lambda: over_positives(noise.testbeds()[0], {}),
    ):
        with pytest.raises(MissingRun, match="a run is missing: movielens-small"):
            read()


@pytest.mark.parametrize("positives", [1, 2, 3])
def test_false_negatives_are_as_frequent_as_when_they_are_drawn(positives):
    rng = np.random.default_rng(0)
    pairs = np.argwhere(rng.random((6, 9)) < np.linspace(0.2, 0.9, 9))
    pairs = np.vstack([pairs, [[u, u] for u in range(6)]])
    data = from_pairs(np.unique(pairs, axis=0), np.array([[0, 9]]), valid_fraction=0)
    has, popular = data.train.toarray(), data.item_degree / data.item_degree.sum()
    uniform, in_batch = [], []
    for _ in range(400):
        for user in range(data.n_users):
            own = np.flatnonzero(has[user])
            for _ in range(-(-len(own) // positives)):  # its rows in an epoch
                row = rng.choice(own, size=min(positives, len(own)), replace=False)
                elsewhere = np.setdiff1d(own, row)
                uniform.append(has[user].mean())
                in_batch.append(popular[elsewhere].sum())
    found = false_negatives(data, positives)
    assert found == pytest.approx((np.mean(uniform), np.mean(in_batch)), rel=0.04)


def test_published_lengths_are_relative_to_those_beside_them():
    found = published_lengths()
    assert {data for data, _ in found} == {"yelp2018", "gowalla", "ml-1m"}
    for changes in found.values():
        assert list(changes) == [64, 128, 256, 512] and changes[128] == 0
    assert found["yelp2018", "SL"][512] == pytest.approx(0.06118 / 0.06025 - 1)
    assert found["yelp2018", "SL"][64] == pytest.approx(0.05918 / 0.06025 - 1)
    assert found["ml-1m", "BSL"][64] == pytest.approx(0.2681 / 0.2702 - 1)  # NDCG@20 of BSL
    assert published_lengths(64)["gowalla", "BSL"][512] == pytest.approx(0.1632 / 0.1584 - 1)
