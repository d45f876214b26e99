"""Declared trials, their records, and sweeps."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

import bslutils as bsl
from bslutils.cli import main
from bslutils.experiments import (
    HASHES,
    SWEEPS,
    MissingRun,
    Sweep,
    Trial,
    best,
    known_records,
    merge,
    origin,
    outdated,
    path_of,
    perform,
    read_records,
    record_line,
    repeat,
    run_sweep,
    status,
    sweep,
    to_do,
    trial as trial_module,
    with_seeds,
)
from bslutils.experiments.cost import Costs
from bslutils.experiments.per_user import unpack
from bslutils.experiments.perform import Late
from bslutils.experiments.record_line import content_of, line_of
from bslutils.experiments.records import lacks, recorded, writer
from bslutils.experiments.reference import named, reference
from bslutils.experiments.testbeds import columns, measured
from bslutils.experiments.trial import NO_LOSS

CONFIG = bsl.TrainConfig(epochs=2, n_negatives=64, progress=False)


def trial(tau=0.2, **changes):
    return replace(Trial("synthetic", "softmax", {"tau": tau}, CONFIG), **changes)


def quick(wanted, **options):
    """In place of :func:`perform`: a record of the right form, at once."""
    tau = wanted.params.get("tau", 0.5)
    test = {"recall@20": 1 - tau, "ndcg@20": 0.5}
    record = {"id": wanted.id, "label": wanted.label, **wanted.settings, "valid": tau}
    made = {"history": [{"seconds": 1.0}], "hardware": "2 cores", "seconds": 1.0}
    made |= {"train_seconds": 1.0, "best_epoch": 1, "stopped": "epochs", "date": "2024-02-29"}
    made |= {"commit": "unknown", "versions": {"torch": "2"}, "threads": 1}
    return record | {"test": test} | made


def grid(size, records):
    """Four temperatures, then two more seeds of the best of them."""
    tune = [trial(tau) for tau in (0.1, 0.2, 0.4, 0.3)]
    yield from tune
    with suppress(MissingRun):
        yield from with_seeds(best(tune, records), range(3))


GRID = Sweep("grid", "a test", grid)


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr("bslutils.experiments.runner.perform", quick)


def test_an_id_is_the_settings_and_nothing_else():
    one = trial()
    assert one.id == trial(label="another").id
    assert one.id == trial(config=replace(CONFIG, progress=True)).id
    assert one.id == trial(config=replace(CONFIG, replay=False)).id
    assert one.id == Trial("synthetic", "softmax", {"tau": 0.2}, replace(CONFIG, lr=1e-3)).id
    whole = Trial("synthetic", "softmax", {"tau": 1}, CONFIG)
    assert whole.id == Trial("synthetic", "softmax", {"tau": 1.0}, CONFIG).id
    others = [
        trial(0.3),
        trial(loss="softmax_risk", label=""),
        trial(data="movielens-small"),
        trial(protocol="paper"),
        trial(false_positives=0.1),
        trial(model={"dim": 8}),
        trial(backbone="LightGCN"),
        *(trial(config=replace(CONFIG, **c)) for c in ({"seed": 1}, {"lr": 0.1}, {"epochs": 3})),
    ]
    assert len({one.id, *(other.id for other in others)}) == len(others) + 1


def test_a_record_says_everything():
    wanted = trial(backbone="LightGCN", model={"dim": 8, "n_layers": 1}, protocol="paper")
    record = json.loads(json.dumps(perform(wanted)))
    assert record["id"] == wanted.id and record["protocol"] == "paper"
    assert record["config"]["seed"] == 0 and record["params"] == {"tau": 0.2}
    assert len(record["history"]) == 2 and 0 < record["train_seconds"] < record["seconds"]
    assert {"commit", "versions", "hardware", "threads", "date"} <= record.keys()
    assert 0 < record["exposure"]["gini"] < 1
    assert sum(record["test"]["recall@20 by group"]) == pytest.approx(
        record["test"]["recall@20"], abs=1e-5
    )
    assert "test masked" not in record
    assert {"overlap@20", "spearman", "taste"} == record["truth"].keys()
    assert 0 < record["truth"]["spearman"] < 0.9
    again = perform(wanted)
    assert again["test"] == record["test"] and again["valid"] == record["valid"]


def test_false_positives_are_candidates_in_test_and_masked_in_test_masked():
    wanted = trial(false_positives=1.0, config=replace(CONFIG, epochs=5, lr=0.05))
    noisy, clean = wanted.load()
    assert noisy.train.nnz > 1.8 * clean.train.nnz
    record = perform(wanted)
    assert record["test masked"]["recall@20"] > record["test"]["recall@20"]
    other = replace(wanted, config=replace(wanted.config, seed=1)).load()[0]
    assert (other.train != noisy.train).nnz > 0


def test_a_loss_that_diverges_is_recorded(monkeypatch):
    def diverge(*args, **kwargs):
        raise FloatingPointError("the loss became nan at step 3 of epoch 1")

    monkeypatch.setitem(perform.__globals__, "fit", diverge)
    record = perform(trial())
    assert record["stopped"] == "diverged: the loss became nan at step 3 of epoch 1"
    assert record["valid"] == 0.0 and record["history"] == []


def test_the_code_computes_what_it_computed():
    """Equal settings give what they gave when ``CODE`` was last raised; if not, raise it."""
    record = perform(trial(config=replace(CONFIG, epochs=3, lr=0.02, optimizer="row-adam")))
    assert record["code"] == 1
    losses = [entry["loss"] for entry in record["history"]]
    assert losses == pytest.approx(PINNED, rel=1e-4)


PINNED = [4.367101, 3.297379, 2.939318]


def test_data_that_is_not_the_pinned_one_is_refused(monkeypatch):
    wanted = trial()
    monkeypatch.setitem(HASHES, "synthetic", "0" * 64)
    with pytest.raises(ValueError, match="synthetic has hash 1fe2.*are defined on 0000"):
        perform(wanted)


def test_what_needs_no_loss_is_fitted_and_recorded():
    wanted = Trial("synthetic", NO_LOSS, {"dim": 8, "epochs": 2}, bsl.TrainConfig(seed=3), "ials")
    assert wanted.label == "synthetic/honest/ials dim=8 epochs=2" and not wanted.trains
    assert wanted.settings["config"] == {"metric": "ndcg@20", "seed": 3.0}
    assert replace(wanted, config=bsl.TrainConfig(seed=3, lr=0.5)).id == wanted.id
    record = json.loads(json.dumps(perform(replace(wanted, users=True), device="cuda")))
    assert Trial.of(record).id == wanted.id
    data = bsl.load("synthetic")
    model = bsl.baselines.ials(data, dim=8, epochs=2, seed=3)
    valid = bsl.evaluate(model, data, split="valid")
    assert record["valid"] == valid["ndcg@20"] and record["stopped"] == "fitted"
    assert record["test"]["recall@20"] == pytest.approx(
        bsl.evaluate(model, data)["recall@20"], abs=1e-6
    )
    assert record["exposure"].keys() == perform(trial())["exposure"].keys()
    assert unpack(record["users"]["ndcg@20"]).mean() == pytest.approx(
        record["test"]["ndcg@20"], abs=2e-4
    )
    costs = Costs([record], "CPU")
    assert costs.of(wanted) == record["seconds"]
    assert costs.of(replace(wanted, backbone="ease", params={})) is None
    assert Costs([perform(trial())], "CPU").of(wanted) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "none"}, "backbone must be one of popularity, .* got 'MF'"),
        ({"loss": "none", "backbone": "ease"}, "ease: got an unexpected keyword argument 'tau'"),
        ({"backbone": "ease"}, "backbone must be one of MF, .* got 'ease'"),
        ({"data": "netflix"}, "data must be one of movielens-small, .* got 'netflix'"),
        ({"backbone": "BERT"}, "backbone must be one of MF, .* got 'BERT'"),
        ({"protocol": "best"}, "protocol must be one of honest, paper, got 'best'"),
        ({"false_positives": -0.1}, "false_positives must be at least 0, got -0.1"),
        ({"loss": "hinge"}, "unknown loss 'hinge'"),
        ({"params": {"tau": -1.0}}, "tau must be"),
    ],
)
def test_bad_trials_name_what_is_wrong(changes, message):
    with pytest.raises(ValueError, match=message):
        trial(**changes)


def test_the_best_is_chosen_on_validation_alone():
    trials = [trial(tau) for tau in (0.1, 0.4, 0.2)]
    records = {t.id: quick(t) for t in trials}  # test prefers 0.1, validation 0.4
    assert best(trials, records) == trials[1]
    tied = records | {trials[2].id: records[trials[1].id]}
    assert best(trials, tied) == trials[1]  # of equals the first
    with pytest.raises(MissingRun, match="a run is missing: synthetic/honest/MF/softmax tau=0.5"):
        best([*trials, replace(trial(0.5), label="")], records)


def test_a_reading_names_the_run_that_it_misses():
    trials = with_seeds(trial(0.4), range(3))
    records = {t.id: {"valid": k, "test": {"ndcg@20": 10 + k}} for k, t in enumerate(trials)}
    assert recorded(reversed(trials), records) == [records[t.id] for t in reversed(trials)]
    assert measured(trials, records, "valid").tolist() == [0, 1, 2]
    pair = columns([trials, trials[::-1]], records, "ndcg@20", "test")
    assert pair.tolist() == [[10, 12], [11, 11], [12, 10]]
    assert not lacks(measured, trials, records, "valid")
    del records[trials[1].id]
    for read in (
        lambda: recorded(trials, records),
        lambda: measured(trials, records, "valid"),
        lambda: columns([trials[:1], trials[1:2]], records, "ndcg@20", view="test"),
    ):
        assert lacks(read)
        with pytest.raises(MissingRun, match=r"a run is missing: .*softmax tau=0\.4, seed 1$"):
            read()
    with pytest.raises(MissingRun, match="which one, its tuning has yet to say"):
        measured([], records, "valid")
    with pytest.raises(KeyError):  # a name that no record has is a bug, not a missing run
        lacks(measured, trials[:1], records, "vaild")


def test_a_sweep_runs_what_is_missing_and_grows(at_once, tmp_path):
    path = tmp_path / "deep" / "grid.jsonl"
    assert len(GRID.trials(records={})) == 4
    first = next(run_sweep(GRID, path=path))
    assert first[1:] == (1, 4)
    counts = [(done, wanted) for _, done, wanted in run_sweep(GRID, path=path)]
    assert counts == [(2, 4), (3, 4), (4, 6), (5, 6), (6, 6)]
    seeds = [record["config"]["seed"] for record in read_records(path).values()]
    assert seeds == [0, 0, 0, 0, 1, 2]
    assert list(run_sweep(GRID, path=path)) == []
    assert len(list(run_sweep(GRID, path=path, only="tau=0.3", again=True))) == 1
    assert len(path.read_text(encoding="utf-8").splitlines()) == 7 and len(read_records(path)) == 6
    assert all(record is not None for _, record in status(GRID, path=path))


def test_a_line_says_where_records_come_from(tmp_path):
    path = tmp_path / "grid.jsonl"
    assert origin(GRID, path=path) == "`python -m bslutils sweep grid`: 0 of 4 runs"
    lines = [
        quick(trial(tau)) | {"date": date, "hardware": "a machine", "seconds": 90}
        for tau, date in ((0.1, "2026-01-02"), (0.4, "2026-01-01"))
    ]
    path.write_text("".join(line_of(line) + "\n" for line in lines), encoding="utf-8")
    said = "2 of 4 runs, 2026-01-01 to 2026-01-02, a machine, 3 min of runs"
    assert origin(GRID, path=path) == f"`python -m bslutils sweep grid`: {said}"
    assert "sweep grid --size full`: 2 of 4" in origin(GRID, size="full", path=path)


def test_two_sweeps_that_want_one_trial_run_it_once(at_once, tmp_path):
    list(run_sweep(GRID, path=tmp_path / "grid.jsonl"))
    other = Sweep("other", "a test", lambda size, records: [trial(0.4), trial(0.5)])
    path = tmp_path / "other.jsonl"
    assert [record["params"] for record, *_ in run_sweep(other, path=path)] == [{"tau": 0.5}]
    assert all(record is not None for _, record in status(other, path=path))


@pytest.mark.slow
def test_several_at_once_record_the_same(tmp_path):
    pair = Sweep("pair", "a test", lambda size, records: [trial(0.1), trial(0.2)])
    results = []
    for jobs in (1, 2):
        path = tmp_path / str(jobs) / "pair.jsonl"
        assert len(list(run_sweep(pair, path=path, jobs=jobs))) == 2
        results.append({id: record["test"] for id, record in read_records(path).items()})
    assert results[0] == results[1]


def ours(marker):
    """The processes whose environment has this text in it, by id."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found


