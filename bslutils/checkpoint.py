"""A training kept on disk from epoch to epoch, so that one that was stopped goes on.

A folder holds one checkpoint: ``checkpoint.json`` with settings and history, and the file of
tensors that it names, as safetensors: weights, those of the best epoch, the state of the optimiser
and of the random numbers. The JSON is written last and in one piece, and has a SHA-256 of all,
so that whatever moment a program is killed at, the folder holds the last epoch that was
kept, whole. Nothing is pickled.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from .atomic import leftovers, write_whole
from .checks import check_place, path_of, shown
from .version import __version__

TOLD, TENSORS, LOCK = "checkpoint.json", "epoch-{}.safetensors", ".lock"
FORMAT = 1  # of the folder
LARGEST = 2**26  # bytes of JSON that are read

State = dict[str, Tensor]


class Checkpoint:
    """The folder of a training that can go on.

    Args:
        folder: to be made, or one with a checkpoint of the same training; its parent must exist.
        training: what decides the result, ready for JSON: a checkpoint of another one is refused.
        learner: what is trained: weights are those of its ``state_dict``.
        optimizer: has ``state_dict`` and ``load_state_dict``.
        generator: that batches are drawn from; the global one of torch is kept, too.

    Raises:
        ValueError: no path, a folder with anything else in it, or that cannot be made or written
            to.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        training: dict[str, Any],
        learner: nn.Module,
        optimizer: Any,
        generator: torch.Generator,
    ):
        self.folder = path_of("checkpoint", folder)
        check_place("checkpoint", self.folder / LOCK if self.folder.is_dir() else self.folder)
        if os.path.lexists(self.folder) and not self.folder.is_dir():
            raise ValueError(f"checkpoint: {self.folder} is not a folder")
        strange = [path for path in self._files() if not _own(path)]
        if strange:
            raise ValueError(
                f"checkpoint: {self.folder} holds {strange[0].name}, which is not of a checkpoint: "
                "name a folder of its own"
            )
        # As they will be read again: tuples become lists.
        self.training = json.loads(json.dumps(training))
        self.learner, self.optimizer, self.generator = learner, optimizer, generator

    def _files(self) -> list[Path]:
        return sorted(self.folder.iterdir()) if self.folder.is_dir() else []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder, for one program at a time.

        Raises:
            ValueError: another program trains there.
            OSError: the folder cannot be made or written to.
        """
        self.folder.mkdir(exist_ok=True)
        lock = FileLock(self.folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"checkpoint: another program trains in {self.folder}") from None
        try:
            yield
        finally:
            lock.release()

    def write(self, epoch: int, progress: dict[str, Any], best: State | None) -> None:
        """Keep an epoch: the state of everything now, and ``progress`` as JSON.

        Args:
            epoch: its number.
            progress: what :meth:`read` gives back.
            best: the weights of the best epoch; ``None`` where it is this one.

        Raises:
            OSError: it could not be written, as on a full disk; the one before is still there.
        """
        from safetensors.torch import save

        tensors: State = {}
        for kind, weights in (("now", self.learner.state_dict()), ("best", best or {})):
            tensors |= {f"{kind}.{name}": value for name, value in weights.items()}
        optimizer = _packed(self.optimizer.state_dict(), "optimizer", tensors)
        for name, state in self._random().items():
            tensors[f"random.{name}"] = state
        content = save({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()})
        told = {
            "format": FORMAT,
            "versions": {"bslutils": __version__, "torch": torch.__version__},
            "training": self.training,
            "progress": progress,
            "optimizer": optimizer,
            "tensors": TENSORS.format(epoch),
        }
        told["sha256"] = _digest(told, content)
        text = json.dumps(told, indent=1, allow_nan=False)
        write_whole(self.folder / told["tensors"], content)
        write_whole(self.folder / TOLD, text.encode())
        for path in self._files():  # of the epoch before, or of a program that was killed
            if path.name not in (TOLD, LOCK, told["tensors"]):
                path.unlink()

    def read(self) -> tuple[dict[str, Any], State] | None:
        """Put everything as it was when the last epoch was kept; its progress and best weights.

        ``None``, and nothing changed, where the folder has no checkpoint yet.

        Raises:
            ValueError: a damaged checkpoint, or one of another training; the message says what
                is other. Nothing is changed then.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        if not os.path.lexists(self.folder / TOLD):
            return None
        try:
            if (self.folder / TOLD).stat().st_size > LARGEST:
                raise ValueError(f"{TOLD} is larger than {LARGEST:,} bytes")
            told = json.loads((self.folder / TOLD).read_bytes())
            if not isinstance(told, dict) or told["format"] != FORMAT:
                raise ValueError("it is of another format")
            name, progress, training = told["tensors"], told["progress"], told["training"]
            optimizer, versions = told["optimizer"], told["versions"]
            if not isinstance(name, str) or Path(name).name != name or not _own(Path(name)):
                raise ValueError(f"it names the file {shown(name)}")
            content = (self.folder / name).read_bytes()
            if told.pop("sha256") != _digest(told, content):
                raise ValueError("it is not what was written")
            tensors = load(content)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
            raise ValueError(
                f"the checkpoint in {self.folder} is damaged: {error}; to begin anew, remove it"
            ) from None
        if (other := _difference(training, self.training)) is not None:
            raise ValueError(
                f"the checkpoint in {self.folder} is of another training: {other}; to begin anew, "
                "name another folder"
            )
        if versions != {"bslutils": __version__, "torch": torch.__version__}:
            warnings.warn(
                f"the checkpoint in {self.folder} was written with {versions}: training "
                "goes on, but need not end with the same digits",
                stacklevel=3,
            )
        now = _under("now.", tensors)
        self.learner.load_state_dict(now)
        self.optimizer.load_state_dict(_unpacked(optimizer, tensors, self.generator.device))
        self._set_random(_under("random.", tensors))
        device = self.generator.device
        best = _under("best.", tensors) or now
        return progress, {name: value.to(device) for name, value in best.items()}

    def _random(self) -> State:
        states = {"batches": self.generator.get_state(), "torch": torch.get_rng_state()}
        if self.generator.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.generator.device)
        return states

    def _set_random(self, states: State) -> None:
        self.generator.set_state(states["batches"])
        torch.set_rng_state(states["torch"])
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self.generator.device)


