"""Trained models on disk: weights as safetensors, everything else as JSON, nothing pickled."""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .atomic import write_whole
from .checks import check_place, path_of, shown, switch
from .config import TrainConfig
from .data import Interactions, check_data
from .losses import LOSSES, VECTOR_LOSSES
from .models import MODELS, make_model
from .told import told_of_loss, told_of_model
from .train import Run
from .version import __version__

SETTINGS, WEIGHTS = "run.json", "weights.safetensors"
FORMAT = 1  # of the folder
LARGEST = 2**26  # bytes of settings that are read


def save_run(run: Run, folder: str | os.PathLike, *, overwrite: bool = False) -> Path:
    """Write a run to a folder of its own; :func:`load_run` reads it.

    ``weights.safetensors`` holds the weights of the model and of the loss, where it has any,
    ``run.json`` what they belong to: model, loss, settings, history, name and hash of the data,
    versions, and the SHA-256 of the weights. Nothing is pickled. The folder is there with all that
    belongs to it, or not at all.

    Args:
        run: what :func:`bslutils.fit` gave.
        folder: to be made; its parent must be there.
        overwrite: replace a run that is there already. Nothing but a run is ever replaced.

    Returns:
        The folder.

    Raises:
        ValueError: no run, a folder that is there already, or whose parent is not, or cannot be
            written to.
        OSError: as on a full disk.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=8)
        >>> run = bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=0.1), TrainConfig(epochs=1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = load_run(save_run(run, f"{folder}/mine"))
        >>> bool((again.model.user_table == run.model.user_table).all())
        True
    """
    if not isinstance(run, Run):
        fitted = "; what bslutils.baselines fits is fitted again in seconds" * callable(run)
        raise ValueError(f"run must be what fit gives, got {shown(run)}{fitted}")
    switch("overwrite", overwrite)
    folder = path_of("folder", folder)
    check_free("folder", folder, overwrite)
    from safetensors.torch import save  # only who saves a run needs it

    weights = save(_weights(run.model, run.loss))
    settings = {
        "format": FORMAT,
        "versions": {"bslutils": __version__, "torch": torch.__version__},
        "model": told_of_model(run.model),
        "loss": told_of_loss(run.loss),
        "config": asdict(run.config),
        "data": run.data,
        "history": run.history,
        "best_epoch": run.best_epoch,
        "stopped": run.stopped,
        "weights": hashlib.sha256(weights).hexdigest(),
    }
    text = json.dumps(settings, indent=1, allow_nan=False)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, content in ((SETTINGS, text.encode()), (WEIGHTS, weights)):
            write_whole(unfinished / name, content)
        unfinished.chmod(0o755)  # a folder of tempfile is for its owner alone
        if os.path.lexists(folder):
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
            folder.rename(old / "run")
            unfinished.rename(folder)
            shutil.rmtree(old)
        else:
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def check_free(name: str, folder: Path, overwrite: bool = False) -> None:
    """Raise unless a run can be saved in a folder: nothing is there, or a run to be replaced.

    Raises:
        ValueError: it is there, is no run, or cannot be made.
    """
    check_place(name, folder)
    if os.path.lexists(folder):
        if not overwrite:
            how = "--overwrite" if name.startswith("--") else "overwrite=True"
            raise ValueError(f"{folder} is there already; {how} replaces a run")
        inside = {path.name for path in folder.iterdir()} if folder.is_dir() else None
        if folder.is_symlink() or inside != {SETTINGS, WEIGHTS}:
            raise ValueError(f"{folder} is not the folder of a run, and is not replaced")


