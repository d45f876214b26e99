"""The plan of the sweep on shifted tests, and what is read off its records."""

import math
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from bslutils.experiments import MissingRun
from bslutils.experiments.per_user import pack
from bslutils.experiments.shift import (
    GOALS,
    LEAD,
    LOSSES,
    MAIN,
    SCORES,
    SL,
    SPLITS,
    TAUS,
    Runs,
    begun_on,
    shift,
)
from bslutils.experiments.shift_readings import (
    at_an_edge,
    compared,
    kept,
    lead_is_preliminary,
    leads,
    move_is_preliminary,
    moved,
    moved_interval,
    over_tau,
    published_way,
    steps,
    tried,
)

BEST = {"validation": 0.2, "test": 0.1}  # the temperature that the made-up records have best
AMAZON, GOWALLA = SPLITS


def fake(trial):
    """A record: validation is best at one temperature, test at a lower one; softmax loss leads."""
    tau = trial.params.get("tau", trial.params.get("tau_neg", 0.2)) * (1, 0.2)[trial.score == "dot"]
    off = {goal: 0.01 * math.log(tau / best) ** 2 for goal, best in BEST.items()}
    l2 = 0.001 * math.log(trial.config.weight_decay * {"cosine": 3e2, "dot": 3e4}[trial.score]) ** 2
    lead = 0.02 * (trial.loss == "softmax") + 0.0001 * trial.config.seed
    test = 0.1 + lead - off["test"] - l2
    groups = [test * share for share in (0.1, 0.2, 0.7)]
    record = {
        "id": trial.id,
        "label": trial.label,
        "valid": 0.2 + lead - off["validation"] - l2,
        "test": {"recall@20": test, "ndcg@20": test, "recall@20 by group": groups},
        "hardware": "2 cores",
    }
    if trial.config.epochs not in (AMAZON.tuning_epochs, GOWALLA.tuning_epochs):
        users = test + 0.05 * np.sin(np.arange(500))
        record["users"] = {"ndcg@20": pack(users)}
    return record | trial.settings


@pytest.fixture(scope="module")
def finished():
    records, order = {}, []
    while missing := [t for t in shift("full", records) if t.id not in records]:
        for trial in missing:
            if trial.id not in records:
                order.append(trial)
                records[trial.id] = fake(trial)
    return records, order


def test_every_loss_is_tuned_for_either_goal_from_one_start_with_one_budget(finished):
    records, _ = finished
    for split in SPLITS:
        runs = Runs(split, records)
        for loss in LOSSES:
            for score in SCORES:
                walks = [runs.tuning(loss, score, goal) for goal in GOALS]
                starts = {next(iter(walk.tried(records).values())).id for walk in walks}
                assert len(starts) == 1
                assert {len(walk.tried(records)) for walk in walks} == {split.steps}


def test_each_goal_finds_its_own_temperature_and_not_at_an_edge(finished):
    runs = Runs(AMAZON, finished[0])
    for loss in MAIN:
        for goal, best in BEST.items():
            found, closed = runs.tuning(loss, "cosine", goal).best(finished[0])
            assert closed and abs(math.log(found.params["tau"] / best)) < math.log(1.4)
            assert [t.config.seed for t in runs.final(loss, "cosine", goal)] == [0, 1, 2]


@pytest.mark.parametrize("goal", GOALS)
def test_a_run_that_diverged_is_never_chosen(goal):
    """Not even where its last weights were the best of all on test."""
    tuning, records, k = Runs(AMAZON, {}).tuning("softmax", "cosine", goal), {}, 0
    while missing := [t for t in tuning.tried(records).values() if t.id not in records]:
        record = fake(missing[0])
        if k == 1:
            diverged = missing[0]
            record |= {
                "valid": 0.0,
                "test": {"recall@20": 0.9},
                "stopped": "diverged",
                "history": [],
            }
        records[missing[0].id], k = record, k + 1
    assert tuning.best(records)[0].id != diverged.id


