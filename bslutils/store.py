"""Trained models on disk: what the pages and the claims of the book train alike, once.

The store lies in a source checkout, below ``_build``; ``make clean`` empties it. Elsewhere every
model is trained.
"""

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn

from .config import TrainConfig
from .data import Interactions
from .losses import LOSSES
from .models import MatrixFactorization
from .provenance import ROOT
from .train import Run, fit

FOLDER = ROOT / "_build" / "trained" if (ROOT / "pyproject.toml").exists() else None
VERSIONS_KEPT = 2  # of the library's source, as when one goes back and forth between two branches
# Above the trainer: a change there cannot change what is trained.
ABOVE = (
    *("experiments", "examine", "verify", "cli", "flags", "__main__"),
    *("plots", "page", "page_benches", "glue", "interactive", "store"),
)


def fit_once(model: nn.Module, data: Interactions, loss: nn.Module, config: TrainConfig) -> Run:
    """As :func:`bslutils.fit`; where it was called alike before, with what came out then.

    Alike: the weights to start from, model, data, loss and settings, the source of this library,
    torch, and the processor. The history says what training took when it was done. One thread
    trains, so that the result does not depend on the number of cores. Of two processes that want
    the same model at once, one waits for the other. Only matrix factorisation with a loss of this
    package is kept, and only in a source checkout; everything else is trained every time.

    Args:
        model, data, loss, config: as :func:`bslutils.fit` takes them; ``model`` gets the weights.

    Raises:
        ValueError, MemoryError, FloatingPointError: as :func:`bslutils.fit`; nothing is kept.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> loss, config = bsl.losses.SoftmaxLoss(tau=0.1), TrainConfig(epochs=1, lr=0.01)
        >>> def trained():
        ...     model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=8)
        ...     return fit_once(model, data, loss, config)
        >>> first, again = trained(), trained()
        >>> bool((first.model.user_table == again.model.user_table).all())
        True

    Used from the chapter *A tour of losses* on.
    """
    if FOLDER is None or not _known(model, loss, config):
        with _one_thread():
            return fit(model, data, loss, config)
    path = _shelf() / f"{_key(model, data, loss, config)}.pt"
    with FileLock(f"{path}.lock"):
        kept = _read(path)
        if kept is None:
            with _one_thread():
                run = fit(model, data, loss, config)
            if run.stopped != "interrupted":
                _write(path, run)
            return run
    model.load_state_dict(kept.pop("weights"))
    return Run(model.eval(), config, **kept, loss=loss)


def _known(model: nn.Module, loss: nn.Module, config: TrainConfig) -> bool:
    """Whether it can be said what decides the result."""
    return (
        type(model) is MatrixFactorization
        and model.user_table.device.type == config.device == "cpu"
        and type(loss) in LOSSES.values()
        and not any(isinstance(value, Tensor) for value in loss.params.values())
    )


def _key(model: nn.Module, data: Interactions, loss: nn.Module, config: TrainConfig) -> str:
    digest = hashlib.sha256()
    settings = asdict(config)
    del settings["progress"]
    capability = torch.backends.cpu.get_cpu_capability()
    digest.update(
        json.dumps(
            [torch.__version__, capability, data.hash, data.name, data.protocol, settings]
        ).encode()
    )
    digest.update(f"{model.score} {model.user_dropout} {type(loss).__name__} {loss}".encode())
    for table in (model.user_table, model.item_table):
        digest.update(f"{table.dtype} {tuple(table.shape)}".encode())
        digest.update(table.detach().numpy().tobytes())
    return digest.hexdigest()[:24]


@cache
def _shelf() -> Path:
    """The folder of this version of the library's source; of others, all but the last goes."""
    digest, package = hashlib.sha256(), Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0].removesuffix(".py") not in ABOVE:
            digest.update(f"{name.as_posix()}\0".encode() + path.read_bytes())
    shelf = FOLDER / digest.hexdigest()[:16]
    shelf.mkdir(parents=True, exist_ok=True)
    shelf.touch()
    # Where the clock was set back, others may look younger than the one in use.
    others = [folder for folder in FOLDER.iterdir() if folder != shelf]
    others.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for stale in others[VERSIONS_KEPT - 1 :]:
        shutil.rmtree(stale, ignore_errors=True)
    return shelf


def _read(path: Path) -> dict | None:
    try:
        return torch.load(path, weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError):
        return None  # not there, or cut off: trained again


def _write(path: Path, run: Run) -> None:
    kept = {
        "weights": run.model.state_dict(),
        "data": run.data,
        "history": run.history,
        "best_epoch": run.best_epoch,
        "stopped": run.stopped,
    }
    unfinished = path.with_suffix(f".{os.getpid()}")
    torch.save(kept, unfinished)
    unfinished.replace(path)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
