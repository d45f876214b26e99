"""Test accuracy over seconds of fitting: the curve of every way that the table `frontier` compares.

What counts is what a fit does from the training pairs on: models, filters and Gram matrices are
made while the clock runs. It stands still while a model is looked at, and data are loaded before.
"""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn

import bslutils as bsl
from bslutils.baselines import BASELINES, Scores
from bslutils.experiments.trial import Trial, whole
from bslutils.losses import make_loss
from bslutils.models import MatrixFactorization
from bslutils.sampling import batches

from .engine import DIM, NEGATIVES
from .reference import ReferenceTrainer

# Trainings with a schedule are made in these lengths, in parts of their epochs. Each has a schedule
# of its own, since a long one is at a high rate when a short one is done.
LENGTHS = (1 / 8, 1 / 3, 1.0)
LOOKS = 8  # at a run, at most

Point = dict[str, Any]
Choice = tuple[dict[str, float], list[dict[str, float]]]  # what validation chose, all it saw


class Watch:
    """The seconds that a fit took so far, with a point for every look at what it gives.

    Args:
        data: what is looked at.
        run: how the run is called in its points.
    """

    def __init__(self, data: bsl.Interactions, run: str):
        self.data, self.run = data, run
        self.points: list[Point] = []
        self._began, self._paused = time.perf_counter(), 0.0

    @property
    def seconds(self) -> float:
        """Of the fit, without the looks."""
        return time.perf_counter() - self._began - self._paused

    def look(self, found: nn.Module | Scores) -> None:
        """Rank all items for all users of the test split."""
        seconds, start = self.seconds, time.perf_counter()
        test = bsl.evaluate(found, self.data)
        took = time.perf_counter() - start
        self.points.append(
            {
                "run": self.run,
                "seconds": seconds,
                "ndcg@20": test["ndcg@20"],
                "recall@20": test["recall@20"],
                "ranking_seconds": took,
            }
        )
        self._paused += time.perf_counter() - start


@contextmanager
def threads(n: int) -> Iterator[None]:
    """So many threads, in torch and in what NumPy and SciPy call."""
    from threadpoolctl import threadpool_limits  # comes with `implicit`

    before = torch.get_num_threads()
    try:
        with threadpool_limits(n):
            torch.set_num_threads(n)
            yield
    finally:
        torch.set_num_threads(before)


def lengths(epochs: int) -> list[int]:
    """The epochs of the runs that are made of a training.

    Example:
        >>> lengths(30), lengths(1)
        ([4, 10, 30], [1])
    """
    return sorted({max(1, round(share * epochs)) for share in LENGTHS})


def looks(epochs: int) -> set[int]:
    """The epochs after which a run is looked at, the last one among them.

    Example:
        >>> sorted(looks(3)), len(looks(100))
        ([1, 2, 3], 8)
    """
    return set(np.ceil(np.linspace(0, epochs, LOOKS + 1)[1:]).astype(int).tolist())


def training(data: bsl.Interactions, trial: Trial) -> list[Point]:
    """This package's trainer, with a run of every length."""
    points = []
    for epochs in lengths(trial.config.epochs):
        # Validation comes after the last look, where it is not counted.
        config = replace(
            trial.config, epochs=epochs, eval_every=epochs, patience=None, progress=False
        )
        wanted, watch = looks(epochs), Watch(data, f"{epochs} epochs")

        def look(epoch: int, model: nn.Module, wanted=wanted, watch=watch) -> None:
            if epoch in wanted:
                watch.look(model)

        loss = make_loss(trial.loss, **trial.params)
        bsl.fit(trial.build(data), data, loss, config, on_epoch=look)
        points += watch.points
    return points


def without_loss(data: bsl.Interactions, trial: Trial) -> list[Point]:
    """A recommender of :mod:`bslutils.baselines`: a point, or one for every length of its fit."""
    params = whole(trial.params)
    settings = {"one fit": params}
    if "epochs" in params:  # nothing in a sweep depends on how many there will be
        settings = {f"{n} sweeps": params | {"epochs": n} for n in lengths(params["epochs"])}
    points = []
    for run, params in settings.items():
        watch = Watch(data, run)
        watch.look(BASELINES[trial.backbone](data, **params))
        points += watch.points
    return points


