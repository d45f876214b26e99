"""A training that was stopped, in whatever way, goes on and ends with the same bits."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

import bslutils as bsl
from bslutils import TrainConfig
from bslutils.checkpoint import TOLD
from bslutils.cli import main
from bslutils.losses import make_loss
from bslutils.models import MODELS, make_model

pytest.importorskip("safetensors")

CONFIG = TrainConfig(epochs=4, n_negatives=64, lr=0.01, seed=3, metric="ndcg@10", progress=False)


class Stop(Exception):
    pass


def after(epoch):
    """Ends a training at the end of an epoch, as a machine that stops there would."""

    def look(now, model):
        if now == epoch:
            raise Stop

    return look


def fitted(data, config, model="MF", loss=("softmax", {"tau": 0.2}), **options):
    name, params = loss
    params = {
        k: torch.nn.Parameter(v.clone()) if torch.is_tensor(v) else v for k, v in params.items()
    }
    made = make_model(model, data, dim=8, seed=1)
    return bsl.fit(made, data, make_loss(name, **params), config, **options)


def same(ours, theirs):
    """All but the times, to the bit."""
    for a, b in ((ours.model, theirs.model), (ours.loss, theirs.loss)):
        a, b = a.state_dict(), b.state_dict()
        assert a.keys() == b.keys()
        assert all(torch.equal(value, b[name]) for name, value in a.items())
    told = [
        run.record() | {"history": [e | {"seconds": 0} for e in run.history]}
        for run in (ours, theirs)
    ]
    assert told[0] == told[1]


KINDS = {
    **{f"model {name}": {"model": name} for name in MODELS},
    "row-adam": {"optimizer": "row-adam"},
    "row-adam, cosine": {"optimizer": "row-adam", "schedule": "cosine", "weight_decay": 1e-4},
    "cosine": {"schedule": "cosine"},
    "a temperature that is learned": {"loss": ("softmax", {"tau": torch.tensor(0.3)})},
    "both, row by row": {"optimizer": "row-adam", "loss": ("softmax", {"tau": torch.tensor(0.3)})},
    "bilateral": {"loss": ("bilateral_softmax", {"tau_pos": 0.3, "tau_neg": 0.2}), "positives": 3},
    "independent": {"sampler": "independent", "n_negatives": 4},
    "in-batch": {"sampler": "in-batch", "log_q": True, "batch_size": 128},
    "full": {"sampler": "full"},
    "noise": {"negative_noise": 3.0},
    "without replacement": {"replacement": False},
    "accumulated": {"accumulate": 3, "batch_size": 128},
    "looked at every second epoch": {"eval_every": 2},
    "vectors": {"loss": ("direct_au", {"gamma": 0.5})},
    "adversarial": {"loss": ("advinfonce", {"tau": 0.2, "radius": 0.1})},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_with_the_same_bits(synthetic, tmp_path, kind):
    options = dict(KINDS[kind])
    of_run = {name: options.pop(name) for name in ("model", "loss") if name in options}
    config = replace(CONFIG, **options)
    whole = fitted(synthetic, config, **of_run)
    folder = tmp_path / "with blanks, ü and 漢"
    for epoch in (2, 4):  # epoch 1 is kept, then 2 and 3
        with pytest.raises(Stop):
            fitted(synthetic, config, **of_run, checkpoint=folder, on_epoch=after(epoch))
        told = json.loads((folder / TOLD).read_text(encoding="utf-8"))
        assert len(told["progress"]["history"]) == epoch - 1
    torch.rand(7)  # what else is drawn between does not matter
    again = fitted(synthetic, config, **of_run, checkpoint=folder)
    same(again, whole)
    assert len(list(folder.glob("*.safetensors"))) == 1  # bounded in number
    done = fitted(synthetic, config, **of_run, checkpoint=folder, on_epoch=after(1))
    same(done, whole)  # at once: no epoch was made


def test_it_stops_by_patience_as_it_would_have(synthetic, tmp_path):
    config = replace(CONFIG, epochs=30, patience=2, lr=0.3)
    whole = fitted(synthetic, config)
    assert whole.stopped == "patience" and 1 < len(whole.history) < 30
    for epoch in range(2, len(whole.history) + 1):
        with pytest.raises(Stop):
            fitted(synthetic, config, checkpoint=tmp_path / "kept", on_epoch=after(epoch))
    same(fitted(synthetic, config, checkpoint=tmp_path / "kept"), whole)
    same(fitted(synthetic, config, checkpoint=tmp_path / "kept", on_epoch=after(1)), whole)


def test_the_best_epoch_is_kept_where_it_is_not_the_last(synthetic, tmp_path):
    config, loss = replace(CONFIG, epochs=11, patience=None, lr=0.3), ("softmax", {"tau": 0.1})
    whole = fitted(synthetic, config, loss=loss)
    assert whole.best_epoch < 10
    with pytest.raises(Stop):
        fitted(synthetic, config, loss=loss, checkpoint=tmp_path / "kept", on_epoch=after(11))
    again = fitted(synthetic, config, loss=loss, checkpoint=tmp_path / "kept")
    same(again, whole)
    assert again.best_epoch == whole.best_epoch


def test_an_interrupt_keeps_the_epochs_before(synthetic, tmp_path):
    def interrupt(now, model):
        if now == 3:
            raise KeyboardInterrupt

    run = fitted(synthetic, CONFIG, checkpoint=tmp_path / "kept", on_epoch=interrupt)
    assert run.stopped == "interrupted"
    same(fitted(synthetic, CONFIG, checkpoint=tmp_path / "kept"), fitted(synthetic, CONFIG))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.02}, "config lr is 0.01 there and 0.02 here"),
        ({"epochs": 5}, "config epochs is 4 there and 5 here"),
        ({"loss": ("softmax", {"tau": 0.3})}, "loss params tau is 0.2 there and 0.3 here"),
        ({"loss": ("bpr", {})}, "loss name is 'softmax' there and 'bpr' here"),
        ({"model": "LightGCN"}, "model name is 'MF' there and 'LightGCN' here"),
        ({"seed": 2}, "model first weights is"),
        ({"data": None}, "data name is 'synthetic' there and 'other' here"),
    ],
)
def test_another_training_is_refused(synthetic, tmp_path, change, message):
    with pytest.raises(Stop):
        fitted(synthetic, CONFIG, checkpoint=tmp_path / "kept", on_epoch=after(2))
    before = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    data = replace(synthetic, name="other") if "data" in change else synthetic
    config = {name: value for name, value in change.items() if name in ("lr", "epochs")}
    loss = make_loss(change["loss"][0], **change["loss"][1]) if "loss" in change else None
    model = make_model(change.get("model", "MF"), data, dim=8, seed=change.get("seed", 1))
    first = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=f"another training: {message}"):
        bsl.fit(
            model,
            data,
            loss or make_loss("softmax", tau=0.2),
            replace(CONFIG, **config),
            checkpoint=tmp_path / "kept",
        )
    assert all(torch.equal(value, first[name]) for name, value in model.state_dict().items())
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(synthetic, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years", encoding="utf-8")
    (tmp_path / "file").touch()
    for folder, message in (
        (tmp_path / "thesis", "holds thesis.tex, which is not of a checkpoint"),
        (tmp_path / "file", "is not a folder"),
        (tmp_path / "no" / "kept", "does not exist"),
        ("", "checkpoint must be a path"),
        (3, "checkpoint must be a path"),
        ("a\0b", "checkpoint must be a path"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted(synthetic, CONFIG, checkpoint=folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "thesis", "thesis.tex"]


@pytest.fixture(scope="module")
def kept(synthetic, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints") / "kept"
    with pytest.raises(Stop):
        fitted(synthetic, CONFIG, checkpoint=folder, on_epoch=after(3))
    return folder


def test_damage_is_told_and_nothing_changed(synthetic, kept, tmp_path):
    """One bit of either file, a file cut off or missing."""
    rng = random.Random(0)
    tensors = next(kept.glob("*.safetensors")).name
    for n in range(40):
        folder = tmp_path / str(n)
        shutil.copytree(kept, folder)
        path = folder / rng.choice([TOLD, tensors])
        content = bytearray(path.read_bytes())
        if n < 30:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        else:
            del content[rng.randrange(len(content)) :]
        path.write_bytes(content)
        try:
            found = json.loads((folder / TOLD).read_bytes())
        except ValueError:
            found = None
        if found == json.loads((kept / TOLD).read_bytes()) and path.name == TOLD:
            continue  # white space
        with pytest.raises(ValueError, match=r"is damaged: .*to begin anew, remove it"):
            fitted(synthetic, CONFIG, checkpoint=folder)
        assert path.read_bytes() == content
    shutil.copytree(kept, tmp_path / "missing")
    (tmp_path / "missing" / tensors).unlink()
    with pytest.raises(ValueError, match="is damaged"):
        fitted(synthetic, CONFIG, checkpoint=tmp_path / "missing")


@pytest.mark.parametrize(
    "name",
    ["../elsewhere", "../epoch-2.safetensors", "/tmp/epoch-2.safetensors", "run.json", 3, None],
)
def test_a_checkpoint_names_no_file_but_its_own(synthetic, kept, tmp_path, name):
    shutil.copytree(kept, tmp_path / "kept")
    told = json.loads((kept / TOLD).read_bytes()) | {"tensors": name}
    (tmp_path / "kept" / TOLD).write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ValueError, match="it names the file"):
        fitted(synthetic, CONFIG, checkpoint=tmp_path / "kept")


def test_another_version_is_warned_of(synthetic, kept, tmp_path, monkeypatch):
    shutil.copytree(kept, tmp_path / "kept")
    monkeypatch.setattr("bslutils.checkpoint.__version__", "99")
    with pytest.warns(UserWarning, match="need not end with the same digits"):
        run = fitted(synthetic, CONFIG, checkpoint=tmp_path / "kept")
    assert len(run.history) == 4


def test_two_programs_do_not_train_in_one_folder(synthetic, tmp_path):
    def another(now, model):
        with pytest.raises(ValueError, match="another program trains in"):
            fitted(synthetic, CONFIG, checkpoint=tmp_path / "kept")

    assert (
        len(fitted(synthetic, CONFIG, checkpoint=tmp_path / "kept", on_epoch=another).history) == 4
    )


def test_a_full_disk_is_told_and_leaves_the_checkpoint_before(
    synthetic, kept, tmp_path, monkeypatch
):
    shutil.copytree(kept, tmp_path / "kept")
    before = (tmp_path / "kept" / TOLD).read_bytes()

    def full(file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("bslutils.atomic.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            fitted(synthetic, CONFIG, checkpoint=tmp_path / "kept")
    assert (tmp_path / "kept" / TOLD).read_bytes() == before
    same(fitted(synthetic, CONFIG, checkpoint=tmp_path / "kept"), fitted(synthetic, CONFIG))


TRAIN = ["train", "--data", "synthetic", "--loss", "softmax", "--tau", "0.2", "--epochs", "4"]
TRAIN += ["--n-negatives", "64", "--patience", "None", "--no-progress"]


def test_the_command_goes_on(capsys, tmp_path, monkeypatch):
    assert main(TRAIN) == 0
    whole = capsys.readouterr().out.splitlines()
    from bslutils.train import Checkpoint

    write = Checkpoint.write

    def interrupted(self, epoch, *args):
        write(self, epoch, *args)
        if epoch == 2:
            raise KeyboardInterrupt

    command = [*TRAIN, "--checkpoint", str(tmp_path / "kept"), "--out", str(tmp_path / "runs")]
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "write", interrupted)
        assert main(command) == 130
    printed = capsys.readouterr()
    assert printed.out.startswith("epoch 2 is in") and printed.out.count("\n") == 1
    assert printed.err == "interrupted\n" and not (tmp_path / "runs").exists()
    assert main(command) == 0
    again = capsys.readouterr().out.splitlines()
    assert [line for line in again if "kept, " not in line] == [  # that line has seconds
        line for line in whole if "kept, " not in line
    ]
    assert main([*command, "--lr", "0.5"]) == 2
    assert "config lr is 0.001 there and 0.5 here" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("kills", [50])
def test_kill_at_any_moment(tmp_path, kills):
    """kill -9 and SIGTERM in turn, until it is through: the same weights and history."""
    code = """