def test_only_final_runs_keep_users_and_only_published_ones_see_test(finished):
    records, order = finished
    runs = Runs(AMAZON, records)
    tried = {
        t.id
        for g in GOALS
        for x in LOSSES
        for s in SCORES
        for t in runs.tuning(x, s, g).tried(records).values()
    }
    assert not any(t.users for t in order if t.id in tried)
    assert all(t.users for t in runs.final("bpr", "dot", "test"))
    assert not any(t.users for t in runs.doubled("bpr", "dot"))
    published = {
        t.id
        for split in SPLITS
        for x in MAIN
        for s in SCORES
        for t in Runs(split, records).as_published(x, s)
    }
    assert {t.id for t in order if t.protocol == "paper"} == published


def test_a_split_goes_on_where_its_final_runs_were_begun(finished):
    records, gpu = dict(finished[0]), {"hardware": "NVIDIA H200"}
    final = {t.id for t in shift("full", records) if t.users and t.data == AMAZON.data}
    tuned = {t.id for t in shift("full", records) if not t.users} & records.keys()
    assert begun_on(records) == {split.data: "CPU" for split in SPLITS}
    records |= {id: records[id] | gpu for id in tuned}
    assert begun_on(records) == {split.data: "CPU" for split in SPLITS}  # whatever tuned
    records |= {id: records[id] | gpu for id in final}
    assert begun_on(records) == {AMAZON.data: "NVIDIA H200", GOWALLA.data: "CPU"}
    assert begun_on({}) == {}


def test_what_decides_is_run_first(finished):
    planned = list({t.id: t for t in shift("small", finished[0])}.values())
    last_main = max(k for k, t in enumerate(planned) if t.loss in MAIN)
    first_other = min(k for k, t in enumerate(planned) if t.loss not in MAIN)
    assert last_main < first_other


def test_bpr_as_usual_has_a_temperature_of_one(finished):
    trials = Runs(AMAZON, finished[0]).plain()
    assert {(t.loss, t.score, t.params["tau"]) for t in trials} == {("bpr", "dot", 1.0)}


def test_the_best_temperature_moves_as_the_records_have_it(finished):
    runs = Runs(AMAZON, finished[0])
    assert [t.params["tau"] for t, *_ in runs.over_tau()] == list(TAUS)
    assert moved(runs) == pytest.approx([0.5, 0.5, 0.5])
    length = runs.split.config.epochs
    assert moved(runs, length) == pytest.approx([0.5, 0.5, 0.5])
    with pytest.raises(MissingRun, match=f"{8 * length} epochs"):
        moved(runs, 8 * length)
    mean, low, high = moved_interval(moved(runs))
    assert low <= mean <= high and mean == pytest.approx(0.5)
    with pytest.raises(ValueError):
        moved_interval(moved(Runs(GOWALLA, finished[0])))


@pytest.mark.parametrize("goal", GOALS)
def test_softmax_loss_leads_as_the_records_have_it(finished, goal):
    found = leads(finished[0], goal=goal)
    assert set(found) == {(split.data, score) for split in SPLITS for score in SCORES}
    for (data, score), judged in found.items():
        runs = Runs(next(s for s in SPLITS if s.data == data), finished[0])
        sides = [
            np.mean([finished[0][t.id]["test"]["ndcg@20"] for t in runs.final(x, score, goal)])
            for x in ("softmax", "bpr")
        ]
        assert judged.estimate.interval.mean == pytest.approx(sides[0] / sides[1] - 1, abs=0.01)
        assert judged.word == "better" and judged.seeds == runs.split.n_seeds


def test_one_thing_changes_from_bpr_to_softmax_loss_at_a_time(finished):
    found = [t for t, *_ in steps(Runs(AMAZON, finished[0])).values()]
    assert [(t.loss, t.score) for t in found] == [
        ("bpr", "dot"),
        ("bpr", "dot"),
        ("bpr", "cosine"),
        ("softmax", "cosine"),
    ]
    assert found[0].params["tau"] == 1