def load_run(
    folder: str | os.PathLike,
    data: Interactions | None = None,
    *,
    model: nn.Module | None = None,
    loss: nn.Module | None = None,
) -> Run:
    """Read a run that :func:`save_run` wrote: the weights to the bit, on the CPU.

    Args:
        folder: of the run.
        data: what it was trained on; a model on a graph is built of it. Other data are refused.
        model: for the weights of a model that is not of this package: one of the same shape.
        loss: the same of a loss; without it such a run has none.

    Raises:
        ValueError: a folder that is missing, damaged, or not of a run; data that the run was not
            trained on; a model or a loss that the weights do not fit, or that has to be given.

    Example:
        >>> load_run("nowhere")
        Traceback (most recent call last):
        ValueError: nowhere is not the folder of a run: run.json cannot be read (No such file ...
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    folder = path_of("folder", folder)
    settings, content = _read(folder / SETTINGS, LARGEST), _read(folder / WEIGHTS)
    try:
        told = json.loads(settings)
        if not isinstance(told, dict) or told["format"] != FORMAT:
            raise ValueError("it is of another format")
        if hashlib.sha256(content).hexdigest() != told["weights"]:
            raise ValueError("its weights are not those that were saved")
        weights = load(content)
        config = _config(told["config"])
        _check_told(told)
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise ValueError(f"{folder} is not the folder of a run, or damaged: {error!r}") from None
    if data is not None:
        check_data(data)
        if data.hash != told["data"]["hash"]:
            raise ValueError(
                f"{folder} was trained on {told['data']['name']} with the hash "
                f"{told['data']['hash'][:12]}, and {data.name} has {data.hash[:12]}: load the data "
                "of the run, read alike, or train anew on these"
            )
    model = _model(told["model"], weights, data, folder) if model is None else model
    loss = _loss(told["loss"], folder) if loss is None else loss
    _fill(model, "model", weights, folder)
    model.numbering = told["data"].get("numbering")
    if loss is not None:
        _fill(loss, "loss", weights, folder)
    return Run(
        model.eval(),
        config,
        told["data"],
        told["history"],
        best_epoch=told["best_epoch"],
        stopped=told["stopped"],
        loss=loss,
    )


def _read(path: Path, most: int | None = None) -> bytes:
    try:
        if most is not None and path.stat().st_size > most:
            raise ValueError(f"{path} is larger than {most:,} bytes: it is not the file of a run")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path.parent} is not the folder of a run: {path.name} cannot be read "
            f"({error.strerror})"
        ) from None


def _weights(model: nn.Module, loss: nn.Module | None) -> dict[str, Tensor]:
    found = {}
    for kind, module in (("model", model), ("loss", loss)):
        for name, value in module.state_dict().items() if isinstance(module, nn.Module) else ():
            if not isinstance(value, Tensor):
                raise ValueError(f"{name} of the {kind} is no tensor and cannot be saved")
            found[f"{kind}.{name}"] = value.detach().cpu().contiguous().clone()
    return found


def _config(told: dict[str, Any]) -> TrainConfig:
    try:
        return TrainConfig(**told)
    except ValueError as error:
        if not str(error).startswith("device"):
            raise
        return TrainConfig(**told | {"device": "cpu"})  # where it was trained is not here


def _check_told(told: dict[str, Any]) -> None:
    history, best = told["history"], told["best_epoch"]
    data = told["data"]
    fits = (
        isinstance(history, list)
        and all(isinstance(entry, dict) for entry in history)
        and type(best) is int
        and 0 <= best <= len(history)
        and isinstance(told["stopped"], str)
        and isinstance(data, dict)
        and all(isinstance(data[key], str) for key in ("name", "hash", "protocol"))
        and isinstance(data.get("numbering"), str | None)
        and isinstance(told["model"], dict)
        and isinstance(told["loss"], dict | type(None))
    )
    if not fits:
        raise ValueError("its settings are of another kind")


def _model(
    told: dict[str, Any], weights: dict[str, Tensor], data: Interactions | None, folder: Path
) -> nn.Module:
    settings = dict(told)
    name = settings.pop("name", None)
    if name is None:
        raise ValueError(f"{folder} holds a model that bslutils cannot make: give model=…")
    try:
        shapes = [tuple(weights[f"model.{side}_table"].shape) for side in ("user", "item")]
        sizes = [settings.pop(key) for key in ("n_users", "n_items")]
        if shapes != [(size, settings["dim"]) for size in sizes]:  # before there is room made
            raise ValueError(f"its tables are {shapes}, and not of the sizes {sizes}")
        if getattr(MODELS[name], "on_graph", False):
            if data is None:
                raise ValueError(f"{name} is a model on a graph: give the data")
            model = make_model(name, data, **settings)
        else:
            model = MODELS[name](*sizes, **settings)
        return model.to(weights["model.user_table"].dtype)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder} holds no model that can be made: {error}") from None


def _loss(told: dict[str, Any] | None, folder: Path) -> nn.Module | None:
    if told is None or told.get("name") is None:
        return None
    try:
        params = dict(told["params"])
        for key in told["learned"]:
            params[key] = nn.Parameter(torch.tensor(float(params[key])))
        return (LOSSES | VECTOR_LOSSES)[told["name"]](**params)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{folder} holds no loss that can be made: {error}") from None


def _fill(module: nn.Module, kind: str, weights: dict[str, Tensor], folder: Path) -> None:
    state = {
        name.removeprefix(f"{kind}."): value
        for name, value in weights.items()
        if name.startswith(f"{kind}.")
    }
    own = module.state_dict()
    same = state.keys() == own.keys() and all(
        value.shape == own[name].shape and value.dtype == own[name].dtype
        for name, value in state.items()
    )
    if not same:
        raise ValueError(
            f"the weights in {folder} do not fit the {kind}: "
            f"{shown({name: tuple(x.shape) for name, x in state.items()})} for "
            f"{shown({name: tuple(x.shape) for name, x in own.items()})}"
        )
    module.load_state_dict(state)
