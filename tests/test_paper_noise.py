"""The plan of the sweep on noise: what it wants, in which order, as records come in."""

import itertools
import json
import math
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bslutils.experiments import MissingRun, known_records, leads, path_of, read_records, sweep
from bslutils.experiments.figure1 import BASELINES
from bslutils.experiments.outlook import hours, in_the_end
from bslutils.experiments.paper_at_length import AtLength
from bslutils.experiments.paper_benches import (
    BENCHES,
    CLEAN,
    LEVELS,
    LOSSES,
    MAIN,
    WORST,
    Bench,
    bench,
)
from bslutils.experiments.paper_longer import longer
from bslutils.experiments.paper_noise import Runs, reached, rise, valid_ndcg
from bslutils.experiments.paper_plan import begun_on, plan
from bslutils.experiments.paper_trials import STEPS, at, ratio, start
from bslutils.experiments.records import record_files
from bslutils.experiments.testbeds import INTERCEPT
from bslutils.experiments.verdicts import ADDED, RISING

# What tuning starts from. None of the sweep's own: those made up here and real ones do not mix.
OWN = read_records(path_of("paper_noise"))
RECORDED = {id: r for id, r in known_records(path_of("field")).items() if id not in OWN}


def fake(trial, *, gains=0.0):
    """A record: best at half the start's L2 term, and with more epochs better by ``gains``."""
    config = trial.config
    level = config.negative_noise != 1 or trial.false_positives > 0
    valid = 0.1 - 0.001 * abs(math.log(config.weight_decay * 1e4)) - 0.01 * level
    valid *= 1 + gains * math.log2(config.epochs / 5)
    history = [{"epoch": k, config.metric: valid * x} for k, x in ((1, 0.5), (2, 0.99), (3, 1))]
    for look in history:  # by NDCG@20 at twice the start's L2 term
        look["ndcg@20"] = 0.1 - 0.001 * abs(math.log(config.weight_decay * 2.5e3))
    made = {"id": trial.id, "valid": valid, "history": history, "exposure": {"gini": 0.85}}
    return made | {"best_epoch": 3, "hardware": "a processor, 2 cores"} | trial.settings


def completed(bench, known=RECORDED, **settings):
    """Records of everything that a bench wants, and the trials in the order of their making."""
    records, order = dict(known), []
    while missing := [t for t in plan([bench], records) if t.id not in records]:
        for trial in missing:
            order += [trial] if trial.id not in records else []
            records[trial.id] = fake(trial, **settings)
    return records, order


DATA = ("ml-1m", "yelp2018")  # a bench of either kind


@pytest.fixture(scope="module")
def finished():
    return {data: completed(bench(data)) for data in DATA}


@pytest.mark.parametrize("data", DATA)
def test_every_loss_at_every_level_with_every_seed(finished, data):
    records, _ = finished[data]
    runs = Runs(bench(data), records)
    for loss in LOSSES:
        for level in LEVELS:
            trials = runs.kept(loss, level)
            assert [t.config.seed for t in trials] == list(runs.seeds(loss, level))
            assert all(t.id in records and t.loss == loss for t in trials)
            kind, amount = level
            assert {t.false_positives for t in trials} == {amount * (kind == "positives")}
            expected = 1 if kind != "negatives" else ratio(data, amount)
            assert {t.config.negative_noise for t in trials} == {expected}
    for loss in LOSSES if runs.bench.whole else ("softmax", "bilateral_softmax"):
        for level in WORST:
            assert all(t.id in records for t in runs.tuned(loss, level))


@pytest.mark.parametrize("data", DATA)
def test_every_loss_is_tuned_with_the_same_budget_and_the_same_training(finished, data):
    records, _ = finished[data]
    runs = Runs(bench(data), records)
    for loss in LOSSES:
        assert len(runs.clean(loss).tried(records)) == STEPS
    trials = [t for loss in LOSSES for level in LEVELS for t in runs.kept(loss, level)]
    same = {
        (t.config.epochs, t.config.batch_size, t.config.positives, t.config.n_negatives)
        for t in trials
    }
    assert len(same) == 1
    assert all(t.config.positives > 1 and t.config.optimizer == "row-adam" for t in trials)


