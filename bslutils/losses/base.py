"""What the modules of the losses share."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import plain


class Loss(nn.Module):
    """The module twin of a function: it holds the parameters, and ``forward`` calls the function.

    A twin names its ``function``, and is built with the function's keyword parameters. Those that
    are ``None`` by default, such as masks, come with each batch and are left out.

    A parameter that is a tensor is registered under its name: one that wants a gradient, as in
    ``SoftmaxLoss(tau=nn.Parameter(torch.tensor(0.2)))``, is among ``parameters()``, and
    :func:`bslutils.fit` trains it; any other is a buffer. A step may carry a learned temperature
    below zero, which the next call refuses: learn its logarithm where the rate is high.

    What else a twin says of its function is read by the trainer:

    Attributes:
        negatives: the temperature at which the loss takes the soft maximum of its negatives, by
            name, and whether it is that of a mean; ``None`` where the loss needs every score.
        solves: an equation is solved on the way, in as many steps as the scores need.
        bilateral: the positives of a row have a temperature of their own, ``tau_pos``, which does
            nothing where a row has one.
        on_vectors: the loss reads the vectors of users and of their positives, and no negatives.

    A loss of any other class may have them, too. Where one is missing it is as here, but for
    ``solves``, which then counts as true.
    """

    function: Callable[..., Tensor]
    negatives: tuple[str, bool] | None = None
    solves = False
    bilateral = False
    on_vectors = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "function" in vars(cls):
            cls.__init__ = _constructor(cls)

    def __init__(self, **params: Any) -> None:
        super().__init__()
        self._params = dict(params)
        for name, value in params.items():
            if isinstance(value, Tensor):
                self._register(name, value)
        # The function owns the checks: one call on a 1 x 1 batch runs them at construction. A
        # class derived from this one may not have made yet what its own ``forward`` needs.
        where = {v.device for v in params.values() if isinstance(v, Tensor)} or {None}
        scores = torch.zeros(1, 1, device=where.pop())
        type(self).function(scores, scores, **self.params)
        for name, value in params.items():
            if isinstance(value, Tensor) and value.ndim:  # right for that batch alone
                raise ValueError(
                    f"{name} of a module must be a number or a 0-dim tensor, such as "
                    f"torch.tensor(0.2), got shape {tuple(value.shape)}; one for each row goes "
                    "with every call of the function"
                )

    def _register(self, name: str, value: Tensor) -> None:
        if value.requires_grad and not value.is_leaf:
            raise ValueError(
                f"{name} is computed from other tensors, once: a loss that learns it holds what it "
                "is computed from, as an nn.Parameter of a module whose forward computes it"
            )
        if value.requires_grad:
            learned = value if isinstance(value, nn.Parameter) else nn.Parameter(value)
            self.register_parameter(name, learned)
        else:
            self.register_buffer(name, value)
        self._params[name] = None  # it lives where modules keep tensors

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the function, as they are now."""
        tensors = self._parameters | self._buffers
        return {name: tensors.get(name, value) for name, value in self._params.items()}

    def forward(
        self,
        pos: Tensor,
        neg: Tensor,
        pos_mask: Tensor | None = None,
        neg_mask: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch: the function, with the parameters that the module holds."""
        return type(self).function(pos, neg, pos_mask=pos_mask, neg_mask=neg_mask, **self.params)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={_shown(value)}" for name, value in self.params.items())


def _shown(value: Any) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    return f"{value.tolist()}{' (learned)' if value.requires_grad else ''}"


def _constructor(cls: type[Loss]) -> Callable[..., None]:
    """An ``__init__`` whose parameters, for ``inspect`` and ``help`` too, are the function's."""
    every = inspect.signature(cls.function).parameters.values()
    own = [p for p in every if p.kind is p.KEYWORD_ONLY and p.default is not None]
    signature = inspect.Signature(own)

    def __init__(self, **params):
        try:
            given = signature.bind(**params)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}() {error}") from None
        given.apply_defaults()
        Loss.__init__(self, **{name: plain(value) for name, value in given.kwargs.items()})

    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = inspect.Signature([self, *own])
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return __init__