@pytest.mark.slow
def test_workers_end_with_a_program_that_is_killed(tmp_path):
    marker = f"MARK={tmp_path}"
    command = [sys.executable, "-m", "bslutils", "sweep", "temperature", "--jobs", "2"]
    command += ["--file", str(tmp_path / "temperature.jsonl")]
    program = subprocess.Popen(
        command, env=os.environ | {"MARK": str(tmp_path)}, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while len(ours(marker)) < 4:  # itself, two workers, and what keeps track of resources
            assert program.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
        time.sleep(5)  # workers are at work
        program.kill()
        program.wait()
        while ours(marker):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        for process in ours(marker):
            os.kill(process, signal.SIGKILL)


def test_kill_at_any_moment_loses_nothing_and_runs_nothing_twice(monkeypatch, tmp_path):
    """kill -9, twenty times and more, until the sweep is through."""
    path, ran = tmp_path / "grid.jsonl", tmp_path / "ran"
    many = Sweep("many", "", lambda size, records: [trial(tau / 100) for tau in range(1, 61)])

    def slow(wanted, **options):
        time.sleep(0.004)
        record = quick(wanted)
        record["users"] = {"ndcg@20": "x" * 50_000}  # takes more than a moment to write
        return record

    monkeypatch.setattr("bslutils.experiments.runner.perform", slow)
    kept, kills, rng = set(), 0, random.Random(0)
    while len(kept) < 60:
        child = os.fork()
        if child == 0:
            try:
                for record, *_ in run_sweep(many, path=path):
                    with ran.open("a", encoding="utf-8") as file:
                        file.write(record["id"] + "\n")
            finally:
                os._exit(0)
        if kills < 25:
            time.sleep(rng.uniform(0.001, 0.03))
            os.kill(child, signal.SIGKILL)
            kills += 1
        os.waitpid(child, 0)
        now = set(read_records(path))
        assert kept <= now
        kept = now
    lines = [
        json.loads(line)["id"]
        for line in path.read_text(encoding="utf-8").splitlines()
        if line[-1:] == "}"
    ]
    assert kills >= 20 and len(lines) == len(set(lines)) == 60
    acknowledged = ran.read_text(encoding="utf-8").split()
    assert len(acknowledged) == len(set(acknowledged)) and set(acknowledged) <= kept


def minute_long(*taus):
    """Records of runs that took a minute each."""
    return [quick(trial(tau)) | {"seconds": 60.0} for tau in taus]


def put(path, records):
    with writer(path) as file:
        for record in records:
            file.append(record)


def test_no_run_is_begun_that_would_not_end_in_time(at_once, tmp_path, capsys, monkeypatch):
    path = tmp_path / "grid.jsonl"
    put(path, minute_long(0.1))
    assert list(run_sweep(GRID, path=path, minutes=1.9)) == []  # an epoch a minute, two of them
    assert len(list(run_sweep(GRID, path=path, minutes=2.1))) > 0
    monkeypatch.setitem(SWEEPS, "grid", GRID)
    other = tmp_path / "other" / "grid.jsonl"
    put(other, minute_long(0.1))
    command = ["sweep", "grid", "--file", str(other), "--jobs", "1", "--minutes", "1"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "grid: 3 runs are missing so far, about 6 min" in said and "about 2.0 min" in said
    assert "no run was made: none is missing that would end within 1 min" in said
    assert len(read_records(other)) == 1
    assert main([*command[:4], "--minutes", "100"]) == 0
    assert main([*command[:4], "--minutes", "100"]) == 0  # and again, with all of them there
    said = capsys.readouterr().out
    assert "no run was made" not in said and said.endswith("grid: nothing is missing\n")
    for bad in ("0", "-1", "nan"):
        assert main([*command[:-1], bad]) == 2
        assert "--minutes must be positive" in capsys.readouterr().err


def test_a_shorter_run_takes_the_time_that_a_longer_one_would_not_fit_in(at_once, tmp_path):
    long = trial(0.3, config=replace(CONFIG, epochs=50))
    both = Sweep("both", "", lambda size, records: [long, trial(0.2)])
    path = tmp_path / "both.jsonl"
    put(path, minute_long(0.1))
    made = [record["id"] for record, *_ in run_sweep(both, path=path, minutes=5)]
    assert made == [trial(0.2).id]
    assert [t.id for t, _ in to_do(both, path=path)[0]] == [long.id]
    assert 5 * 60 < to_do(both, path=path)[0][0][1] < 50 * 60


def test_nothing_is_begun_that_could_not_be_paired(at_once, tmp_path, capsys, monkeypatch):
    """Data that were begun on a GPU wait for one, and the others are run."""
    begun, free = trial(0.1), replace(trial(0.1), data="movielens-small", label="")
    sweep = Sweep(
        "grid", "", lambda size, records: [begun, free], begun_on=lambda _: {"synthetic": "a GPU"}
    )
    path = tmp_path / "grid.jsonl"
    monkeypatch.setitem(SWEEPS, "grid", sweep)
    command = ["sweep", "grid", "--file", str(path), "--jobs", "1"]
    assert main([*command, "--minutes", "10"]) == 0
    assert read_records(path).keys() == {free.id}
    assert to_do(sweep, path=path) == ([], {("synthetic", "a GPU"): 1})
    said = "nothing is missing that goes on here\ngrid: 1 run on synthetic is left to the kind"
    assert said in capsys.readouterr().out
    assert main([*command, "--only", "synthetic"]) == 0
    assert said in capsys.readouterr().out
    assert len(list(run_sweep(sweep, path=path, again=True, only="synthetic"))) == 1
    assert not any(to_do(sweep, path=path))


def test_a_limit_begins_nothing_unknown_that_could_not_be_stopped(at_once, tmp_path):
    """A fit in closed form has no epochs after which to look at the clock."""
    path = tmp_path / "fits.jsonl"
    config = bsl.TrainConfig()
    fits = [Trial(data, NO_LOSS, {}, config, "popularity") for data in ("synthetic", "ml-1m")]
    sweep = Sweep("fits", "", lambda size, records: fits)
    assert list(run_sweep(sweep, path=path, minutes=60)) == []
    put(path, [quick(fits[0]) | {"seconds": 60.0}])
    assert list(run_sweep(sweep, path=path, minutes=60)) == []  # nothing is known on other data
    assert len(list(run_sweep(sweep, path=path, minutes=60, again=True))) == 1
    assert len(list(run_sweep(sweep, path=path))) == 1


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_that_is_late_is_stopped_and_not_recorded(jobs, tmp_path):
    path, seconds = tmp_path / "grid.jsonl", 3 if jobs == 1 else 20
    endless = trial(config=replace(CONFIG, epochs=10**6, patience=None))
    sweep = Sweep("late", "", lambda size, records: [endless, trial(0.3)])
    start = time.monotonic()
    made = list(run_sweep(sweep, path=path, minutes=seconds / 60, jobs=jobs))
    assert seconds - 1 < time.monotonic() - start < seconds + 10
    assert [record["id"] for record, *_ in made] == ([] if jobs == 1 else [trial(0.3).id])
    assert set(read_records(path)) == {record["id"] for record, *_ in made}


def test_a_whole_epoch_is_not_waited_for(monkeypatch):
    """One that would take a minute is stopped within seconds."""
    slow = trial(config=replace(CONFIG, batch_size=1, epochs=1))
    start = time.monotonic()
    with pytest.raises(Late, match="softmax tau=0.2 was not through in time"):
        perform(slow, within=1)
    assert time.monotonic() - start < 10


def test_costs_are_those_of_the_runs_that_are_most_alike():
    def record(seconds, hardware="AMD EPYC, 2 cores", **changes):
        made = trial(**changes)
        took = {"history": [{}] * 2, "seconds": seconds, "hardware": hardware}
        return made.settings | took

    noisy = trial(0.7, config=replace(CONFIG, negative_noise=3.0))
    many = trial(config=replace(CONFIG, n_negatives=128))
    costs = Costs([record(10.0), record(1.0, hardware="NVIDIA H200")], "CPU")
    assert costs.of(trial(0.9)) == costs.of(noisy) == costs.of(many) == 10.0
    costs.add(record(40.0, config=noisy.config))
    assert costs.of(noisy) == 40.0 and costs.of(trial(0.9)) == 10.0
    assert Costs([record(10.0)], "NVIDIA H100").of(trial()) == 10.0  # better than nothing
    assert costs.of(trial(config=replace(CONFIG, epochs=20))) == 100.0
    costs.add(record(10.0) | {"history": []})  # it diverged, and tells nothing
    assert costs.of(trial(0.9)) == 10.0


def test_a_sweep_that_wants_users_runs_again_what_lacks_them(at_once, tmp_path):
    path = tmp_path / "grid.jsonl"
    list(run_sweep(GRID, path=path))
    plan = GRID.plan
    with_users = replace(GRID, plan=lambda *now: [replace(t, users=True) for t in plan(*now)])
    assert all(record is None for _, record in status(with_users, path=path))
    assert len(to_do(with_users, path=path)[0]) == 6


@pytest.mark.parametrize("again", [False, True])
def test_what_lacks_users_runs_again_in_the_same_pass(again, monkeypatch, tmp_path):
    """As where a trial of the tuning turns out to be a final run, too."""

    def perform(trial, **options):
        return quick(trial) | ({"users": True} if trial.users else {})

    def plan(size, records):
        trials = list(grid(size, {}))
        is_final = all(t.id in records for t in trials)
        return [replace(t, users=is_final and k == 0) for k, t in enumerate(trials)]

    monkeypatch.setattr("bslutils.experiments.runner.perform", perform)
    made = [
        r for r, *_ in run_sweep(Sweep("grid", "a test", plan), path=tmp_path / "g", again=again)
    ]
    assert ["users" in record for record in made] == [False] * (len(made) - 1) + [True]
    assert made[-1]["id"] == made[0]["id"]


def test_every_record_says_which_trial_it_is_of():
    known = known_records(path_of(""))
    for id, record in list(known.items())[::40]:
        assert Trial.of(record).id == id
    record = next(record for record in known.values() if record["loss"] != NO_LOSS)
    with pytest.raises(ValueError, match="is a record of other code or other data"):
        Trial.of(record | {"loss": "bpr", "params": {"tau": 0.2}})
    with pytest.raises(ValueError, match="not a record: KeyError"):
        Trial.of({"data": "synthetic"})


def test_a_run_is_repeated_from_its_id(tmp_path, monkeypatch, capsys):
    record = perform(trial())
    path = tmp_path / "grid.jsonl"
    put(path, [record])
    monkeypatch.setattr("bslutils.experiments.records.FOLDER", tmp_path)
    found = repeat(record["id"])
    assert found.equal and found.same_device and found.change("recall@20") == 0
    changed = found._replace(record=record | {"hardware": "NVIDIA H200"})
    assert not changed.same_device and changed.equal
    other = record | {"test": record["test"] | {"ndcg@20": 2 * record["test"]["ndcg@20"]}}
    assert found._replace(record=other).change("ndcg@20") == pytest.approx(-0.5)
    assert not found._replace(record=other).equal
    with pytest.raises(ValueError, match="no record has the id 'nothing'"):
        repeat("nothing")
    assert main(["results", "repeat", "--random", "1"]) == 0
    assert "equal to the digit" in capsys.readouterr().out
    for bad in (["--random", "2"], []):
        assert main(["results", "repeat", *bad]) == 2


def test_one_program_at_a_time(at_once, tmp_path):
    path = tmp_path / "grid.jsonl"
    held = pytest.raises(ValueError, match="another program is adding to .*grid.jsonl")
    with writer(path), held:
        next(run_sweep(GRID, path=path))
    assert len(list(run_sweep(GRID, path=path))) == 6


def test_a_full_disk_leaves_the_file_as_it_was(at_once, tmp_path, monkeypatch):
    path = tmp_path / "grid.jsonl"
    next(run_sweep(GRID, path=path))
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bslutils.atomic.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        next(run_sweep(GRID, path=path))
    assert path.read_bytes() == before
    monkeypatch.undo()


def test_corrupt_lines_are_named_and_the_rest_is_used(at_once, tmp_path):
    path = tmp_path / "grid.jsonl"
    list(run_sweep(GRID, path=path))
    lines = path.read_text(encoding="utf-8").splitlines()
    forged = content_of(lines[3]) | {"loss": "bpr"}
    path.write_text(
        "\n".join([lines[0], lines[1][:50], lines[2], line_of(forged), lines[4]]),
        encoding="utf-8",
    )
    with pytest.warns(UserWarning) as caught:
        records = read_records(path)
    assert [str(w.message).partition(" of ")[0] for w in caught] == ["line 2", "line 4"]
    assert list(records) == [json.loads(lines[n])["id"] for n in (0, 2, 4)]
    with pytest.warns(UserWarning), writer(path) as file:  # the last line has no end
        file.append(content_of(lines[5]))
        assert len(read_records(path)) == 4


def test_records_of_other_code_or_data_are_kept_apart(at_once, tmp_path, monkeypatch):
    path = tmp_path / "grid.jsonl"
    list(run_sweep(GRID, path=path))
    for module in (trial_module, record_line):
        monkeypatch.setattr(module, "CODE", 99)
    assert read_records(path) == {} and len(outdated(path)) == 6
    assert len(list(run_sweep(GRID, path=path))) == 6
    assert len(read_records(path)) == 6 and len(outdated(path)) == 6
    monkeypatch.setitem(HASHES, "synthetic", "0" * 64)
    assert read_records(path) == {} and len(outdated(path)) == 12


def test_merge(at_once, tmp_path):
    here, there = tmp_path / "here" / "grid.jsonl", tmp_path / "there" / "grid.jsonl"
    next(run_sweep(GRID, path=here))
    list(run_sweep(GRID, path=there))
    assert merge(here, [there]) == (5, [])
    assert read_records(here) == read_records(there)
    other = next(iter(read_records(there).values()))
    other["test"] = {"recall@20": 0.0}
    with writer(there) as file:
        file.append(other)
    before = here.read_bytes()
    assert merge(here, [there]) == (0, [other["id"]])
    assert here.read_bytes() == before
    with pytest.raises(ValueError, match="there is no file .*nowhere"):
        merge(here, [tmp_path / "nowhere"])


def test_merge_takes_the_users_of_an_equal_run(at_once, tmp_path):
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    record, *_ = next(run_sweep(GRID, path=here))
    with writer(there) as file:
        file.append(record | {"users": {"ndcg@20": "packed"}})
    assert merge(here, [there]) == (1, [])
    assert read_records(here)[record["id"]]["users"] == {"ndcg@20": "packed"}
    assert merge(here, [there]) == (0, [])
    with writer(there) as file:  # the same without them adds nothing, and takes nothing away
        file.append(record)
    assert merge(here, [there]) == (0, [])


def test_bad_sweeps_name_what_is_wrong(at_once, tmp_path):
    path = tmp_path / "grid.jsonl"
    with pytest.raises(ValueError, match="unknown sweep 'fair'; choose one of reference"):
        sweep("fair")
    with pytest.raises(ValueError, match="size must be one of small, full, got 'huge'"):
        next(run_sweep(GRID, size="huge", path=path))
    with pytest.raises(ValueError, match="jobs must be at least 1, got 0"):
        next(run_sweep(GRID, jobs=0, path=path))
    with pytest.raises(ValueError, match="no trial of grid has 'bpr' in its label"):
        next(run_sweep(GRID, only="bpr", path=path))


@pytest.mark.parametrize("name", SWEEPS)
@pytest.mark.parametrize("size", ["small", "full"])
def test_every_sweep_can_be_planned(name, size):
    assert SWEEPS[name].name == name
    trials = SWEEPS[name].trials(size, records={})
    assert trials and len({t.label for t in trials} | {t.id for t in trials}) >= len(trials)


@pytest.mark.parametrize("name", SWEEPS)
def test_the_records_in_the_repository_are_sound(name):
    path = path_of(name)
    if not path.exists():
        pytest.fail(f"{path} is missing: a sweep of the book has no record at all")
    records = read_records(path)  # a bad line would warn, and a warning fails
    for record in records.values():
        assert record["history"] or record["stopped"].startswith("diverged")


def test_the_command_line(at_once, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SWEEPS, "grid", GRID)
    path = str(tmp_path / "grid.jsonl")
    assert main(["results", "status", "grid", "--file", path]) == 0
    assert capsys.readouterr().out.count("missing") == 4
    assert main(["sweep", "grid", "--file", path, "--jobs", "1"]) == 0
    assert "6 of 6, 0 min left" in capsys.readouterr().out
    assert main(["sweep", "grid", "--file", path, "--jobs", "1"]) == 0
    assert "grid: nothing is missing" in capsys.readouterr().out
    assert main(["results", "status", "grid", "--file", path]) == 0
    said = capsys.readouterr().out
    assert "Recall@20 0.6000" in said and "2 cores: 0.0 h of runs" in said
    table = said.strip().splitlines()[-4:-2]
    assert table[0].split() == ["clean"] and table[1].split()[-2:] == ["softmax", "6/6"]
    other = str(tmp_path / "other.jsonl")
    assert main(["results", "merge", "grid", path, "--file", other]) == 0
    assert "6 added" in capsys.readouterr().out
    assert main(["results", "status"]) == 0
    assert "reference" in capsys.readouterr().out
    assert main(["sweep", "nothing"]) == 2
    assert "unknown sweep 'nothing'" in capsys.readouterr().err


def test_a_run_beside_the_logs_is_found_by_its_label():
    trials = list(reference("small", {}))
    records = {trial.id: {"place": k} for k, trial in enumerate(trials)}
    assert len(records) == len({trial.label for trial in trials})
    for k, trial in enumerate(trials):
        assert named(trial.label, records)["place"] == k
    with pytest.raises(ValueError, match="one run must be called 'SL', got 0"):
        named("SL", records)
    with pytest.raises(MissingRun, match="a run is missing: yelp2018/paper/MF/SL"):
        named("yelp2018/paper/MF/SL", {})


def test_every_log_that_test_chose_from_has_a_run_closer_to_it():
    trials = {trial.label: trial for trial in reference("small", {})}
    for data, backbone in product(("yelp2018", "gowalla", "ml-1m"), ("MF", "LightGCN")):
        plain, long = (trials[f"{data}/paper/{backbone}/SL{how}"] for how in ("", " long"))
        assert plain.params == long.params and plain.model == long.model
        assert long.config.schedule == "constant" and long.config.epochs > plain.config.epochs
        drawn = long.config.sampler != "in-batch"
        assert long.config.n_lists == (64 if drawn else 1)


@pytest.mark.parametrize("change", [{"accumulate": 2}, {"sampler": "in-batch", "log_q": True}])
def test_newer_settings_are_part_of_a_trial_where_they_are_used_alone(change):
    [name] = set(change) - {"sampler"}
    other = trial(config=replace(CONFIG, **change))
    assert name not in trial().settings["config"] and name in other.settings["config"]
    read = Trial.of({"id": other.id, "label": "", **other.settings})
    assert getattr(read.config, name) == change[name] and other.id != trial().id


@pytest.mark.parametrize("name", SWEEPS)
def test_a_page_and_a_sweep_want_the_same_runs(name):
    """Also where a trial is recorded in two files, with numbers that differ a little."""
    everything, sweep = known_records(path_of("")), SWEEPS[name]
    wanted = [trial.id for trial, _ in status(sweep, size="full")]
    assert [trial.id for trial in sweep.trials("full", everything)] == wanted