def _digest(told: dict[str, Any], content: bytes) -> str:
    return hashlib.sha256(json.dumps(told).encode() + content).hexdigest()


def _own(path: Path) -> bool:
    """Whether a file belongs to a checkpoint, by its name."""
    tensors = path.match(TENSORS.format("*"))
    return path.name in (TOLD, LOCK) or tensors or path in leftovers(path.parent)


def _under(prefix: str, tensors: State) -> State:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _packed(value: Any, name: str, tensors: State) -> Any:
    """A nest of dicts and lists for JSON: its tensors go to ``tensors``, under a name."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):  # pairs, since a key can be a number
        return {"pairs": [[k, _packed(v, f"{name}.{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_packed(part, f"{name}.{n}", tensors) for n, part in enumerate(value)]
    return value


def _unpacked(value: Any, tensors: State, device: torch.device) -> Any:
    if isinstance(value, list):
        return [_unpacked(part, tensors, device) for part in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]].to(device)
    return {key: _unpacked(part, tensors, device) for key, part in value["pairs"]}


def _difference(theirs: Any, ours: Any, name: str = "") -> str | None:
    """The first thing in which two nests of settings differ, in words."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in ours | theirs:
            part = f"{name} {key}".strip()
            if key not in theirs or key not in ours:
                return f"it {'lacks' if key not in theirs else 'has'} {part}"
            if (found := _difference(theirs[key], ours[key], part)) is not None:
                return found
        return None
    return None if theirs == ours else f"{name} is {shown(theirs)} there and {shown(ours)} here"
