"""Runs on disk: the same to the bit, whole or not at all, and never another's folder."""

import hashlib
import json
import os
import random
import re
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import bslutils as bsl
from bslutils import TrainConfig, load_run, save_run
from bslutils.losses import LOSSES, VECTOR_LOSSES, loss_parameters, make_loss
from bslutils.models import MODELS, make_model, model_parameters

safetensors = pytest.importorskip("safetensors")

CONFIG = TrainConfig(epochs=2, n_negatives=64, lr=0.01, seed=3, metric="ndcg@10", progress=False)
OTHERS = {
    "dim": 8, "score": "dot", "rank_score": "cosine", "n_layers": 3, "user_dropout": 0.25,
    "message_dropout": 0.25, "alpha": 0.75, "beta": 0.25, "gamma": 0.5, "weight": 0.125,
    "eps": 0.5, "temperature": 0.75, "contrast_layer": 2, "seed": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(synthetic):
    model = make_model("MF", synthetic, dim=8, user_dropout=0.25, seed=1)
    return bsl.fit(model, synthetic, make_loss("softmax", tau=0.2), CONFIG)


def same(ours, theirs):
    ours, theirs = ours.state_dict(), theirs.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.dtype == theirs[name].dtype and torch.equal(value, theirs[name]), name


def test_a_run_comes_back_to_the_bit(run, synthetic, tmp_path):
    folder = save_run(run, tmp_path / "mine")
    for data in (None, synthetic):
        again = load_run(folder, data)
        same(run.model, again.model)
        assert again.record() == run.record() and again.best == run.best
        assert str(again.loss) == str(run.loss) and not again.model.training
        assert bsl.evaluate(again.model, synthetic) == bsl.evaluate(run.model, synthetic)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "mine", "run.json", "weights.safetensors"
    ]  # fmt: skip
    told = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert told["versions"]["bslutils"] == bsl.__version__
    of_data = {"name": "synthetic", "hash": synthetic.hash, "protocol": "honest"}
    assert told["data"] == of_data | {"numbering": synthetic.numbering}
    more = bsl.fit(again.model, synthetic, again.loss, again.config)  # and can be trained on
    assert len(more.history) == 2


@pytest.mark.parametrize("name", MODELS)
def test_every_model_with_settings_of_its_own(name, synthetic, tmp_path):
    settings = {key: OTHERS[key] for key in model_parameters(name)}
    model = make_model(name, synthetic, **settings)
    run = bsl.Run(model, CONFIG, {"name": "s", "hash": synthetic.hash, "protocol": "honest"})
    again = load_run(save_run(run, tmp_path / "run"), synthetic)
    same(model, again.model)
    assert str(model) == str(again.model) and again.loss is None
    for key, value in settings.items():
        if key not in {"dim", "seed"}:
            assert getattr(again.model, key) == value, key
    for ours, theirs in zip(model.embed(), again.model.embed(), strict=True):
        assert torch.equal(ours, theirs)
    if name != "MF":
        with pytest.raises(ValueError, match=f"{re.escape(name)} is a model on a graph"):
            load_run(tmp_path / "run")


@pytest.mark.parametrize("name", LOSSES | VECTOR_LOSSES)
def test_every_loss(name, run, tmp_path):
    good = {"n_items": 100, "k": 10, "order": 2.0, "pos_in_denominator": True}
    params = {key: good.get(key, 0.25) for key in loss_parameters(name)}
    loss = make_loss(name, **params)
    again = load_run(save_run(replace(run, loss=loss), tmp_path / "run")).loss
    assert str(again) == str(loss) and again.params == loss.params


def test_a_reduction_and_a_temperature_that_is_a_tensor(run, tmp_path):
    loss = bsl.losses.SoftmaxLoss(tau=0.2, reduction="sum")
    assert load_run(save_run(replace(run, loss=loss), tmp_path / "a")).loss.params == loss.params
    tau = torch.nn.Parameter(torch.tensor(0.123456789))
    loss = bsl.losses.SoftmaxLoss(tau=tau)
    again = load_run(save_run(replace(run, loss=loss), tmp_path / "b")).loss
    assert torch.equal(again.params["tau"], tau) and again.params["tau"].requires_grad


