"""Softmax losses for recommendation: explain, check, train, evaluate.

Example:
    >>> import bslutils as bsl
    >>> data = bsl.load("synthetic")
    >>> model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=16)
    >>> loss = bsl.losses.SoftmaxLoss(tau=0.1)
    >>> run = bsl.fit(model, data, loss, bsl.TrainConfig(epochs=2, lr=1e-2, seed=0))
    >>> sorted(bsl.evaluate(run.model, data, split="test", ks=(20,)))
    ['hit@20', 'mrr@20', 'ndcg@20', 'precision@20', 'recall@20']
"""

from typing import TYPE_CHECKING

from . import adapters, baselines, distributed, dro, losses, models, sampling, scoring
from .data import Interactions, load, load_files
from .evaluate import evaluate
from .recommend import Recommendations, recommend
from .saved import load_run, save_run
from .train import Run, TrainConfig, fit
from .tuning import choose_tau
from .version import __version__

if TYPE_CHECKING:
    from .examine import check_loss

__all__ = [
    "Interactions",
    "Recommendations",
    "Run",
    "TrainConfig",
    "__version__",
    "adapters",
    "baselines",
    "check_loss",
    "choose_tau",
    "distributed",
    "dro",
    "evaluate",
    "fit",
    "load",
    "load_files",
    "load_run",
    "losses",
    "models",
    "recommend",
    "sampling",
    "save_run",
    "scoring",
]


def __getattr__(name: str):
    """What takes long to import, and few want, comes when it is asked for."""
    if name == "check_loss":
        from .examine import check_loss

        return check_loss
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
