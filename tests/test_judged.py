"""What runs under noise say of the paper's claims, read off made-up records."""

import numpy as np
import pytest
from scipy import stats
from test_paper_noise import RECORDED, fake

from bslutils.experiments import MissingRun, judged
from bslutils.experiments.convergence import of_bench
from bslutils.experiments.judged import (
    NEGATIVES,
    OTHERS,
    POSITIVES,
    clean_cloud,
    equal_on_clean,
    first_claim,
    less_lost,
    lines,
    second_claim,
    third_claim,
)
from bslutils.experiments.paper_at_length import AtLength
from bslutils.experiments.paper_benches import BENCHES, CLEAN, LEVELS, LOSSES, bench
from bslutils.experiments.paper_curves import curve
from bslutils.experiments.paper_falls import (
    MASKED,
    fall,
    fall_masked,
    kept_over_tuned,
    less,
    less_masked,
)
from bslutils.experiments.paper_longer import SoftmaxLonger
from bslutils.experiments.paper_noise import Runs, valid_ndcg
from bslutils.experiments.paper_plan import plan
from bslutils.experiments.per_user import METRIC, pack
from bslutils.experiments.testbeds import INTERCEPT

USERS = np.random.default_rng(0).uniform(0.2, 0.6, 400)
# Share that is lost at the most false negatives, and at the most false positives.
LOST = {"softmax": (0.1, 0.3), "bilateral_softmax": (0.1, 0.1), "bpr": (0.3, 0.3)}
LOST |= {"bce": (0.1, 0.2), "mse": (0.05, 0.3), "ccl": (0.5, 0.5)}
# Of the lists of a loss, at the first seed.
GINI = {"softmax": 0.80, "bpr": 0.90, "bce": 0.81, "mse": 0.70, "ccl": 0.827}
SEEDS = (0.0, 0.002, -0.002)  # what a seed adds to it
FIELD = {id: r for id, r in RECORDED.items() if r["data"] == "ml-1m" and "users" not in r}


def made(trial):
    """A record whose users lose what the loss loses, give or take a seed."""
    record = FIELD.get(trial.id) or fake(trial)  # what ``field`` chose by stays
    negatives, positives = LOST.get(trial.loss, (0.2, 0.2))
    lost = negatives if trial.config.negative_noise > 1 else 0.0
    lost = positives if trial.false_positives else lost
    users = np.clip(USERS * (1 - lost) * (1 + 0.002 * trial.config.seed), 0, 1)
    test = {METRIC: float(users.mean()), "recall@20": 0.1}
    test |= {"recall@20 by group": [0.01] * 10}
    exposure = dict.fromkeys(("popularity", "coverage", "variance over items", "gap"), 0.5)
    exposure["gini"] = GINI.get(trial.loss, 0.85) + SEEDS[trial.config.seed]
    record = record | {
        "label": trial.label,
        "hardware": "A, 2 cores",
        "test": test,
        "exposure": exposure,
    }
    return record | {"users": {METRIC: pack(users)}}


@pytest.fixture(scope="module")
def records():
    records = {id: r | {"test": r["test"] | {METRIC: 0.3}} for id, r in FIELD.items()}
    for data in ("ml-1m", "yelp2018"):
        while missing := [t for t in plan([bench(data)], records) if t.id not in records]:
            records |= {t.id: made(t) for t in missing}
        runs = Runs(bench(data), records)
        for loss in LOSSES:  # the clean runs of ``field``, made again with their users
            again = [*runs.kept(loss, CLEAN), *runs.clean(loss).tried(records).values()]
            records |= {t.id: made(t) for t in again}
    return records


def test_the_first_claim_is_judged_loss_by_loss(records):
    found = first_claim(records)
    assert set(found) == {(data, loss) for data in ("ml-1m", "yelp2018") for loss in OTHERS}
    words = {loss: found["ml-1m", loss].word for loss in OTHERS}
    assert words == {"bpr": "better", "bce": "equal", "mse": "worse", "ccl": "better"}
    assert found["ml-1m", "bpr"].estimate.interval.mean == pytest.approx(0.2, abs=0.01)
    assert judged.verdict(found, bench("ml-1m"), records) == "mixed"
    assert set(first_claim(records, tuned=True)) == {("ml-1m", loss) for loss in OTHERS}


