"""The table `frontier`: what is timed, what is compared, and where settings come from."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import bslutils as bsl
from benchmarks import curves, frontier
from benchmarks.curves import Watch, chosen, lengths, looks, threads
from benchmarks.frontier import reached
from bslutils.experiments import every_loss, without_loss as methods
from bslutils.experiments.records import MissingRun, known_records, lacks, path_of

WAYS = [*frontier.LOSSES, *frontier.METHODS, *frontier.PACKAGES, frontier.LITERAL]


@pytest.fixture(scope="module")
def record():
    plan = frontier.small(n_threads=1)
    return json.loads(json.dumps(frontier.table({plan.data: frontier.measure(plan)})))


def points_of(record, way):
    return [row for row in record["rows"] if row["way"] == way]


def test_every_way_has_a_curve(record):
    assert {row["way"] for row in record["rows"]} == set(WAYS)
    assert record["threads"] == 1 and set(record["settings"]["synthetic"]) == set(WAYS)
    for way in WAYS:
        rows = points_of(record, way)
        for run in {row["run"] for row in rows}:
            seconds = [row["seconds"] for row in rows if row["run"] == run]
            assert seconds[0] > 0 and seconds == sorted(set(seconds))
        assert all(0 < row["ndcg@20"] < 1 and row["ranking_seconds"] > 0 for row in rows)
    assert [row["run"] for row in points_of(record, "SL")] == ["1 epochs"] + 2 * ["2 epochs"]
    assert [row["run"] for row in points_of(record, "iALS")] == ["1 sweeps", "2 sweeps"]
    assert len(points_of(record, "implicit BPR")) == 2 and len(points_of(record, "EASE")) == 1


def test_points_are_what_the_model_reaches_on_test(record, synthetic):
    [ease] = points_of(record, "EASE")
    test = bsl.evaluate(bsl.baselines.ease(synthetic), synthetic)
    assert ease["ndcg@20"] == pytest.approx(test["ndcg@20"])
    assert ease["recall@20"] == pytest.approx(test["recall@20"])


def test_a_short_run_has_a_schedule_of_its_own(monkeypatch, synthetic):
    made = []
    monkeypatch.setattr(
        curves.bsl, "fit", lambda model, data, loss, config, **_: made.append(config)
    )
    trial = frontier.small().trials["SL"]
    trial = replace(trial, config=replace(trial.config, epochs=24, schedule="cosine"))
    assert curves.training(synthetic, trial) == []
    assert [config.epochs for config in made] == [3, 8, 24]
    assert all(c.schedule == "cosine" and c.patience is None for c in made)
    assert all(c.eval_every == c.epochs for c in made)  # validation after the last look


def test_looking_is_not_counted(monkeypatch, synthetic):
    def slow(model, data):
        time.sleep(0.3)
        return {"ndcg@20": 0.1, "recall@20": 0.2}

    monkeypatch.setattr(curves.bsl, "evaluate", slow)
    watch = Watch(synthetic, "a run")
    time.sleep(0.2)
    for _ in range(3):
        watch.look(None)
    first, *_, last = watch.points
    assert first["seconds"] >= 0.2 and last["seconds"] - first["seconds"] < 0.3
    assert first["ranking_seconds"] >= 0.3 and watch.seconds < 1


def test_lengths_and_looks():
    assert lengths(16) == [2, 5, 16] and lengths(2) == [1, 2]
    for epochs in (1, 7, 8, 64):
        found = looks(epochs)
        assert max(found) == epochs and min(found) >= 1 and len(found) == min(epochs, 8)


def test_validation_chooses_the_settings_of_the_other_package(monkeypatch, synthetic):
    asked = []
    evaluate = bsl.evaluate

    def watched(model, data, split="test"):
        asked.append(split)
        return evaluate(model, data, split=split)

    monkeypatch.setattr(curves.bsl, "evaluate", watched)
    package = frontier.small().packages["implicit ALS"]
    package = replace(package, grid={"alpha": (1.0, 4.0), "regularization": (0.01, 1e3)})
    best, seen = chosen(synthetic, package, 1)
    assert asked == 4 * ["valid"] and len({line["valid"] for line in seen}) > 1
    top = max(seen, key=lambda line: line["valid"])
    assert best == {name: top[name] for name in package.grid}
    assert best["regularization"] == 0.01  # the other one leaves nothing


def test_reached_is_relative_to_softmax_loss():
    def point(way, seconds, ndcg):
        return {"way": way, "seconds": seconds, "ndcg@20": ndcg}

    points = [
        point("SL", 10.0, 0.45),
        point("SL", 40.0, 0.5),
        point("SL", 20.0, 0.48),  # of another run
        point("quick", 2.0, 0.46),
        point("best", 5.0, 0.6),
        point("worst", 1.0, 0.1),
    ]
    found = {(line["way"], line["level"]): line for line in reached(points)}
    assert [found["SL", x]["seconds"] for x in (0.9, 0.95, 0.99)] == [10, 20, 40]
    assert all(found["SL", x]["times SL"] == 1 for x in frontier.LEVELS)
    assert found["quick", 0.9]["times SL"] == 0.2 and found["quick", 0.95]["seconds"] is None
    assert found["quick", 0.95]["times SL"] is None and found["worst", 0.9]["seconds"] is None
    assert found["best", 0.99]["times SL"] == 1 / 8
    assert found["best", 0.9]["highest"] == pytest.approx(1.2)


def test_the_whole_run_as_published_is_reckoned_from_its_steps(record):
    whole, rows = record["literal"]["synthetic"], points_of(record, frontier.LITERAL)
    step = rows[-1]["seconds"] / whole["steps"]
    expected = step * whole["steps_of_an_epoch"] * whole["epochs"]
    assert whole["extrapolated_seconds"] == pytest.approx(expected)
    ours = max(row["seconds"] for row in points_of(record, "SL"))
    assert whole["times SL"] == pytest.approx(expected / ours)
    assert whole["epochs"] == record["settings"]["synthetic"]["SL"]["config"]["epochs"]


def test_threads_are_given_back():
    from threadpoolctl import threadpool_info

    def blas():
        return {x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"}

    np.ones((2, 2)) @ np.ones((2, 2))
    before, of_torch = blas(), torch.get_num_threads()
    with pytest.raises(KeyError), threads(1):
        assert torch.get_num_threads() == 1 and blas() == {1}
        raise KeyError
    assert torch.get_num_threads() == of_torch and blas() == before


def test_settings_are_those_of_the_records():
    records = known_records(path_of(""))
    ours = frontier.plan("ml-1m", records)
    for way, loss in frontier.LOSSES.items():
        assert ours.trials[way] == every_loss.choice("ml-1m", loss, records).final[0]
    for method in methods.METHODS:
        if method.title in frontier.METHODS:
            assert not lacks(methods.final, "ml-1m", method, "honest", records)
            [first, *_] = methods.final("ml-1m", method, "honest", records)
            assert ours.trials[method.title] == first
    assert all(trial.protocol == "honest" for trial in ours.trials.values())


def test_what_is_not_tuned_yet_has_what_its_tuning_starts_from():
    plan = frontier.plan("yelp2018", {})
    assert list(plan.trials) == [*frontier.LOSSES, *frontier.METHODS]
    assert plan.source.pop("graph filter") == "nothing to set"
    assert all("starts from" in source for source in plan.source.values())
    assert {plan.trials[way].config.epochs for way in frontier.LOSSES} == {16}
    with pytest.raises(MissingRun):
        frontier.plan("ml-1m", {})
