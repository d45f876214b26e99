"""A model that is wanted twice is trained once, and never taken for another one."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

import bslutils as bsl
from bslutils import store
from bslutils.losses import BPRLoss, SoftmaxLoss

CONFIG = bsl.TrainConfig(epochs=3, lr=0.01, n_negatives=64, patience=None, progress=False)


@pytest.fixture(autouse=True)
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "FOLDER", tmp_path / "trained")
    store._shelf.cache_clear()
    yield tmp_path / "trained"
    store._shelf.cache_clear()


@pytest.fixture
def trained(monkeypatch):
    """What was really trained, as a list that grows."""
    calls = []

    def fit(model, data, loss, config):
        calls.append(config)
        return bsl.fit(model, data, loss, config)

    monkeypatch.setattr(store, "fit", fit)
    return calls


def model_of(data, **settings):
    return bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=8, **settings)


def test_the_second_of_two_equal_calls_reads_what_the_first_trained(synthetic, trained):
    first, again = (
        store.fit_once(model_of(synthetic), synthetic, SoftmaxLoss(tau=0.1), CONFIG)
        for _ in range(2)
    )
    plain = bsl.fit(model_of(synthetic), synthetic, SoftmaxLoss(tau=0.1), CONFIG)
    assert len(trained) == 1
    assert again.record() == first.record() and again.best == first.best != {}
    assert not again.model.training
    for name, weights in first.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weights)
    # On other threads sums are taken in another order.
    for key in ("loss", "ndcg@20"):
        expected = pytest.approx([entry[key] for entry in plain.history], rel=1e-2)
        assert [entry[key] for entry in again.history] == expected


class Doubled(SoftmaxLoss):
    """A loss of somebody's own, with the name of ours in its representation."""

    def forward(self, *args, **kwargs):
        return 2 * super().forward(*args, **kwargs)


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"seed": 1}},
        {"config": {"lr": 0.02}},
        {"config": {"epochs": 2}},
        {"config": {"patience": 2}},
        {"loss": SoftmaxLoss(tau=0.1 + 1e-12)},
        {"loss": SoftmaxLoss(tau=0.1, pos_in_denominator=True)},
        {"loss": BPRLoss()},
        {"model": {"seed": 1}},
        {"model": {"score": "dot"}},
        {"model": {"user_dropout": 0.1}},
        {"data": True},
    ],
    ids=str,
)
def test_whatever_decides_the_result_makes_another_model(synthetic, trained, change):
    data = synthetic.with_false_positives(0.1) if "data" in change else synthetic
    store.fit_once(model_of(synthetic), synthetic, SoftmaxLoss(tau=0.1), CONFIG)
    for _ in range(2):
        store.fit_once(
            model_of(synthetic, **change.get("model", {})),
            data,
            change.get("loss", SoftmaxLoss(tau=0.1)),
            replace(CONFIG, **change.get("config", {})),
        )
    assert len(trained) == 2


def test_a_bar_of_progress_does_not(synthetic, trained):
    for progress in (False, None):
        config = replace(CONFIG, progress=progress)
        store.fit_once(model_of(synthetic), synthetic, SoftmaxLoss(tau=0.1), config)
    assert len(trained) == 1


@pytest.mark.parametrize(
    "loss", [Doubled(tau=0.1), SoftmaxLoss(tau=nn.Parameter(torch.tensor(0.1)))], ids=repr
)
def test_what_is_not_known_through_and_through_is_trained_every_time(
    synthetic, trained, loss, shelf
):
    for _ in range(2):
        store.fit_once(model_of(synthetic), synthetic, loss, CONFIG)
    assert len(trained) == 2 and not shelf.exists()


def test_another_source_of_the_library_has_a_shelf_of_its_own_and_old_ones_go(
    synthetic, trained, shelf, tmp_path, monkeypatch
):
    package = tmp_path / "bslutils"
    (package / "verify").mkdir(parents=True)
    monkeypatch.setattr(store, "__file__", str(package / "store.py"))
    for text in ("a = 1", "a = 2", "a = 3", "a = 3"):
        (package / "train.py").write_text(text, encoding="utf-8")
        (package / "verify" / "claim.py").write_text(
            f"{text}{len(trained)}", encoding="utf-8"
        )  # no matter
        store._shelf.cache_clear()
        store.fit_once(model_of(synthetic), synthetic, SoftmaxLoss(tau=0.1), CONFIG)
    assert len(trained) == 3 and len(list(shelf.iterdir())) == store.VERSIONS_KEPT


def test_a_file_that_was_cut_off_is_trained_again(synthetic, trained, shelf):
    for share in (1.0, 0.0, 0.5):
        store.fit_once(model_of(synthetic), synthetic, SoftmaxLoss(tau=0.1), CONFIG)
        [path] = shelf.glob("*/*.pt")
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert len(trained) == 2
    store.fit_once(model_of(synthetic), synthetic, SoftmaxLoss(tau=0.1), CONFIG)
    assert len(trained) == 3
    assert not list(shelf.glob("*/*.[0-9]*"))  # nothing unfinished is left


def test_an_interrupted_training_is_not_kept(synthetic, monkeypatch, shelf):
    def interrupted(model, data, loss, config):
        run = bsl.fit(model, data, loss, config)
        run.stopped = "interrupted"
        return run

    monkeypatch.setattr(store, "fit", interrupted)
    store.fit_once(model_of(synthetic), synthetic, SoftmaxLoss(tau=0.1), CONFIG)
    assert not list(shelf.glob("*/*.pt"))


def test_one_thread_trains_and_the_others_come_back(synthetic, monkeypatch):
    seen, before = [], torch.get_num_threads()

    def fit(*args):
        seen.append(torch.get_num_threads())
        raise FloatingPointError

    monkeypatch.setattr(store, "fit", fit)
    torch.set_num_threads(2)
    try:
        with pytest.raises(FloatingPointError):
            store.fit_once(model_of(synthetic), synthetic, SoftmaxLoss(tau=0.1), CONFIG)
        assert seen == [1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


PROGRAM = """
import sys, pathlib, bslutils as bsl
from bslutils import store
store.FOLDER = pathlib.Path(sys.argv[1])
data = bsl.load("synthetic")
model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=8)
config = bsl.TrainConfig(epochs=5, n_negatives=64, patience=None, progress=False)
print("ready", flush=True)
sys.stdin.readline()
print(store.fit_once(model, data, bsl.losses.SoftmaxLoss(tau=0.1), config).history)
"""


def test_of_two_programs_that_want_a_model_at_once_one_waits(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    programs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert {program.stdout.readline() for program in programs} == {"ready\n"}
    for program in programs:
        program.stdin.write("\n")
        program.stdin.flush()
    first, second = (program.communicate()[0] for program in programs)
    assert first == second and "seconds" in first  # also to the microseconds that it took