def test_the_first_and_third_claim_are_tuned_for_ndcg_beside(finished):
    """From the same start, with as many trials; only other choices are other runs."""
    records, _ = finished["ml-1m"]
    runs = Runs(bench("ml-1m"), records)
    by_ndcg = Runs(bench("ml-1m"), records, valid_ndcg)
    (one, _), (other, _) = (x.tuning("softmax", WORST[1]).best(records) for x in (runs, by_ndcg))
    assert other.config.weight_decay > one.config.weight_decay
    for loss in ("softmax", "bpr", "bce", "mse", "ccl"):
        tunings = [x.clean(loss) for x in (runs, by_ndcg)]
        assert len({tuning.at((0,) * len(tuning.knobs)).id for tuning in tunings}) == 1
        assert len({len(tuning.tried(records)) for tuning in tunings}) == 1
        kept = [*by_ndcg.kept(loss, CLEAN), *by_ndcg.kept(loss, WORST[0])]
        assert {t.id for t in kept} <= records.keys()
        assert {t.config.epochs for t in kept} == {runs.epochs()}
    for loss in MAIN:
        trials = [*by_ndcg.tuned(loss, WORST[1]), *by_ndcg.kept(loss, CLEAN)]
        assert {t.id for t in trials} <= records.keys()
    assert not list(Runs(bench("yelp2018"), finished["yelp2018"][0]).by_ndcg())


def test_a_run_that_diverged_is_the_worst_by_either_metric():
    history = [{"epoch": 1}, {"epoch": 2, "recall@20": 0.1, "ndcg@20": 0.2}, {"epoch": 3}]
    record = {"best_epoch": 2, "history": history, "valid": 0.1}
    assert valid_ndcg(record) == 0.2 and valid_ndcg(record | {"valid": 0.0}) == 0.0


def test_what_decides_comes_first(finished):
    _, order = finished["yelp2018"]
    runs = Runs(bench("yelp2018"), finished["yelp2018"][0])
    place = {t.id: k for k, t in enumerate(order)}
    first = {level: min(place[runs.kept(x, level)[0].id] for x in LOSSES) for level in LEVELS}
    last = {level: max(place[runs.kept(x, level)[0].id] for x in LOSSES) for level in LEVELS}
    middle = [level for level in LEVELS if level not in (CLEAN, *WORST)]
    assert max(last[CLEAN], *(last[level] for level in WORST)) < min(first[x] for x in middle)


@pytest.mark.parametrize("data", DATA)
def test_bce_with_an_intercept_is_tuned_from_where_bce_ended(finished, data):
    records, order = finished[data]
    runs = Runs(bench(data), records)
    ended, (first, *others) = (
        runs.at_length("bce", 1),
        runs.clean(INTERCEPT).tried(records).values(),
    )
    assert len(others) == STEPS - 1
    assert first.params == ended.params | {"intercept": -1.0}
    assert first.config.weight_decay == ended.config.weight_decay
    assert {t.loss for t in others} == {"bce"}
    lowered = [t.params["intercept"] for t in others]
    assert max(lowered) <= 0 and min(lowered) < -1  # a step of the other knobs leaves it
    for loss in LOSSES:
        assert not any("intercept" in t.params for t in runs.kept(loss, CLEAN))
    with_it = [t for t in order if "intercept" in t.params]
    assert {(t.config.negative_noise, t.false_positives) for t in with_it} == {(1.0, 0.0)}
    kept = runs.kept(INTERCEPT, CLEAN)
    assert [t.config.seed for t in kept] == list(runs.seeds("bce", CLEAN))
    assert all(t.id in records and t.config.epochs == runs.epochs() for t in kept)


def test_an_intercept_waits_for_the_ends_and_comes_before_they_are_tuned(finished):
    records, _ = finished["ml-1m"]
    runs = Runs(bench("ml-1m"), records)
    planned = list({t.id: t for t in plan([runs.bench], records)}.values())
    place = {t.id: k for k, t in enumerate(planned)}
    ends = [place[t.id] for x in LOSSES for level in WORST for t in runs.kept(x, level)]
    tuned = [place[t.id] for x in LOSSES for level in WORST for t in runs.tuned(x, level)]
    with_it = [k for k, t in enumerate(planned) if "intercept" in t.params]
    assert max(ends) < min(with_it) and max(with_it) < min(set(tuned) - set(ends))


