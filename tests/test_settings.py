"""Settings and arguments: by type and range, in Python's own types, refused in one form."""

import json
import math
from dataclasses import asdict, fields

import numpy as np
import pytest
import torch

import bslutils as bsl
from bslutils import TrainConfig, checks, cli
from bslutils.config import CHECKS
from bslutils.data import from_pairs
from bslutils.exposure import exposure
from bslutils.losses import LOSSES, loss_parameters, make_loss
from bslutils.models import MODELS, make_model, model_parameters

WHOLE = ("epochs", "batch_size", "positives", "n_negatives", "n_lists", "eval_every", "seed")
REAL = ("negative_noise", "lr", "weight_decay")
SWITCHES = ("pool_users", "replacement", "replay")
NO_NUMBER = ("1", None, True, np.bool_(True), [1], 1j, b"1", torch.tensor(True))


@pytest.fixture
def small():
    rng = np.random.default_rng(0)
    kind = rng.choice(3, size=(9, 30), p=[0.6, 0.3, 0.1])
    return from_pairs(np.argwhere(kind == 1), np.argwhere(kind == 2), n_users=9, n_items=30)


def refused(setting):
    (name, value), *_ = setting.items()
    with pytest.raises(ValueError, match=rf"^{name} must .*, got ") as caught:
        TrainConfig(**setting)
    assert len(str(caught.value)) < 250
    return value


def test_every_setting_has_a_check():
    assert list(CHECKS) == [field.name for field in fields(TrainConfig)]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_settings(name):
    for value in (*NO_NUMBER, 1.0, 1.5, math.nan, -1, 10**30, 10**5000, np.array(3), "x" * 9999):
        refused({name: value})
    for kind in (np.int64, np.int8, np.uint16):
        assert type(getattr(TrainConfig(**{name: kind(1)}), name)) is int


@pytest.mark.parametrize("name", REAL)
def test_real_settings(name):
    for value in (
        *NO_NUMBER,
        math.nan,
        math.inf,
        -1,
        -(10**400),
        10**400,
        np.array(0.5),
        10**30,
        "x",
    ):
        refused({name: value})
    for value in (np.float32(0.5), np.float16(0.5), np.float64(0.5)):
        assert repr(getattr(TrainConfig(**{name: value}), name)) == "0.5"


@pytest.mark.parametrize("name", SWITCHES)
def test_switches(name):
    for value in ("no", "", 0, 1, None, [], torch.tensor(False)):
        refused({name: value})
    assert getattr(TrainConfig(**{name: np.bool_(True)}), name) is True


@pytest.mark.parametrize(
    "setting",
    [
        {"sampler": ["shared"]},
        {"optimizer": None},
        {"schedule": 1},
        {"precision": np.array(["float32"])},
        {"metric": "ndcg@00020"},
        {"metric": "ndcg@٢"},
        {"metric": "ndcg@" + "9" * 5000},
        {"metric": 20},
        {"patience": 2.0},
        {"patience": True},
        {"progress": "yes"},
        {"lr": 1e-40},
    ],
)
def test_other_bad_settings(setting):
    refused(setting)


NOWHERE = (
    *(
        "gpu",
        "",
        "xyz",
        "cuda:",
        "cuda:-1",
        "cpu:7",
        "cuda:99",
        "cuda:9999",
        "meta",
        "CPU",
        "cpu\n",
    ),
    *("mtia", "hpu", "\ud800", 0, None, ["cpu"], "vulkan", "lazy", "cpu:0:0"),
)


@pytest.mark.parametrize("device", NOWHERE, ids=ascii)
def test_a_device_that_is_not_here_is_refused_at_once(device):
    refused({"device": device})


def test_a_device_may_be_one_of_torch():
    assert TrainConfig(device=torch.device("cpu")).device == "cpu"
    assert TrainConfig(device="cpu:0").device == "cpu:0"


