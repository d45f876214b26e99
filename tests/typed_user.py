"""What somebody who uses the package writes: `make release-check` has mypy --strict check it."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import bslutils as bsl
from bslutils import baselines, dro, losses
from bslutils.losses import BilateralSoftmaxLoss, SoftmaxLoss, softmax_loss
from bslutils.models import MatrixFactorization


def loop(pos: Tensor, neg: Tensor) -> Tensor:
    loss_function = SoftmaxLoss(tau=0.1)
    loss: Tensor = loss_function(pos, neg)
    both: Tensor = BilateralSoftmaxLoss(tau_pos=0.2, tau_neg=0.1)(pos, neg)
    return loss + both + softmax_loss(pos, neg, tau=0.2)


class Mine(nn.Module):
    def forward(self, pos: Tensor, neg: Tensor) -> Tensor:
        return (neg.mean(1) - pos).mean()


def check() -> bool:
    report = bsl.check_loss(Mine(), train=False)
    report.save("my-loss.html")
    return report.ok and not report.warnings


def train(path: str) -> dict[str, float]:
    data = bsl.load_files(path, min_rating=4)
    model = MatrixFactorization(data.n_users, data.n_items, dim=8)
    config = bsl.TrainConfig(epochs=1, lr=1e-2)
    run = bsl.fit(model, data, Mine(), config)
    table: NDArray[np.float64] = np.zeros((2, 3))
    radius = dro.robust_value(table, tau=0.1)
    print(radius, losses.LOSSES, data.describe())
    metrics: dict[str, float] = bsl.evaluate(run.model, data, split="test", ks=(20,))
    bsl.evaluate(baselines.ease(data), data)
    for user, items in bsl.recommend(run.model, data, k=3):
        print(user, [title for title, score in items])
    bsl.save_run(run, "run")
    again: bsl.Run = bsl.load_run("run")
    print(again.best)
    return metrics


print(loop(torch.zeros(2), torch.zeros(2, 3)))
