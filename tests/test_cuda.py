"""What a GPU computes is what a CPU computes. Collected only where torch sees a GPU."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_losses import CASES, IDS

import bslutils as bsl
from bslutils.losses import make_loss
from bslutils.models import MODELS, make_model
from bslutils.sampling import NoisyNegatives
from bslutils.scoring import soft_maximum

DATA = bsl.load("synthetic")
CONFIG = bsl.TrainConfig(
    epochs=2, batch_size=512, n_negatives=256, lr=1e-2, device="cuda", progress=False
)
SETTINGS = {
    "shared": {},
    "pooled": {"positives": 4, "batch_size": 128},
    "full": {"sampler": "full", "precision": "bfloat16"},
    "in-batch": {"sampler": "in-batch"},
    "independent": {"sampler": "independent", "n_negatives": 32},
    "cosine schedule": {"schedule": "cosine", "weight_decay": 1e-4},
}


def _fit(config: bsl.TrainConfig, backbone: str = "MF") -> bsl.train.Run:
    loss = bsl.losses.SoftmaxLoss(tau=0.2)
    if config.positives > 1:
        loss = bsl.losses.BilateralSoftmaxLoss(tau_pos=1.0, tau_neg=0.2)
    return bsl.fit(make_model(backbone, DATA, dim=16), DATA, loss, config)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("backbone", ["MF", "LightGCN", "SimGCL", "XSimGCL"])
def test_a_replayed_step_is_the_step(backbone, name):
    config = replace(CONFIG, **SETTINGS[name])
    found = [_fit(replace(config, replay=replay), backbone) for replay in (True, False)]
    losses = [[entry["loss"] for entry in run.history] for run in found]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    vectors = [torch.cat(run.model.embed()) for run in found]
    torch.testing.assert_close(*vectors, rtol=0, atol=2e-2)


@pytest.mark.parametrize("backbone", MODELS)
def test_training_agrees_with_the_cpu(backbone):
    """Other random numbers, so the losses agree as those of two seeds do."""
    config = replace(CONFIG, epochs=3)
    here, there = (_fit(replace(config, device=name), backbone) for name in ("cuda", "cpu"))
    np.testing.assert_allclose(here.history[-1]["loss"], there.history[-1]["loss"], rtol=0.02)


@pytest.mark.parametrize("change", [{"negative_noise": 0.0}, {"negative_noise": 3.0}, {}])
def test_row_adam_is_adam(change):
    config = replace(CONFIG, **change)
    runs = [_fit(replace(config, optimizer=name)) for name in ("adam", "row-adam")]
    vectors = [torch.cat(run.model.embed()) for run in runs]
    torch.testing.assert_close(*vectors, rtol=0, atol=2e-2)


@pytest.mark.parametrize(("name", "params"), CASES, ids=IDS)
def test_losses(name, params):
    generator = torch.Generator().manual_seed(0)
    pos, neg = (torch.rand(32, n, generator=generator) * 2 - 1 for n in (3, 50))
    mask = torch.rand(32, 50, generator=generator) < 0.8
    found = []
    for device in ("cpu", "cuda"):
        scores = [x.to(device).requires_grad_() for x in (pos.detach(), neg.detach())]
        value = make_loss(name, **params)(*scores, neg_mask=mask.to(device))
        found.append([value, *torch.autograd.grad(value, scores)])
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(here, there.cpu(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("block", [None, 100])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("dtype", "close"), [(None, 1e-5), (torch.bfloat16, 2e-2)])
def test_soft_maximum(dtype, close, masked, block):
    generator = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, 16, generator=generator) for n in (20, 70))
    mask = torch.rand(20, 70, generator=generator) < 0.5
    mask[3] = False
    found = []
    for device, kind in (("cpu", None), ("cuda", dtype)):
        vectors = [x.to(device).requires_grad_() for x in (users.detach(), items.detach())]
        kept = mask.to(device) if masked else None
        value = soft_maximum(*vectors, tau=2.0, block=block, mask=kept, dtype=kind)
        found.append([value, *torch.autograd.grad(value.sum(), vectors)])
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(here, there.cpu(), rtol=close, atol=close)


def test_evaluation():
    model = _fit(CONFIG).model
    groups = DATA.popularity_groups()
    here = bsl.evaluate(model, DATA, groups=groups)
    there = bsl.evaluate(copy.deepcopy(model).cpu(), DATA, groups=groups)
    for name, value in here.items():
        np.testing.assert_allclose(value, there[name], atol=2e-3)


def test_noisy_negatives():
    noise = NoisyNegatives(DATA.train, 0.0, "cuda")
    generator = torch.Generator("cuda").manual_seed(0)
    user, neg = torch.arange(50, device="cuda"), torch.arange(DATA.n_items, device="cuda")
    own = DATA.train[:50].toarray().astype(bool)
    np.testing.assert_array_equal(noise.kept(user, neg, generator).cpu().numpy(), ~own)