def test_the_same_is_found_with_settings_that_another_metric_chose(records):
    for claim in (first_claim, third_claim):
        own, other = claim(records), claim(records, goal=valid_ndcg)
        assert {x for x in own if x[0] == "ml-1m"} <= other.keys()
        assert all(np.isfinite(other[x].estimate.interval.mean) for x in other)


def test_settings_are_chosen_once_more_among_the_runs_as_long_as_the_bench(records):
    """By validation alone, of what either tuning and the frontiers left; it moves no verdict."""
    runs, again = Runs(bench("ml-1m"), records), AtLength(bench("ml-1m"), records)
    by_ndcg = Runs(bench("ml-1m"), records, valid_ndcg)
    assert again.epochs() == runs.epochs()
    long = again.frontier("softmax")
    assert {t.config.epochs for t in long} == {runs.epochs()} and len(long) > 2
    known = {t.id for t in long}
    assert {runs.kept("softmax", CLEAN)[0].id, by_ndcg.kept("softmax", CLEAN)[0].id} <= known
    assert again.kept("softmax", CLEAN) == runs.kept("softmax", CLEAN)  # the best of them, too
    [best] = [t for t in long if t.id == by_ndcg.kept("softmax", CLEAN)[0].id]
    raised = records | {best.id: records[best.id] | {"valid": 1.0}}
    again = AtLength(bench("ml-1m"), raised)
    assert again.kept("softmax", CLEAN) == by_ndcg.kept("softmax", CLEAN)
    assert again.kept("softmax", NEGATIVES) == by_ndcg.kept("softmax", NEGATIVES)
    assert first_claim(raised, runs=AtLength).keys() <= first_claim(raised).keys()
    assert first_claim(raised)["ml-1m", "bpr"] == first_claim(records)["ml-1m", "bpr"]


def test_under_noise_they_are_chosen_among_what_is_recorded_there(records):
    runs, again = Runs(bench("ml-1m"), records), AtLength(bench("ml-1m"), records)
    assert again.tuned("softmax", POSITIVES) == runs.tuned("softmax", POSITIVES)
    kept = runs.kept("softmax", POSITIVES)
    raised = records | {kept[0].id: records[kept[0].id] | {"valid": 1.0}}
    assert AtLength(bench("ml-1m"), raised).tuned("softmax", POSITIVES) == kept
    assert ("ml-1m", "bilateral_softmax") in third_claim(records, runs=AtLength)
    with pytest.raises(MissingRun):
        AtLength(bench("gowalla"), records).tuned("softmax", POSITIVES)


def test_softmax_loss_alone_is_given_twice_the_epochs(records):
    runs, twice = Runs(bench("ml-1m"), records), SoftmaxLonger(bench("ml-1m"), records)
    assert twice.kept("bpr", NEGATIVES) == runs.kept("bpr", NEGATIVES)
    with pytest.raises(MissingRun):
        less_lost(twice, "bpr")
    added = {t.id: made(t) for level in (CLEAN, NEGATIVES) for t in twice.kept("softmax", level)}
    [noisy] = twice.kept("softmax", NEGATIVES)
    users = np.clip(0.97 * USERS, 0, 1)  # of the tenth that softmax loss lost 3 % are left
    added[noisy.id] |= {"users": {METRIC: pack(users)}}
    found = less_lost(SoftmaxLonger(bench("ml-1m"), records | added), "bpr")
    assert judged.interval(found).mean == pytest.approx(0.3 - 0.03, abs=0.005)
    assert judged.interval(less_lost(runs, "bpr")).mean == pytest.approx(0.3 - 0.1, abs=0.005)


