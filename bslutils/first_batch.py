"""The first batch of a training: what may be wrong with a loss shows here, before any update."""

import torch
from torch import Tensor, nn

ROWS = 8  # of the scores, that are looked at again after the call


def first_value(
    loss: nn.Module,
    pos: Tensor,
    neg: Tensor,
    *,
    pos_mask: Tensor | None = None,
    neg_mask: Tensor | None = None,
) -> Tensor:
    """The value of a loss, ``loss(pos, neg, pos_mask=…, neg_mask=…)``, once it has been looked at.

    It is called once, as it would be in any step, so that a loss with a memory, or with a draw of
    its own, goes on as if nobody had looked.

    Raises:
        TypeError: it cannot be called so, or gives back no tensor.
        ValueError: it raises, changes its scores, gives back more than one number, or no gradient
            reaches the scores.
        FloatingPointError: it, or the gradient, is not finite where the scores are. The message
            names the loss and what is expected, always.

    Example:
        >>> def share(pos, neg, pos_mask, neg_mask):
        ...     return (neg > pos).float().mean().item()
        >>> first_value(share, torch.ones(2, 1), torch.ones(2, 3))
        Traceback (most recent call last):
        TypeError: the loss share gave a float: it must give a tensor
    """
    name = getattr(loss, "__name__", type(loss).__name__)
    given = (pos, neg)
    shapes = f"pos {tuple(pos.shape)}, neg {tuple(neg.shape)}"
    kept = [(x._version, x[:ROWS].detach().clone()) for x in given]
    try:
        value = loss(pos, neg, pos_mask=pos_mask, neg_mask=neg_mask)
    except Exception as error:
        if out_of_memory(error) or isinstance(error, FloatingPointError):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"the loss {name} fails when it is called as loss(pos, neg, pos_mask=…, neg_mask=…) "
            f"with {shapes}: {error}"
        ) from error
    if not isinstance(value, Tensor):
        raise TypeError(f"the loss {name} gave a {type(value).__name__}: it must give a tensor")
    if value.numel() != 1:
        raise ValueError(
            f"the loss {name} gave a tensor of shape {tuple(value.shape)}, not one number for a "
            f"batch, such as the mean over its rows; it was given {shapes}"
        )
    for x, (version, before) in zip(given, kept, strict=True):
        same = torch.allclose(x[:ROWS].detach(), before, rtol=0, atol=0, equal_nan=True)
        if x._version != version or not same:
            raise ValueError(
                f"the loss {name} changes the scores that it is given: it must work on a copy"
            )
    if not all(x.isfinite().all() for x in given):
        return value  # not the fault of the loss
    if not value.isfinite():
        least, most = min(x.min().item() for x in given), max(x.max().item() for x in given)
        raise FloatingPointError(
            f"the loss {name} is {value.item()} for the scores of the first batch, which lie "
            f"between {least:.4g} and {most:.4g}: it must be finite"
        )
    wanted = [x for x in given if x.requires_grad]
    grads = []
    if wanted and value.requires_grad:
        grads = torch.autograd.grad(value, wanted, retain_graph=True, allow_unused=True)
    if wanted and all(grad is None for grad in grads):
        raise ValueError(
            f"no gradient of the loss {name} reaches the scores: it must be computed from them by "
            "differentiable operations of torch, without detach(), item() or comparisons"
        )
    if not all(grad is None or grad.isfinite().all() for grad in grads):
        raise FloatingPointError(
            f"the gradient of the loss {name} is not finite for the scores of the first batch"
        )
    return value


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, by what torch and Python say."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # What torch says on a CPU, by version.
    return "not enough memory" in str(error) or "can't allocate memory" in str(error)