def test_training_is_longer_until_twice_of_it_adds_little():
    yelp = bench("yelp2018")
    runs = Runs(yelp, completed(yelp, gains=0.0)[0])
    assert runs.epochs() == yelp.config.epochs
    assert max(runs.added(yelp.config.epochs).values()) < ADDED
    runs = Runs(yelp, completed(yelp, gains=0.1)[0])
    assert runs.epochs() == 4 * yelp.config.epochs  # the longest; the bench is preliminary
    assert min(runs.added(4 * yelp.config.epochs).values()) > ADDED


@pytest.mark.parametrize("data", DATA)
def test_the_frontier_is_what_no_other_trial_beats_in_both(finished, data):
    records = dict(finished[data][0])
    runs = Runs(bench(data), records)
    whole = runs.frontier("bpr")
    assert whole and all(t.id in records for t in whole)
    trials = list(runs.clean("bpr").tried(records).values())[:6]
    values = [(0.1, 0.9), (0.1, 0.8), (0.08, 0.7), (0.09, 0.85), (0.07, 0.7), (0.05, 0.6)]
    for trial, (valid, gini) in zip(trials, values, strict=True):
        changed = {"valid": valid, "exposure": {"gini": gini}}
        records[trial.id] = records[trial.id] | changed
    runs.epochs()  # before the tuning is another one
    tuned = dict(enumerate(trials))
    runs.clean = lambda loss: SimpleNamespace(best=id, tried=lambda _: tuned)
    found = runs.frontier("bpr")
    settings = [(t.params, t.config.weight_decay) for t in found]
    kept = [trials[k] for k in (1, 2, 5)]
    assert settings == [(t.params, t.config.weight_decay) for t in kept]
    assert {t.config.epochs for t in found} == {runs.bench.config.epochs}


def test_the_loss_that_still_rises_is_looked_at_beside_softmax_loss(finished):
    records = dict(finished["ml-1m"][0])
    runs = Runs(bench("ml-1m"), records)
    steep = runs.at_length("ccl", 30)
    entries = [{"recall@20": 0.05}, {"recall@20": 0.1}]
    records[steep.id] = records[steep.id] | {"history": entries}
    assert Runs(bench("ml-1m"), records).rising() == ["softmax", "ccl"]
    assert rise(records[steep.id]) == pytest.approx(1.0)


def test_converged_runs_are_read_where_they_are_recorded(finished):
    """On validation, CCL is the best of the baselines by Recall@20, BPR of the paper's three."""
    records, test = dict(finished["yelp2018"][0]), {"softmax": 0.066, "bpr": 0.06, "ccl": 0.07}
    valid = {"bpr": 0.5, "ccl": 0.6}
    for loss in LOSSES:
        for trial in Runs(bench("yelp2018"), dict(records)).kept(loss, CLEAN):
            recall = test.get(loss, 0.05)
            kept = dict.fromkeys(("recall@20", "ndcg@20"), valid.get(loss, 0.1))
            record = records[trial.id]  # the last looks stay, by which the length was chosen
            found = {"test": {"recall@20": recall, "ndcg@20": recall / 2}, "best_epoch": 1}
            records[trial.id] = record | found | {"history": [kept, *record["history"][1:]]}
    assert reached("yelp2018", "softmax", records).tolist() == [0.066] * 3
    assert reached("yelp2018", "ccl", records, "ndcg@20").tolist() == [0.035]
    row = leads.converged("yelp2018", records)
    assert (row.over, row.seeds) == ("bpr", 1) and row.by.mean == pytest.approx(0.1)
    row = leads.converged("yelp2018", records, (*BASELINES, "ccl"))
    assert row.over == "ccl" and row.by.mean == pytest.approx(0.066 / 0.07 - 1)
    assert [r.data for r in leads.recorded(records) if r.budget == leads.CONVERGED] == ["Yelp2018"]
    with pytest.raises(MissingRun):
        leads.converged("gowalla", records)


def test_nothing_is_wanted_before_what_it_rests_on():
    runs = Runs(bench("gowalla"), {})
    assert len(list(plan([runs.bench], {}))) == len(LOSSES)  # the starts of the tuning
    for ask in (runs.epochs, lambda: runs.kept("bpr", CLEAN), lambda: runs.tuned("bpr", WORST[0])):
        with pytest.raises(MissingRun):
            ask()