def test_what_losses_lose_to_false_positives(records):
    runs = Runs(bench("ml-1m"), records)
    assert fall(runs, "bce").mean == pytest.approx(-0.2, abs=0.01)
    assert less(runs, "bce").mean == pytest.approx(0.1, abs=0.01)
    assert less(runs, "bce", "bilateral_softmax").mean == pytest.approx(-0.1, abs=0.01)
    over = kept_over_tuned(runs, "bce", "softmax")
    assert over.low < 0.8 / 0.7 - 1 < over.high
    noisy = {t.id for x in LOSSES for t in runs.kept(x, POSITIVES)}
    half = {  # masked, half of it is lost
        id: r | {MASKED: {METRIC: r["test"][METRIC] / 2}} if id in noisy else r
        for id, r in records.items()
    }
    runs = Runs(bench("ml-1m"), half)
    assert fall_masked(runs, "bce").mean == pytest.approx(0.8 / 2 - 1, abs=0.01)
    assert less_masked(runs, "bce").mean == pytest.approx(0.1 / 2, abs=0.01)


def test_one_seed_takes_the_spread_of_the_data_with_several(records):
    found = first_claim(records)
    assert found["ml-1m", "bpr"].seeds == 3 and found["yelp2018", "bpr"].seeds == 1
    several, one = (found[data, "bpr"].estimate.interval for data in ("ml-1m", "yelp2018"))
    assert one.high - one.low >= several.high - several.low > 0
    alone = {id: r for id, r in records.items() if r["data"] == "yelp2018"}
    assert first_claim(alone) == {}  # there is no spread to take


def test_the_second_claim_compares_the_gini_index_at_equal_accuracy(records):
    found = second_claim(records)
    assert set(found) == {(data, loss) for data in ("ml-1m", "yelp2018") for loss in OTHERS}
    words = {loss: found["ml-1m", loss].word for loss in OTHERS}
    assert words == {"bpr": "better", "bce": "equal", "mse": "worse", "ccl": "better"}
    mean, low, high = found["ml-1m", "bpr"].estimate.interval
    assert mean == pytest.approx(0.1)
    freedom = 2 * len(LOSSES)  # three seeds of each
    assert high - mean == pytest.approx(stats.t.ppf(0.975, freedom) * 0.002 * 2**0.5)
    _, low, high = found["yelp2018", "bpr"].estimate.interval  # two losses have several seeds
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 4) * 0.002 * 2**0.5)
    assert found["yelp2018", "ccl"].word == "better" and found["yelp2018", "bce"].word == "equal"


def test_the_second_claim_lets_each_loss_mix_its_trials_and_looks_at_no_test(records):
    """A fairer trial is taken whole if it is as accurate, else as far as accuracy allows."""
    runs = Runs(bench("ml-1m"), records)
    trials = list(runs.clean("bpr").tried(records).values())
    valid = np.array([records[t.id]["valid"] for t in trials])
    assert clean_cloud(runs, "bpr").valid == pytest.approx(valid.max())
    best, worst = trials[valid.argmax()], trials[valid.argmin()]

    def changed(trial, **values):
        record = records[trial.id]
        return records | {
            trial.id: record
            | {"exposure": record["exposure"] | {"gini": 0.5}}
            | {"test": record["test"] | values}
        }

    def below(records):
        return second_claim(records)["ml-1m", "bpr"].estimate.interval.mean

    assert below(changed(best)) == pytest.approx(0.5 - GINI["softmax"])
    equal = min(valid.max(), clean_cloud(runs, "softmax").valid.max())
    kept = (equal - valid.min()) / (valid.max() - valid.min())  # of the best, in the mixture
    mixed = kept * 0.9 + (1 - kept) * 0.5
    assert below(changed(worst)) == pytest.approx(mixed - GINI["softmax"])
    assert below(changed(worst, **{METRIC: 0.9, "recall@20": 0.9})) == below(changed(worst))


