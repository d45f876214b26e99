"""Recorded runs."""

import json

import pytest

import bslutils as bsl
from bslutils import experiments
from bslutils.experiments import (
    EXPERIMENTS,
    RECORDS,
    Experiment,
    read_records,
    run_experiment,
    run_missing,
    select,
)
from bslutils.losses import make_loss


@pytest.fixture
def two(monkeypatch):
    """Two small experiments in place of the real ones."""
    config = bsl.TrainConfig(epochs=2, n_negatives=64, progress=False)
    chosen = [
        Experiment("synthetic", "honest", "MF", "SL", ("softmax", {"tau": 0.2}), config),
        Experiment(
            "synthetic",
            "paper",
            "LightGCN",
            "SL",
            ("softmax", {"tau": 0.2}),
            config,
            {"dim": 8, "n_layers": 1},
        ),
    ]
    monkeypatch.setattr(experiments, "EXPERIMENTS", {e.id: e for e in chosen})
    return chosen


def test_a_record_says_everything(two):
    record = json.loads(json.dumps(run_experiment(two[1])))
    assert record["id"] == "synthetic/paper/LightGCN/SL"
    assert record["data"]["protocol"] == "paper" and len(record["data"]["hash"]) == 64
    assert record["config"]["seed"] == 0 and record["loss"] == {"name": "softmax", "tau": 0.2}
    assert len(record["history"]) == 2 and 0 < record["train_seconds"] < record["seconds"]
    assert record["made_by"].endswith("--run synthetic/paper/LightGCN/SL")
    assert {"commit", "versions", "hardware", "threads", "test"} <= record.keys()
    again = run_experiment(two[1])
    strip = [{k: v for k, v in e.items() if k != "seconds"} for e in record["history"]]
    assert strip == [{k: v for k, v in e.items() if k != "seconds"} for e in again["history"]]


def test_what_is_missing_is_run_and_a_kill_loses_one_run(two, tmp_path, monkeypatch):
    path = tmp_path / "deep" / "runs.jsonl"
    first = next(run_missing(path=path))  # killed after the first
    assert list(read_records(path)) == [two[0].id]
    assert [r["id"] for r in run_missing(path=path)] == [two[1].id]
    assert list(run_missing(path=path)) == []
    assert [r["id"] for r in run_missing([two[0].id], path=path, again=True)] == [two[0].id]
    assert len(path.read_text().splitlines()) == 3
    assert read_records(path)[two[0].id]["test"] == first["test"]

    def interrupted(experiment, **options):
        return {"id": experiment.id, "stopped": "interrupted"}

    monkeypatch.setattr(experiments, "run_experiment", interrupted)
    assert list(run_missing(path=path, again=True)) == []
    assert len(path.read_text().splitlines()) == 3


def test_a_broken_file_is_pointed_out_before_anything_runs(two, tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"id": "a"}\n{"id": "b"')
    with pytest.raises(ValueError, match=r"line 2 of .*runs.jsonl is not a record"):
        next(run_missing(path=path))
    assert path.read_text() == '{"id": "a"}\n{"id": "b"'


def test_selection():
    assert select() == list(EXPERIMENTS.values())
    assert {e.data for e in select(["gowalla"])} == {"gowalla"}
    assert [e.id for e in select(["yelp2018/paper/MF/SL"])] == ["yelp2018/paper/MF/SL"]
    with pytest.raises(ValueError, match="no experiment 'yelp'; there are yelp2018/paper/MF/SL"):
        select(["gowalla", "yelp"])


def test_every_data_set_backbone_and_loss_has_an_experiment():
    cells = {(e.data, e.backbone, e.label) for e in EXPERIMENTS.values()}
    sets = ("yelp2018", "gowalla", "ml-1m", "amazon-electronics")
    assert cells == {
        (d, b, label) for d in sets for b in ("MF", "LightGCN") for label in ("SL", "BSL")
    }
    for experiment in EXPERIMENTS.values():
        make_loss(experiment.loss[0], **experiment.loss[1])


def test_the_records_are_of_experiments_as_they_stand():
    """A record made with other settings than those of its experiment would mislead."""
    records = read_records()
    assert records, f"{RECORDS} holds nothing"
    for id, record in records.items():
        experiment = EXPERIMENTS[id]
        config = json.loads(json.dumps(experiment.config.__dict__))
        free = ("device", "progress")
        assert {k: v for k, v in record["config"].items() if k not in free} == {
            k: v for k, v in config.items() if k not in free
        }
        assert record["loss"] == {"name": experiment.loss[0], **experiment.loss[1]}
        assert record["history"][record["best_epoch"] - 1]["recall@20"] > 0


def test_the_command_line(two, tmp_path, capsys):
    from bslutils.__main__ import main

    path = str(tmp_path / "runs.jsonl")
    assert main(["results", "--file", path]) == 0
    assert capsys.readouterr().out.count("missing") == 2
    assert main(["results", "--run", "synthetic/honest", "--file", path]) == 0
    assert "Recall@20" in capsys.readouterr().out
    assert main(["results", "--file", path]) == 0
    assert capsys.readouterr().out.count("missing") == 1
    assert main(["results", "gowalla", "--file", path]) == 2