@pytest.mark.parametrize("data", DATA)
def test_pooling_is_compared_with_the_same_batches_without_it(finished, data):
    records, _ = finished[data]
    runs = Runs(bench(data), records)
    pooled, plain = runs.pooled()
    assert len(pooled) == len(plain) == (3 if runs.bench.whole else 1)
    for one, other in zip(pooled, plain, strict=True):
        assert one.id in records and other.id in records and one.params == other.params
        assert one.config.pool_users and not other.config.pool_users
        assert replace(one.config, pool_users=False) == other.config
        assert other.config.positives == 1 and "pooled_softmax" in one.label


@pytest.mark.parametrize("data", DATA)
def test_a_bench_goes_on_where_its_final_runs_were_begun(finished, data):
    records, gpu = dict(finished[data][0]), {"hardware": "NVIDIA H200"}
    runs = Runs(bench(data), records)
    assert begun_on(records) == {data: "CPU"}
    compared = {t.id for t in runs.compared()}
    assert {t.id for x in LOSSES for level in LEVELS for t in runs.kept(x, level)} <= compared
    assert {t.id for x in MAIN for level in WORST for t in runs.tuned(x, level)} <= compared
    one = runs.kept("bpr", CLEAN)[0].id
    records[one] = records[one] | gpu
    assert begun_on(records) == {data: "CPU"}  # that of most
    records |= {id: record | gpu for id, record in records.items() if id not in compared}
    assert begun_on(records) == {data: "CPU"}  # whatever tuned
    records |= {id: record | gpu for id, record in records.items()}
    assert begun_on(records) == {data: "NVIDIA H200"}


def test_a_bench_is_begun_by_the_first_run_of_its_first_length(finished):
    every, yelp = finished["yelp2018"][0], bench("yelp2018")
    short = {"epochs": yelp.tuning_epochs}.items()
    records = {id: r for id, r in every.items() if r["config"].items() >= short}
    assert not begun_on(records)  # tuned alone: any device may go on
    first = Runs(yelp, records).at_length("softmax", yelp.config.epochs)
    assert begun_on(records | {first.id: every[first.id]}) == {"yelp2018": "CPU"}


@pytest.mark.parametrize("data", DATA)
def test_final_runs_keep_users_and_what_tuned_does_not(finished, data):
    records, _ = finished[data]
    runs = Runs(bench(data), records)
    planned = {t.id: t.users for t in sweep("paper_noise").trials("full", records)}
    final = {t.id for t in runs.compared()}
    for loss, level in itertools.product(LOSSES, LEVELS):  # those between only of one seed
        end = level in (CLEAN, *WORST)
        kept = [planned[t.id] for t in runs.kept(loss, level)]
        assert kept == [True] + [end] * (len(kept) - 1)
        if level in WORST and (data == "ml-1m" or (loss in MAIN and level == WORST[1])):
            assert all(planned[t.id] for t in runs.tuned(loss, level))
    tuned = [t.id for x in MAIN for t in runs.tuning(x, WORST[1]).tried(records).values()]
    assert not any(planned[id] for id in {*tuned} - final)
    # Nor one on clean data, though as long as final runs: what is chosen is made again.
    clean = {t.id for x in LOSSES for t in runs.clean(x).tried(records).values()} - final
    assert not any(planned[id] for id in clean)


def test_what_was_second_is_trained_at_length_and_with_every_seed_if_it_leads(finished):
    every, _ = finished["yelp2018"]
    runs = Runs(bench("yelp2018"), every)
    first, *_ = runs.tuned("softmax", WORST[1])
    second = runs.runner_up("softmax", WORST[1])
    tuning = [t for t in runs.tuning("softmax", WORST[1]).tried(every).values()]
    assert second.params in [t.params for t in tuning] and second.params != first.params
    assert second.config.epochs == runs.epochs() and second.config.seed == 0
    for lead in (-0.01, 0.01):
        above = every[second.id] | {"valid": every[first.id]["valid"] + lead}
        planned = [*Runs(bench("yelp2018"), every | {second.id: above}).runners_up()]
        settings = {t.id for t in planned if t.params == second.params and t.loss == "softmax"}
        assert len(settings) == (3 if lead > 0 else 1)
        there = AtLength(bench("yelp2018"), every | {second.id: above})
        chosen, *_ = there.tuned("softmax", WORST[1])
        assert chosen.params == (second if lead > 0 else first).params