class Own(torch.nn.Module):
    """A loss that is not of this package, with a weight of its own."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, pos, neg, pos_mask=None, neg_mask=None):
        return self.scale * (neg.mean() - pos.mean())


class OwnModel(bsl.models.MatrixFactorization):
    """A model that is not of this package."""


def test_models_and_losses_of_ones_own(synthetic, tmp_path):
    model, loss = OwnModel(500, 800, dim=4), Own()
    with torch.no_grad():
        loss.scale.fill_(0.7)
    run = bsl.Run(model, CONFIG, {"name": "s", "hash": "h", "protocol": "honest"}, loss=loss)
    folder = save_run(run, tmp_path / "run")
    with pytest.raises(ValueError, match="holds a model that bslutils cannot make: give model="):
        load_run(folder)
    again = load_run(folder, model=OwnModel(500, 800, dim=4, seed=9), loss=Own())
    same(model, again.model)
    same(loss, again.loss)
    assert load_run(folder, model=OwnModel(500, 800, dim=4)).loss is None
    with pytest.raises(ValueError, match="do not fit the model: .*500, 4.* for .*500, 5"):
        load_run(folder, model=OwnModel(500, 800, dim=5))
    with pytest.raises(ValueError, match="do not fit the loss"):
        load_run(folder, model=model, loss=make_loss("bpr"))


def test_a_model_of_another_type_of_number(run, synthetic, tmp_path):
    model = make_model("LightGCN", synthetic, dim=4).double()
    folder = save_run(replace(run, model=model), tmp_path / "run")
    again = load_run(folder, synthetic).model
    same(model, again)
    assert torch.equal(model.embed()[0], again.embed()[0])


def test_other_data_are_refused(run, synthetic, movielens, tmp_path):
    folder = save_run(run, tmp_path / "run")
    with pytest.raises(ValueError, match="trained on synthetic with the hash .* movielens-small"):
        load_run(folder, movielens)
    with pytest.raises(ValueError, match="data must be Interactions"):
        load_run(folder, 3)


def test_a_device_that_is_not_here(run, tmp_path):
    folder = save_run(run, tmp_path / "run")
    told = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    told["config"]["device"] = "cuda:99"
    (folder / "run.json").write_text(json.dumps(told), encoding="utf-8")
    assert load_run(folder).config.device == "cpu"


def test_nothing_is_replaced_unasked(run, tmp_path):
    folder = save_run(run, tmp_path / "run")
    before = (folder / "run.json").read_bytes()
    with pytest.raises(ValueError, match="is there already; overwrite=True replaces a run"):
        save_run(replace(run, stopped="other"), folder)
    assert (folder / "run.json").read_bytes() == before
    save_run(replace(run, stopped="other"), folder, overwrite=True)
    assert load_run(folder).stopped == "other"
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(folder)
    for name in ("run", "file", "empty", "link"):
        with pytest.raises(ValueError, match="not the folder of a run, and is not replaced"):
            save_run(run, tmp_path / name, overwrite=True)
    assert (folder / "notes.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "link", "run"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_that_cannot_be_written_leaves_nothing(run, tmp_path, monkeypatch, overwrite):
    folder = tmp_path / "run"
    if overwrite:
        save_run(run, folder)

    def full(file):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        save_run(replace(run, stopped="other"), folder, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ["run"] * overwrite
    assert not overwrite or load_run(folder).stopped == "epochs"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"run": 3}, "run must be what fit gives, got 3"),
        ({"folder": 3}, "folder must be a path, got 3"),
        ({"folder": ""}, "folder must be a path, got ''"),
        ({"folder": "a\0b"}, "folder must be a path"),
        ({"overwrite": "no"}, "overwrite must be True or False, got 'no'"),
        ({"folder": "no/run"}, "folder: the folder .*no does not exist"),
    ],
)
def test_bad_arguments(run, tmp_path, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        save_run(**{"run": run, "folder": "run"} | given)
    assert list(tmp_path.iterdir()) == []


def changed(told, **changes):
    return json.dumps({**told, **changes}).encode()


def test_hostile_and_damaged_folders(run, tmp_path):
    folder = save_run(run, tmp_path / "run")
    settings, weights = (folder / "run.json"), (folder / "weights.safetensors")
    text, content = settings.read_bytes(), weights.read_bytes()
    told = json.loads(text)
    model, config = told["model"], told["config"]
    bad = [
        b"", b"{", b"[]", b"null", b"3", b"\xff\xfe", b'{"a":' * 50_000 + b"1", text[:-9], b"{}",
        b"9" * 5000,
        changed(told, format=2),
        changed(told, weights="0" * 64),
        changed(told, config=config | {"epochs": 0}),
        changed(told, config=config | {"other": 0}),
        changed(told, config=[1]),
        changed(told, best_epoch=9),
        changed(told, best_epoch=True),
        changed(told, history="x"),
        changed(told, history=[1, 2]),
        changed(told, data=None),
        changed(told, data={"name": 1}),
        changed(told, model="MF"),
        changed(told, model=model | {"name": "os.system"}),
        changed(told, model=model | {"name": ["MF"]}),
        changed(told, model=model | {"dim": 2**31 - 1}),
        changed(told, model=model | {"n_users": 10**9}),
        changed(told, model=model | {"score": "l2"}),
        changed(told, model=model | {"x": 1}),
        changed(told, model={"name": "MF"}),
        changed(told, model={}),
        changed(told, loss="bpr"),
        changed(told, loss={"name": "softmax", "params": {"tau": -1}, "learned": []}),
        changed(told, loss={"name": "softmax", "params": {"tau": 1}, "learned": ["x"]}),
        changed(told, loss={"name": "softmax", "params": [], "learned": []}),
        changed(told, loss={"name": "softmax"}),
        *(json.dumps({k: v for k, v in told.items() if k != key}).encode()
          for key in told.keys() - {"versions"}),
    ]  # fmt: skip
    for number, wrong in enumerate(bad):
        settings.write_bytes(wrong)
        with pytest.raises(ValueError, match="run") as caught:
            load_run(folder)
        assert str(folder) in str(caught.value), (number, caught.value)
    rng = random.Random(0)
    settings.write_bytes(text)
    for _ in range(100):  # a bit, a cut, a piece more
        torn = bytearray(content)
        torn[rng.randrange(len(torn))] ^= 1 << rng.randrange(8)
        for wrong in (bytes(torn), content[: rng.randrange(len(content))], content + b"x"):
            weights.write_bytes(wrong)
            with pytest.raises(ValueError, match="weights are not those that were saved"):
                load_run(folder)
    # even where the one who wrote it has made the hash fit
    for wrong in (b"", b"x", b"\xff" * 64, content[:99], content[:8] + b"}" + content[9:]):
        weights.write_bytes(wrong)
        settings.write_bytes(changed(told, weights=hashlib.sha256(wrong).hexdigest()))
        with pytest.raises(ValueError, match="not the folder of a run, or damaged"):
            load_run(folder)
    other = safetensors.torch.save({"model.user_table": torch.zeros(500, 8)})
    weights.write_bytes(other)
    settings.write_bytes(changed(told, weights=hashlib.sha256(other).hexdigest()))
    with pytest.raises(ValueError, match=r"holds no model that can be made: 'model.item_table'"):
        load_run(folder)


def test_what_is_not_there(run, tmp_path):
    for name in ("none", "none/none"):
        with pytest.raises(ValueError, match=r"none is not the folder of a run: run.json cannot"):
            load_run(tmp_path / name)
    folder = save_run(run, tmp_path / "run")
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ValueError, match=r"run is not the folder .* weights.safetensors cannot"):
        load_run(folder)
    (folder / "weights.safetensors").mkdir()
    with pytest.raises(ValueError, match="weights.safetensors cannot be read"):
        load_run(folder)
    with (folder / "run.json").open("ab") as file:
        file.truncate(2**27)
    with pytest.raises(ValueError, match="larger than 67,108,864 bytes"):
        load_run(folder)
    with pytest.raises(ValueError, match="folder must be a path"):
        load_run(np.zeros(1))


def places(value, place=()):
    """Where something is, in settings."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inside:
        yield (*place, key)
        if isinstance(part, dict | list):
            yield from places(part, (*place, key))