def test_at_equal_accuracy_losses_may_differ_on_test_and_by_another_accuracy(records):
    equal = equal_on_clean(records)
    assert equal.keys() == second_claim(records).keys()
    first, second = equal["ml-1m", "bpr"].first, equal["ml-1m", "bpr"].second
    assert first["valid"] == pytest.approx(second["valid"], rel=0.1)
    assert second["gini"][0] - first["gini"][0] == pytest.approx(0.1)
    runs = AtLength(bench("ml-1m"), records, valid_ndcg)
    cloud = clean_cloud(runs, "softmax")
    assert cloud.valid.max() == max(valid_ndcg(records[t.id]) for t in runs.frontier("softmax"))
    again = second_claim(records, goal=valid_ndcg, runs=AtLength)
    assert again["ml-1m", "bpr"].estimate.interval.mean == pytest.approx(0.1)


def test_the_second_claim_has_a_verdict_by_the_same_words(records):
    found = second_claim(records)
    for data in ("ml-1m", "yelp2018"):
        assert judged.verdict(found, bench(data), records) == "mixed"
    others = second_claim(records, losses=["reweighted_softmax", INTERCEPT])
    assert others["ml-1m", INTERCEPT].word == "equal"
    assert others["ml-1m", "reweighted_softmax"].word == "better"


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_the_second_claim_needs_the_whole_tuning(records, loss):
    """Without it neither the frontier nor the length of the final runs is known."""
    trials = list(Runs(bench("ml-1m"), records).clean(loss).tried(records).values())
    valid = [records[t.id]["valid"] for t in trials]
    less = {id: r for id, r in records.items() if id != trials[int(np.argmin(valid))].id}
    assert {data for data, _ in second_claim(less)} == {"yelp2018"}


def test_the_second_claim_needs_every_seed_that_its_interval_rests_on(records):
    trial = Runs(bench("ml-1m"), records).kept("bilateral_softmax", CLEAN)[2]
    less = {id: r for id, r in records.items() if id != trial.id}
    assert {data for data, _ in second_claim(less)} == {"yelp2018"}
    assert judged.verdict(second_claim(less), bench("ml-1m"), less) == "not run"


def test_the_third_claim_compares_both_as_tuned(records):
    found = third_claim(records)
    assert set(found) == {("ml-1m", "bilateral_softmax"), ("yelp2018", "bilateral_softmax")}
    for data in ("ml-1m", "yelp2018"):
        by = found[data, "bilateral_softmax"]
        assert by.estimate.interval.mean == pytest.approx(0.9 / 0.7 - 1, abs=0.01)
        assert by.word == "better" and by.seeds == 3
        assert judged.verdict(found, bench(data), records, ["bilateral_softmax"]) == "holds"
    kept = third_claim(records, tuned=False, loss="reweighted_softmax")
    assert kept["ml-1m", "reweighted_softmax"].estimate.interval.mean == pytest.approx(
        0.8 / 0.7 - 1, abs=0.01
    )


def test_a_bench_states_its_level_and_what_more_training_adds(records):
    found = of_bench(bench("ml-1m"), records)
    assert found.epochs == 30 and found.preliminary == ""
    assert found.added["softmax"] < 0.02 and found.level > 0.9
    trial = Runs(bench("ml-1m"), records).kept("mse", CLEAN)[0]
    high = records | {trial.id: records[trial.id] | {"test": {METRIC: 0.9, "recall@20": 0.1}}}
    found = of_bench(bench("ml-1m"), high)
    assert found.best == "mse" and "softmax loss reaches" in found.preliminary
    claims = first_claim(high)
    assert judged.verdict(claims, bench("ml-1m"), high) == "preliminary"