def test_numbers_of_numpy_make_a_record(small):
    config = TrainConfig(
        epochs=np.int64(1), batch_size=np.int32(8), n_negatives=np.int16(4), lr=np.float32(0.01),
        seed=np.int64(3), patience=np.int64(2), replacement=np.bool_(True), metric="ndcg@5",
        progress=np.bool_(False),
    )  # fmt: skip
    model = make_model("MF", small, dim=np.int64(4), seed=np.int64(3), user_dropout=np.float32(0.5))
    run = bsl.fit(model, small, make_loss("softmax", tau=np.float32(0.25)), config)
    assert json.loads(json.dumps(run.record()))["config"] == asdict(config)


@pytest.mark.parametrize("name", MODELS)
def test_models_take_numbers_of_numpy_and_no_others(small, name):
    for key, spec in model_parameters(name).items():
        default = spec.default
        if isinstance(default, str) or default is None:
            bad = (1, ["cosine"], b"dot")
        else:
            make_model(name, small, **{key: np.array([default])[0]})
            bad = ("1", None, True, 1j, [1], -(10**30), math.nan, 10**400)
        for value in bad:
            if value is not default and not (key == "beta" and value == -(10**30)):
                with pytest.raises(ValueError, match=f"^{key} must "):
                    make_model(name, small, **{key: value})


@pytest.mark.parametrize("name", ["NGCF", "LightGCN", "SimGCL"])
def test_a_number_of_layers_that_would_never_end(small, name):
    with pytest.raises(ValueError, match="n_layers must be at most 100, got 1000000000"):
        make_model(name, small, n_layers=10**9)


def test_a_model_without_room_says_so(small):
    with pytest.raises(MemoryError, match="no room for weights of 9 x 2147483647, 72.0 GB"):
        make_model("MF", small, dim=2**31 - 1)


def test_exponents_that_leave_no_finite_weights(small):
    with pytest.raises(ValueError, match="alpha must leave weights of neighbours finite"):
        make_model("LightGCN++", small, alpha=-1e4)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_take_numbers_of_numpy_and_no_others(name):
    good = {"n_items": 100, "level": 0.5, "beta": 0.5, "order": 2.0, "pos_in_denominator": False}
    params = {key: good.get(key, 0.25) for key in loss_parameters(name)}
    if "k" in params:
        params["k"] = 20
    loss = make_loss(name, **{key: np.array([value])[0] for key, value in params.items()})
    assert json.loads(json.dumps(loss.params)) == params | {"reduction": "mean"}
    for key in params:
        for value in ("0.25", True, 1j, [0.25], math.nan, math.inf, torch.tensor(True)):
            if key != "pos_in_denominator" or value is not True:
                with pytest.raises(ValueError, match=f"^{key} must "):
                    make_loss(name, **params | {key: value})


@pytest.mark.parametrize("tau", [1e-320, 1e-39, 1e39, torch.tensor(1e-39), np.float64(1e-45)])
def test_a_temperature_that_float32_does_not_hold(tau):
    with pytest.raises(ValueError, match=r"^tau must be from 1.18e-38 to 3.4e\+38, as float32"):
        make_loss("softmax", tau=tau)
    with pytest.raises(ValueError, match=r"^tau must be from 1.18e-38"):
        bsl.scoring.soft_maximum(torch.ones(1, 1), torch.ones(1, 1), tau=tau)
    smallest = float(torch.finfo(torch.float32).tiny)
    value = bsl.losses.softmax_risk_loss(torch.ones(1), torch.ones(1, 2), tau=smallest)
    assert value.item() == 0


@pytest.mark.parametrize("name", [["softmax"], None, 3, {}])
def test_names_that_are_no_strings(small, name):
    for make in (make_loss, lambda name: make_model(name, small), bsl.load):
        with pytest.raises(ValueError, match="^unknown "):
            make(name)
    with pytest.raises(ValueError, match="unknown split"):
        small.split(name)