JUNK = (
    None,
    True,
    -1,
    3,
    1e308,
    10**30,
    "x",
    "",
    [],
    {},
    [1],
    {"a": 1},
    "\ud800",
    [[1]],
    "9" * 999,
)


def spoilt(rng, text):
    """Settings of which a byte is another, or an entry is missing or of another kind."""
    if rng.random() < 0.3:
        content = bytearray(text)
        content[rng.randrange(len(content))] = rng.randrange(256)
        return bytes(content)
    told = json.loads(text)
    *way, last = rng.choice(list(places(told)))
    inside = told
    for key in way:
        inside = inside[key]
    if rng.random() < 0.2:
        del inside[last]
    else:
        inside[last] = rng.choice(JUNK)
    return json.dumps(told).encode()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_many_spoilt_settings(run, tmp_path):
    folder, outcomes = save_run(run, tmp_path / "run"), {"refused": 0, "read": 0}
    settings = folder / "run.json"
    text = settings.read_bytes()
    for number in range(4000):
        rng = random.Random(number)
        settings.write_bytes(spoilt(rng, text))
        start = time.perf_counter()
        try:
            load_run(folder)
            outcomes["read"] += 1
        except ValueError as error:
            assert str(folder) in str(error), (number, error)
            outcomes["refused"] += 1
        assert time.perf_counter() - start < 5
    assert outcomes["refused"] > 2500 and outcomes["read"] > 200
