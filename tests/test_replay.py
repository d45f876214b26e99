"""Which training steps a GPU may record. What it then computes is in test_cuda."""

from dataclasses import replace

import pytest
import torch

import bslutils as bsl
from bslutils.models import MODELS, make_model
from bslutils.replay import replayable

DATA = bsl.load("synthetic")
LOSS = bsl.losses.SoftmaxLoss(tau=0.2)


@pytest.fixture
def config(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    return bsl.TrainConfig(device="cuda")


@pytest.mark.parametrize("sampler", ["shared", "independent", "in-batch", "full"])
@pytest.mark.parametrize("backbone", MODELS)
def test_steps_that_wait_for_nothing_are_replayed(config, backbone, sampler):
    assert replayable(replace(config, sampler=sampler), make_model(backbone, DATA), LOSS)


@pytest.mark.parametrize(
    "change",
    [
        {"replay": False},
        {"device": "cpu"},
        {"optimizer": "row-adam"},
        {"negative_noise": 0.0},
        {"replacement": False},
        {"accumulate": 2},
    ],
    ids=str,
)
def test_steps_that_wait_are_not(config, change):
    assert not replayable(replace(config, **change), make_model("MF", DATA), LOSS)


def test_nor_those_of_a_loss_whose_parameters_are_tensors(config):
    for tau in (torch.tensor(0.2), torch.nn.Parameter(torch.tensor(0.2))):
        loss = bsl.losses.SoftmaxLoss(tau=tau)
        assert not replayable(config, make_model("MF", DATA), loss)


def test_nor_those_of_an_unknown_model_with_an_auxiliary_term(config):
    class Mine(type(make_model("MF", DATA))):
        def auxiliary(self, users, items):
            return users.unique().sum()

    assert not replayable(config, Mine(DATA.n_users, DATA.n_items), LOSS)
    Mine.waits = True
    assert not replayable(config, Mine(DATA.n_users, DATA.n_items), LOSS)
    Mine.waits = False
    assert replayable(config, Mine(DATA.n_users, DATA.n_items), LOSS)


def test_a_model_or_a_loss_derived_from_one_of_ours_waits_no_more_than_it(config):
    class Model(bsl.models.XSimGCL):
        pass

    class Loss(bsl.losses.SoftmaxLoss):
        pass

    assert replayable(config, Model(DATA.train, dim=4), Loss(tau=0.2))


@pytest.mark.parametrize(
    "loss",
    [
        bsl.losses.Chi2Loss(tau=0.2),
        bsl.losses.RenyiLoss(radius=0.5, order=2.0),
        bsl.losses.AdvInfoNCELoss(tau=0.2, radius=0.1),
        bsl.losses.make_loss("direct_au", gamma=1.0),
        torch.nn.MSELoss(),
    ],
    ids=str,
)
def test_nor_those_of_a_loss_that_solves_or_is_unknown(config, loss):
    assert not replayable(config, make_model("MF", DATA), loss)