def test_softmax_loss_that_still_rises_under_noise_is_trained_twice_as_long(finished):
    every, _ = finished["yelp2018"]
    runs = Runs(bench("yelp2018"), every)
    assert not [*longer(runs)]  # it rises by 1 % there
    first, *_ = runs.kept("softmax", WORST[0])
    looks = every[first.id]["history"]
    looks = [*looks[:-1], looks[-1] | {"recall@20": looks[-2]["recall@20"] * (1 + RISING)}]
    rising = Runs(bench("yelp2018"), every | {first.id: every[first.id] | {"history": looks}})
    clean, noisy = longer(rising)
    assert noisy == replace(first, config=noisy.config, label=noisy.label)
    assert noisy.config == replace(first.config, epochs=2 * runs.epochs())
    assert clean.id == runs.at_length("softmax", 2 * runs.epochs()).id  # is recorded
    assert clean.users and noisy.users


def test_users_of_all_planned_runs_take_little_room():
    """At most 10 MB together: what is recorded, and what is left at the size that is usual."""
    sizes = defaultdict(list)
    for record in (r for file in record_files() for r in read_records(file).values()):
        if "users" in record:
            sizes[record["data"]].append(len(record["users"]["ndcg@20"]))
    total = sum(map(sum, sizes.values()))
    usual = {data: np.mean(found) for data, found in sizes.items()}
    for begun in BENCHES[:3]:
        records, _ = completed(begun, known_records(path_of("")))
        wanted = {t.id for t in plan([begun], records) if t.users}
        total += usual[begun.data] * sum("users" not in records[id] for id in wanted)
    total += usual["yelp2018"] * len(wanted)  # Gowalla, which has fewer users
    assert 5e6 < total < 10e6


def test_what_a_plan_will_have_wanted_is_known_before_it_names_it(finished):
    every, _ = finished["yelp2018"]
    wanted = {t.id: t for t in plan([bench("yelp2018")], every)}
    expected = in_the_end(bench("yelp2018"), RECORDED)
    assert len(expected) == len({t.id for t in expected})
    assert abs(len(expected) - len(wanted)) < 0.1 * len(wanted)
    assert {t.id for t in in_the_end(bench("yelp2018"), every)} == wanted.keys()


def test_hours_are_those_of_the_kind_of_device():
    trial = start(bench("yelp2018"), "bpr", {})
    took = {"history": [{}], "seconds": 900.0, "hardware": "a processor, 2 cores"}
    records = {"1": trial.settings | took, "2": trial.settings | took | {"seconds": 2700.0}}
    assert hours([trial], records, "CPU", 0.5) == pytest.approx(trial.config.epochs * 0.5)
    assert hours([trial], records, "CPU") > hours([trial], records, "CPU", 0.5)
    with pytest.raises(MissingRun, match="any on NVIDIA H200"):
        hours([trial], records, "NVIDIA H200")


def test_sizes():
    small, full = (sweep("paper_noise").trials(size, RECORDED) for size in ("small", "full"))
    assert {t.data for t in small} == {"ml-1m", "amazon-electronics"}
    assert {t.data for t in full} == {b.data for b in BENCHES}
    assert {t.backbone for t in full} == {"MF"}  # chapter 14 says that LightGCN is in no plan


def test_the_ratio_of_a_share_is_that_of_the_data():
    facts = json.loads(Path(path_of("")).with_name("datasets.json").read_text(encoding="utf-8"))
    for data, found in facts.items():
        if data in {b.data for b in BENCHES}:
            assert ratio(data, 0) == 0
            assert ratio(data, 0.3) == pytest.approx(found["ratio of a share"]["0.3"], rel=5e-3)
    assert ratio("ml-1m", 0.05) < 1 < ratio("ml-1m", 0.1)  # uniform sampling lies between


def test_a_level_replaces_the_one_before():
    clean = start(bench("yelp2018"), "bpr", {})
    noisy = at(clean, ("negatives", 0.3))
    assert noisy.config.negative_noise > 100 and "r=" in noisy.label
    assert at(at(noisy, ("positives", 0.4)), CLEAN).id == at(clean, CLEAN).id == clean.id


def test_an_unknown_bench_names_those_there_are():
    with pytest.raises(ValueError, match="data must be one of ml-1m, .* got 'netflix'"):
        bench("netflix")
    assert isinstance(bench("ml-1m"), Bench)