def test_cut_offs_in_any_form(small):
    model = make_model("MF", small, dim=4)
    found = bsl.evaluate(model, small, ks=(20,))
    for ks in (20, np.int64(20), [20], np.array([20]), {20}, range(20, 21)):
        assert bsl.evaluate(model, small, ks=ks) == found
    for ks in (None, 2.0, "20", True, (k for k in (20,)), np.array(20), 20j, [[20]]):
        with pytest.raises(ValueError, match="ks must "):
            bsl.evaluate(model, small, ks=ks)
    with pytest.raises(ValueError, match="ks must hold at most 30 cut-offs, got 1000000000"):
        bsl.evaluate(model, small, ks=range(10**9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": ["test"]}, "unknown split"),
        ({"per_user": "no"}, "per_user must be True or False, got 'no'"),
        ({"chunk": 1.5}, "chunk must be a whole number of at least 1 or None, got 1.5"),
        ({"groups": np.full(30, 30)}, r"groups must be \(30,\) .* from 30 to 30"),
        ({"groups": [[1], [2, 3]]}, r"groups must be \(30,\) integers"),
        ({"groups": np.full(30, 2**63, dtype=np.uint64)}, r"groups must be \(30,\)"),
    ],
)
def test_bad_arguments_of_evaluate(small, options, message):
    with pytest.raises(ValueError, match=message):
        bsl.evaluate(make_model("MF", small, dim=4), small, **options)


def test_a_wrapped_model_says_what_to_do(small):
    wrapped = torch.nn.DataParallel(make_model("MF", small, dim=4))
    calls = (
        lambda: bsl.evaluate(wrapped, small),
        lambda: exposure(wrapped, small),
        lambda: bsl.fit(wrapped, small, make_loss("bpr"), TrainConfig(epochs=1)),
    )
    for call in calls:
        with pytest.raises(ValueError, match="must have embed.*DataParallel: give .* model.module"):
            call()
    assert bsl.evaluate(wrapped.module, small)


def test_what_is_no_data_no_model_and_no_loss(small):
    model, loss, config = make_model("MF", small, dim=4), make_loss("bpr"), TrainConfig(epochs=1)
    for data in (None, small.train, [[0, 0]]):
        for call in (
            lambda data=data: bsl.evaluate(model, data),
            lambda data=data: bsl.fit(model, data, loss, config),
            lambda data=data: make_model("MF", data),
            lambda data=data: exposure(model, data),
        ):
            with pytest.raises(ValueError, match="data must be Interactions"):
                call()
    for changed, message in (
        ({"model": lambda: 0}, "model must be a torch.nn.Module"),
        ({"model": torch.nn.Linear(1, 1)}, "a model must have embed.*, got Linear"),
        ({"loss": "bpr"}, "loss must be a module or a function, got 'bpr'"),
        ({"config": {"epochs": 1}}, "config must be a TrainConfig, got"),
        ({"on_epoch": 3}, "on_epoch must be a function or None, got 3"),
    ):
        given = {"model": model, "data": small, "loss": loss, "config": config} | changed
        with pytest.raises(ValueError, match=message):
            bsl.fit(**given)
    empty = make_model("MF", small, dim=4)
    empty.embed = lambda: ([[1.0]], [[1.0]])
    with pytest.raises(ValueError, match="must give two tensors"):
        bsl.evaluate(empty, small)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": "x"}, "seed must be a whole number"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"valid_fraction": "half"}, "valid_fraction must lie"),
        ({"name": 3}, "name must be a string, got 3"),
        ({"n_users": True}, "n_users must be a whole number"),
        ({"test": [[0, 1], [2]]}, r"test must be \(n, 2\) pairs"),
        ({"test": np.array([[2**63, 0]], dtype=np.uint64)}, "test has an id beyond int64"),
        ({"test": torch.zeros(1, 2, requires_grad=True)}, "test must "),
    ],
)
def test_bad_arguments_of_from_pairs(options, message):
    with pytest.raises(ValueError, match=message):
        from_pairs(**{"train": [[0, 0], [0, 1]], "test": [[0, 2]]} | options)


def test_what_is_shown_of_a_value():
    assert checks.shown("a\nb") == "'a\\nb'" and checks.shown([1, 2]) == "[1, 2]"
    assert len(checks.shown("x" * 10**6)) == 100
    assert checks.shown(10**5000) == "a value of type int"


def test_ctrl_c_before_the_first_epoch_is_no_result(capsys, tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("bslutils.train.update", interrupted)
    out = tmp_path / "runs.jsonl"
    command = ["train", "--data", "synthetic", "--loss", "bpr", "--no-progress", "--out", str(out)]
    assert cli.main(command) == 130
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err == "interrupted\n" and not out.exists()