def test_the_published_way_lets_the_test_choose_the_score_too(finished):
    records, runs = finished[0], Runs(AMAZON, finished[0])
    for loss in MAIN:
        chosen = published_way(runs, loss)
        means = {
            score: np.mean([records[t.id]["test"]["recall@20"] for t in trials])
            for score in SCORES
            if (trials := runs.as_published(loss, score))
        }
        assert chosen[0].protocol == "paper"
        assert chosen[0].score == max(means, key=means.__getitem__)


def test_what_groups_of_items_add_is_recall_together(finished):
    for loss in LOSSES:
        x = kept(Runs(AMAZON, finished[0]), loss, "cosine")
        assert len(x.test) == AMAZON.n_seeds and x.valid > x.test.mean()
        assert x.groups.sum() == pytest.approx(x.test.mean())
        assert x.groups / x.test.mean() == pytest.approx([0.1, 0.2, 0.7])
    with pytest.raises(MissingRun):
        kept(Runs(AMAZON, {}), "bpr", "dot")


def test_all_trials_of_the_tuning_are_read_once(finished):
    runs = Runs(AMAZON, finished[0])
    for loss in LOSSES:
        points = tried(runs, loss)
        assert AMAZON.steps * 2 <= len(points) <= AMAZON.steps * 4
        assert points.shape[1] == 2 and (points[:, 0] > points[:, 1]).all()


def test_a_lead_is_preliminary_without_a_top_or_while_longer_training_helps(finished):
    records, runs = dict(finished[0]), Runs(AMAZON, finished[0])
    assert lead_is_preliminary(runs, "cosine") == move_is_preliminary(runs) == ""
    assert not at_an_edge(runs)
    once, twice = runs.doubled("bpr", "cosine")
    assert twice.config == replace(once.config, epochs=2 * once.config.epochs)
    records[twice.id] = records[twice.id] | {"valid": 1.03 * records[once.id]["valid"]}
    grown = Runs(AMAZON, records)
    assert lead_is_preliminary(grown, "cosine") == "twice the epochs add 3.0 % to bpr"
    assert move_is_preliminary(grown) == lead_is_preliminary(grown, "dot") == ""
    short = Runs(replace(AMAZON, steps=2), finished[0])
    assert lead_is_preliminary(short, "cosine") == "the tuning of softmax has not come to a top"


def rising(trial):
    """A record that gains 5 % by twice the epochs, up to sixty of them."""
    record, epochs = fake(trial), trial.config.epochs
    return record | {"valid": record["valid"] * (1.05 if epochs > AMAZON.config.epochs else 1)}


def test_training_is_as_long_as_it_has_to_be():
    """Until the longer runs are there, the shorter ones are read, and carry no verdict."""
    records, seen = {}, []
    while missing := [t for t in shift("small", records) if t.id not in records]:
        records |= {trial.id: rising(trial) for trial in missing}
        runs = Runs(AMAZON, records)
        with suppress(MissingRun):
            read = compared(runs, "cosine")
            seen.append((read.epochs, lead_is_preliminary(runs, "cosine")))
    first, longer = AMAZON.config.epochs, 2 * AMAZON.config.epochs
    assert (first, "twice the epochs add 5.0 % to softmax") in seen
    assert seen[-1] == (longer, "") and runs.epochs(SL, "cosine") == longer
    assert all(why for epochs, why in seen if epochs == first)
    assert {t.config.epochs for trials in over_tau(runs).trials for t in trials} == {longer}
    assert compared(runs, "dot").trials == runs.compared("dot", "validation", longer)
    assert [trials[0].loss for trials in compared(runs, "dot").trials] == list(LEAD)
    # The table beside the published one keeps the length that it says.
    assert {t.config.epochs for t in published_way(runs, "bpr")} == {first}


def test_a_missing_run_is_named():
    runs = Runs(AMAZON, {})
    for read in (moved, at_an_edge, Runs.plain, Runs.over_tau, steps, partial(tried, loss="bpr")):
        with pytest.raises(MissingRun, match="a run is missing"):
            read(runs)
    assert leads({}) == {}
