"""A stranger's loss, called so that whatever it does can be told."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..checks import shown


class Unusable(Exception):
    """What a loss did in place of giving a number for a batch."""


def told(error: BaseException) -> str:
    """Kind and message of an error that may be anything, on a line that can be written."""
    try:
        said = str(error)
    except Exception:
        said = "its message cannot be read"
    return plain(f"{type(error).__name__}: {' '.join(said.split())[:300]}")


def plain(text: str) -> str:
    """A text that any file takes: halves of a pair are spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()


class Gradients(NamedTuple):
    """A value, and its gradients by the scores; ``None`` where none reaches them."""

    value: Tensor
    pos: Tensor | None
    neg: Tensor | None

    def or_zero(self, pos: Tensor, neg: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients, 0 where none reaches the scores."""
        return tuple(
            torch.zeros_like(x) if g is None else g
            for g, x in zip(self[1:], (pos, neg), strict=True)
        )


class Called:
    """Calls a loss as ``loss(pos, neg)`` on copies of the scores.

    Args:
        loss: any callable.

    Attributes:
        positives: how it wants its positives: ``"many"`` is ``(B, P)``, ``"one"`` is ``(B, 1)``,
            ``"flat"`` is ``(B,)``. With one a row, each of several makes a row of its own.
        mean: whether a value for every row is averaged, since the loss does not do so itself.
        dtype: of the scores that it is given: float32 where it takes no others.
        meddles: what it changed of the whole process, in words; it is put back.
    """

    def __init__(self, loss: Callable[..., Any]):
        self.loss = loss
        self.positives = "many"
        self.mean = False
        self.dtype: torch.dtype | None = None
        self.meddles: set[str] = set()

    def raw(self, pos: Tensor, neg: Tensor, **masks: Tensor | None) -> Any:
        """Whatever the loss gives back.

        Raises:
            Unusable: it raises.
        """
        grad, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
        try:
            return self.loss(pos, neg, **masks)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            raise Unusable(f"raises {told(error)}") from error
        finally:
            if torch.is_grad_enabled() != grad:
                self.meddles.add("turns gradients off or on, for the whole program")
            if torch.get_default_dtype() != dtype:
                self.meddles.add("changes torch's default type, for the whole program")
            torch.set_grad_enabled(grad)
            torch.set_default_dtype(dtype)

    def __call__(self, pos: Tensor, neg: Tensor, **masks: Tensor | None) -> Tensor:
        """The number that it gives for a batch, detached; see :meth:`number`."""
        return self.number(pos, neg, **masks).detach()

    def number(self, pos: Tensor, neg: Tensor, **masks: Tensor | None) -> Tensor:
        """The number that it gives for a batch, ``(B, P)`` and ``(B, N)``.

        Raises:
            Unusable: it raises, or gives anything but one number in a tensor.
        """
        if self.positives != "many" and pos.shape[1] > 1:
            width = pos.shape[1]
            pos, neg = pos.reshape(-1, 1), neg.repeat_interleave(width, 0)
        if self.positives == "flat":
            pos = pos.squeeze(1)
        given = pos.dtype
        # A copy that autograd made may be changed in place, as one of a model's may.
        p, n = ((x * 1).to(self.dtype or given) for x in (pos, neg))
        value = self.raw(p, n, **masks)
        if not isinstance(value, Tensor):
            raise Unusable(f"gives back {shown(value)}, a {type(value).__name__}, not a tensor")
        if value.is_complex() or not value.is_floating_point():
            raise Unusable(f"gives back a tensor of {value.dtype}")
        if value.layout != torch.strided or value.device != pos.device:
            where = f"on {value.device}" if value.device != pos.device else value.layout
            raise Unusable(f"gives back a tensor that is {where}")
        if self.mean and value.ndim:
            value = value.mean()
        if value.numel() != 1:
            raise Unusable(f"gives back a tensor of shape {tuple(value.shape)}, not one number")
        return value.reshape(()).to(given if self.dtype else value.dtype)

    def gradients(self, pos: Tensor, neg: Tensor) -> Gradients:
        """The value and its gradients.

        Raises:
            Unusable: as for the value; or it cannot be differentiated.
        """
        p, n = (x.detach().clone().requires_grad_() for x in (pos, neg))
        with torch.enable_grad():
            value = self.number(p, n)
            if not value.requires_grad:
                return Gradients(value, None, None)
            try:
                grads = torch.autograd.grad(value, (p, n), allow_unused=True)
                return Gradients(value.detach(), *grads)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                raise Unusable(f"cannot be differentiated: {told(error)}") from error