@dataclass(frozen=True)
class Package:
    """A model of the package `implicit`, with vectors as long as everybody's.

    Attributes:
        iterations: as its documentation has them by default.
        grid: values among which validation chooses, its defaults among them.
    """

    name: str
    iterations: int
    grid: dict[str, tuple[float, ...]]

    def make(self, n_threads: int, settings: dict[str, float]) -> Any:
        """The model before it is fitted."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a GPU that is not there
            from implicit.cpu.als import AlternatingLeastSquares
            from implicit.cpu.bpr import BayesianPersonalizedRanking
        kind = {"ALS": AlternatingLeastSquares, "BPR": BayesianPersonalizedRanking}[self.name]
        settings = settings | {"iterations": self.iterations, "num_threads": n_threads}
        return kind(DIM, random_state=0, **settings)


ALS = Package("ALS", 15, {"alpha": (1.0, 4.0, 16.0), "regularization": (0.01, 20.0)})
BPR = Package("BPR", 100, {"learning_rate": (0.003, 0.01, 0.03), "regularization": (0.01,)})


def implicit(
    data: bsl.Interactions, package: Package, n_threads: int, settings: dict[str, float]
) -> list[Point]:
    """A model of `implicit`, looked at between its iterations."""
    wanted, watch = looks(package.iterations), Watch(data, f"{package.iterations} iterations")
    _fit(data, package, n_threads, settings, watch, wanted)
    return watch.points


def chosen(data: bsl.Interactions, package: Package, n_threads: int) -> Choice:
    """The settings of a model of `implicit` that are best by NDCG@20 on validation."""
    seen = []
    for values in product(*package.grid.values()):
        settings = dict(zip(package.grid, values, strict=True))
        model = _fit(data, package, n_threads, settings)
        valid = bsl.evaluate(_Vectors(model), data, split="valid")["ndcg@20"]
        seen.append(settings | {"valid": valid})
    best = max(seen, key=lambda line: line["valid"])
    return {name: best[name] for name in package.grid}, seen


def _fit(
    data: bsl.Interactions,
    package: Package,
    n_threads: int,
    settings: dict[str, float],
    watch: Watch | None = None,
    wanted: set[int] = frozenset(),
) -> Any:
    from threadpoolctl import threadpool_limits

    # It makes threads of its own, and wants none of BLAS beside them.
    with threadpool_limits(1, user_api="blas"):
        pairs = csr_matrix(data.train.astype(np.float32))
        model = package.make(n_threads, settings)

        def look(iteration: int, *_: object) -> None:
            if watch is not None and iteration + 1 in wanted:
                watch.look(_Vectors(model))

        model.fit(pairs, show_progress=False, callback=look)
    return model


class _Vectors(nn.Module):
    """The vectors of a model of `implicit`, to be ranked as all others are."""

    def __init__(self, model: Any):
        super().__init__()
        self.tables = [torch.as_tensor(x) for x in (model.user_factors, model.item_factors)]

    def embed(self) -> list[torch.Tensor]:
        return self.tables


@dataclass(frozen=True)
class Literal:
    """What the authors' logs set of the algorithm as published, on a data set."""

    tau: float
    batch_size: int
    user_dropout: float
    n_negatives: int = NEGATIVES
    lr: float = 1e-4
    l2: float = 1e-3


def literal(
    data: bsl.Interactions, settings: Literal, budget: float
) -> tuple[list[Point], dict[str, float]]:
    """The algorithm as published for a few seconds, and how long its steps are."""
    generator = torch.Generator().manual_seed(0)
    watch = Watch(data, "as far as measured")
    model = MatrixFactorization(
        data.n_users, data.n_items, dim=DIM, user_dropout=settings.user_dropout
    )
    trainer = ReferenceTrainer(
        model,
        tau=settings.tau,
        n_negatives=settings.n_negatives,
        lr=settings.lr,
        l2=settings.l2,
        generator=generator,
    )
    steps, marks = 0, [budget / 4, budget]
    while marks:
        for user, pos, _ in batches(data.train, settings.batch_size, generator=generator):
            trainer.step(user, pos[:, 0])
            steps += 1
            if watch.seconds >= marks[0]:
                watch.look(model.eval())
                marks.pop(0)
            if not marks:
                break
    of_an_epoch = -(-data.train.nnz // settings.batch_size)
    seconds = watch.points[-1]["seconds"]
    return watch.points, {
        "seconds": seconds,
        "steps": steps,
        "steps_of_an_epoch": of_an_epoch,
        "seconds_of_an_epoch": seconds / steps * of_an_epoch,
    }