import sys, bslutils as bsl
data = bsl.load("synthetic")
model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=64)
config = bsl.TrainConfig(epochs=60, n_negatives=64, lr=0.01, patience=None, progress=False,
                         optimizer="row-adam")
print("begun", flush=True)
run = bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=0.2), config, checkpoint=sys.argv[1])
bsl.save_run(run, sys.argv[1] + "-run")
print(run.history[-1]["seconds"])
"""
    command = [sys.executable, "-c", code]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    printed = subprocess.check_output([*command, tmp_path / "whole"], env=environment)
    took = float(printed.split()[-1])
    rng, stopped, seen = random.Random(kills), 0, 0
    while not (tmp_path / "kept-run").exists():
        program = subprocess.Popen(
            [*command, tmp_path / "kept"], stdout=subprocess.PIPE, env=environment
        )
        program.stdout.readline()
        if stopped < kills:
            time.sleep(rng.uniform(0, 1.5 * took / kills))
            program.send_signal(rng.choice([signal.SIGKILL, signal.SIGTERM]))
            stopped += program.wait() != 0
        else:
            assert program.wait() == 0
        program.stdout.close()
        if (tmp_path / "kept" / TOLD).exists():  # read as whole, and never less than before
            told = json.loads((tmp_path / "kept" / TOLD).read_bytes())
            assert seen <= len(told["progress"]["history"])
            seen = len(told["progress"]["history"])
    ours, theirs = (bsl.load_run(tmp_path / f"{name}-run") for name in ("kept", "whole"))
    same_weights = [torch.equal(a, b) for a, b in zip(
        ours.model.state_dict().values(), theirs.model.state_dict().values(), strict=True
    )]  # fmt: skip
    assert all(same_weights) and stopped == kills
    assert [e | {"seconds": 0} for e in ours.history] == [
        e | {"seconds": 0} for e in theirs.history
    ]
    left = {path.name for path in (tmp_path / "kept").iterdir()}
    assert left == {TOLD, ".lock", "epoch-60.safetensors"}