def test_what_lacks_a_run_is_left_out_and_not_judged(records):
    less = dict(records)
    del less[Runs(bench("ml-1m"), records).kept("bpr", NEGATIVES)[2].id]
    found = first_claim(less)
    assert ("ml-1m", "bpr") not in found and ("ml-1m", "bce") in found
    assert judged.verdict(found, bench("ml-1m"), less) == "not run"
    assert judged.verdict({}, bench("gowalla"), records) == "not run"
    trial = Runs(bench("ml-1m"), records).tuned("softmax", POSITIVES)[0]
    bare = dict(records)
    bare[trial.id] = {k: v for k, v in bare[trial.id].items() if k != "users"}
    assert ("ml-1m", "bilateral_softmax") not in third_claim(bare)
    with pytest.raises(MissingRun):
        of_bench(bench("gowalla"), records)


def test_a_table_has_a_row_for_every_comparison_and_a_verdict_for_every_data_set(records):
    table = lines(first_claim(records), records)
    assert len(table) == len(BENCHES) * len(OTHERS)
    by = {(row["data"], row["loss"]): row for row in table}
    assert by["MovieLens-1M", "bpr"]["so it is"] == "better"
    assert by["MovieLens-1M", "bpr"]["difference (%)"].startswith("+20.")
    assert by["Gowalla", "ccl"] == {
        "data": "Gowalla",
        "loss": "ccl",
        "difference (%)": "not run",
        "verdict": "not run",
    }
    assert next(row["verdict"] for row in table if "verdict" in row) == "mixed"
    again = first_claim(records, goal=valid_ndcg)
    beside = {(row["data"], row["loss"]): row for row in lines(again, records, by_ndcg=again)}
    row = beside["MovieLens-1M", "bpr"]
    assert row["tuned for NDCG@20 (%)"] == row["difference (%)"]
    longer = lines(again, records, at_length=again)
    assert sum("chosen at length (%)" in row for row in longer) == len(again)
    assert beside["Gowalla", "ccl"] == by["Gowalla", "ccl"]


@pytest.mark.parametrize(("data", "seeds"), [("ml-1m", 3), ("yelp2018", 1)])
def test_what_a_loss_loses_level_by_level(records, data, seeds):
    runs = Runs(bench(data), records)
    assert len(runs.kept("bpr", ("negatives", 0.1))) == seeds
    found = curve(runs, "bpr", "negatives")
    assert found.amounts == sorted(found.amounts) and len(found.amounts) == 6
    by = dict(zip(found.amounts, found.changes, strict=True))
    mean, low, high = by[0.3]
    assert mean == pytest.approx(-0.3, abs=0.01) and low <= mean <= high
    uniform = by[next(x for x in found.amounts if x not in (0, 0.05, 0.1, 0.2, 0.3))]
    assert uniform.mean == 0  # clean data themselves
    found = curve(runs, "softmax", "positives")
    assert found.amounts == [0.0, 0.1, 0.2, 0.4]
    assert found.changes[-1].mean == pytest.approx(-0.3, abs=0.01)
    with pytest.raises(ValueError, match="kind must be"):
        curve(runs, "bpr", "both")
    most, base = (runs.kept("bpr", level)[0].id for level in (NEGATIVES, CLEAN))
    less = {k: r for k, r in records.items() if k != most}
    there = curve(Runs(bench(data), less), "bpr", "negatives")  # a level that is not run
    assert there.amounts == [x for x in sorted(by) if x != 0.3]
    assert there.changes == [by[x] for x in there.amounts]
    less = {k: r for k, r in records.items() if k != base}
    with pytest.raises(MissingRun):
        curve(Runs(bench(data), less), "bpr", "negatives")

    def without(trials):
        gone = {t.id for t in trials}
        return Runs(bench(data), {k: r for k, r in records.items() if k not in gone})

    one = curve(without(runs.kept("bpr", NEGATIVES)[1:]), "bpr", "negatives")  # of its seeds
    assert one.amounts == sorted(by) and one.changes[-1].mean == pytest.approx(-0.3, abs=0.01)
    assert (one.changes[-1] == by[0.3]) == (seeds == 1)
    levels = [x for x in LEVELS if x[0] == "negatives"]
    with pytest.raises(MissingRun):  # but for clean data nothing is run
        curve(without(t for x in levels for t in runs.kept("bpr", x)), "bpr", "negatives")
