"""Places that are not as one thinks: read-only, a clock set back, a locale without letters."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import bslutils as bsl
from bslutils import store
from bslutils.cli import main
from bslutils.experiments import Sweep, Trial, read_records, run_sweep
from bslutils.losses import SoftmaxLoss

ROOT = Path(__file__).parent.parent
# Nobody makes a file there, root neither.
READ_ONLY = next(filter(Path.is_dir, map(Path, ("/sys/kernel", "/proc"))), None)
PERFORM = sys.modules["bslutils.experiments.perform"]
TRAIN = ["train", "--data", "synthetic", "--loss", "softmax", "--tau", "0.2", "--epochs", "2"]
CONFIG = bsl.TrainConfig(epochs=2, n_negatives=16, progress=False)

read_only = pytest.mark.skipif(READ_ONLY is None, reason="no folder that nobody can write to")


@pytest.fixture
def not_trained(monkeypatch):
    def backward(*_, **__):
        raise AssertionError("trained first")

    monkeypatch.setattr(torch.Tensor, "backward", backward)


@read_only
@pytest.mark.parametrize(
    ("command", "option", "name"),
    [
        (TRAIN, "--out", "runs.jsonl"),
        (TRAIN, "--save", "run"),
        (TRAIN, "--checkpoint", "kept"),
        (TRAIN, "--checkpoint", ""),
        (["check", "my_loss.py:good"], "--out", "page.html"),
        (["sweep", "reference"], "--file", "reference.jsonl"),
        (["results", "merge", "reference", "a.jsonl"], "--file", "b.jsonl"),
    ],
)
def test_a_read_only_folder_is_told_before_anything_is_done(
    tmp_path, monkeypatch, capsys, not_trained, command, option, name
):
    monkeypatch.chdir(tmp_path)
    Path("my_loss.py").write_text(
        "good = lambda pos, neg: (neg.mean(1) - pos).mean()\n", encoding="utf-8"
    )
    Path("a.jsonl").write_text("", encoding="utf-8")
    assert main([*command, option, str(READ_ONLY / name)]) == 2
    printed = capsys.readouterr()
    assert str(READ_ONLY) in printed.err and not printed.out, printed
    assert not list(READ_ONLY.glob(f"*{name or 'checkpoint'}*"))


@read_only
def test_the_functions_tell_it_too(synthetic):
    model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=4)
    with pytest.raises(ValueError, match=f"checkpoint: the folder {READ_ONLY} cannot be written"):
        bsl.fit(model, synthetic, SoftmaxLoss(tau=0.2), CONFIG, checkpoint=READ_ONLY / "kept")
    run = bsl.fit(model, synthetic, SoftmaxLoss(tau=0.2), CONFIG)
    with pytest.raises(ValueError, match=f"folder: the folder {READ_ONLY} cannot be written to"):
        bsl.save_run(run, READ_ONLY / "run")


def plan(size, records):
    return [Trial("synthetic", "softmax", {"tau": tau}, CONFIG) for tau in (0.1, 0.2, 0.3)]


class Backwards:
    """A clock that an hour is taken from whenever somebody looks."""

    def __init__(self):
        self.now = time.time()

    def time(self):
        self.now -= 3600
        return self.now

    def date(self, zone):
        return datetime.fromtimestamp(self.time(), zone)


def test_a_clock_that_is_set_back_changes_no_record(tmp_path, monkeypatch):
    """Nor does a file that was written in what is now the future hide what is added to it."""
    sweep, results = Sweep("grid", "a test", plan), {}
    for name in ("right", "back"):
        path = tmp_path / name / "grid.jsonl"
        if name == "back":
            clock = Backwards()
            monkeypatch.setattr(time, "time", clock.time)
            dates = SimpleNamespace(now=clock.date)
            monkeypatch.setattr(PERFORM, "datetime", SimpleNamespace(datetime=dates, UTC=UTC))
        for expected in (1, 2, 3):
            for _ in run_sweep(sweep, path=path, minutes=60):
                break  # stopped, and begun again
            assert len(read_records(path)) == expected
            ahead = time.time() + 1e6 - 1e5 * expected
            os.utime(path, (ahead, ahead))
        results[name] = {id: record["test"] for id, record in read_records(path).items()}
    assert results["right"] == results["back"]
    assert main(["results", "status"]) == 0


class Stop(Exception):
    pass


def test_a_clock_that_is_set_back_loses_no_checkpoint(synthetic, tmp_path):
    """What is kept looks as if it were of next week, and then as if of the week before."""
    folder, config = tmp_path / "kept", replace(CONFIG, epochs=5)

    def train(folder=None, stop_after=None):
        def watch(epoch, model):
            if epoch == stop_after:
                raise Stop

        model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=4)
        loss = SoftmaxLoss(tau=0.2)
        return bsl.fit(model, synthetic, loss, config, on_epoch=watch, checkpoint=folder)

    for epoch, days in ((2, 7), (3, -7), (4, 7)):
        with pytest.raises(Stop):
            train(folder, epoch)
        for path in folder.iterdir():
            moment = time.time() + 86400 * days
            os.utime(path, (moment, moment))
    ours, theirs = train(folder).model.state_dict(), train().model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_is_in_use_is_not_taken_for_old(tmp_path, monkeypatch):
    """The trained models of the pages: those of other versions are of next year."""
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    store._shelf.cache_clear()
    try:
        for number in range(3):
            other = tmp_path / f"other-{number}"
            other.mkdir()
            later = time.time() + 3e7 + number
            os.utime(other, (later, later))
        shelf = store._shelf()
    finally:
        store._shelf.cache_clear()
    assert {path.name for path in tmp_path.iterdir()} == {shelf.name, "other-2"}


PROGRAM = """
import sys, bslutils as bsl
from bslutils.cli import main
table, run, kept, out = sys.argv[1:]
data = bsl.load_files(table)
model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=4)
bsl.save_run(bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=0.2), bsl.TrainConfig(epochs=1)), run)
again = bsl.load_run(run, data)
assert "\\xe9va" in data.user_names
assert bsl.recommend(again.model, data, users="\\xe9va", k=1).items.shape == (1, 1)
train = ["train", "--data", table, "--loss", "softmax", "--tau", "0.2", "--epochs", "2"]
for command in ([*train, "--checkpoint", kept, "--out", out], ["results", "status"]):
    assert main(command) == 0
"""


@pytest.mark.slow
def test_a_locale_without_letters_and_paths_with_all_of_them(tmp_path):
    folder = tmp_path / "with blanks, ü, 漢 and τ"
    folder.mkdir()
    rows = [f"{user}\t{item}" for user in ("éva", "bo", "漢字") for item in range(30)]
    table = folder / "wer wählt was.tsv"
    table.write_text("\n".join(["user\titem", *rows]), encoding="utf-8")
    places = [folder / name for name in ("möde l", "képt", "öut.jsonl")]
    environment = os.environ | {"LC_ALL": "C", "LANG": "C", "PYTHONPATH": str(ROOT)}
    environment |= {
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONWARNINGS": "error::EncodingWarning",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, table, *places], capture_output=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-1500:].decode()
    record = json.loads(places[-1].read_text(encoding="utf-8"))
    assert record["data"]["name"] == "wer wählt was" and b"with blanks" in os.fsencode(places[0])
    assert (places[0] / "weights.safetensors").exists() and any(places[1].iterdir())
