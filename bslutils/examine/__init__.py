"""A report on any loss: whether it is sound, what it does, what it is like, and how it trains.

For a reader's own loss; :func:`check_loss` is :func:`bslutils.check_loss`.
"""

from collections.abc import Callable
from typing import Any

from ..checks import shown, switch
from ..losses import VECTOR_LOSSES, SoftmaxLoss
from .called import Called, Unusable, plain, told
from .character import character, cost
from .faults import findings
from .finding import Finding
from .nearest import nearest
from .report import Report
from .rows import TAU, rows
from .trained import trained

__all__ = ["Finding", "Report", "check_loss"]


def check_loss(loss: Callable[..., Any], *, train: bool = True, name: str | None = None) -> Report:
    r"""Look at a loss of scores: its faults, its character, its relatives, and what it trains.

    Everything is measured, on scores of real people under a model trained with softmax loss:

    * **Faults**: what is wrong in any loss, such as a value that is not finite, a gradient that
      does not arrive or points the wrong way, users that get into each other's way. *Warnings* tell
      of what some losses want and others have by mistake, such as seeing a shift of all scores.
    * **Character**: how unequally the loss pushes negatives, as a divergence and as the
      temperature of the softmax loss that does the same, the price that it puts on the variance
      of scores,

      .. math:: \frac{\ell(f) - \ell(\bar f)}{\mathrm{Var}(f) \sum_j \partial \ell / \partial f_j},

      and what a false negative, a false positive and a shift to popular negatives do to it.
    * **Relatives**: the losses of the package whose gradients point most nearly the same way.
    * **Training**, where there is no fault: matrix factorisation on ``movielens-small`` beside
      softmax loss, BSL and BPR, with as many tries for each, chosen on validation; test NDCG@20 of
      four seeds, with intervals over users and seeds. The tries of a loss are its temperature as
      it is, halved and doubled, where it has one (:func:`bslutils.examine.variants.variants`).

    Args:
        loss: ``loss(pos, neg)`` of scores ``(B, P)`` and ``(B, N)`` to one number, for
            cosines, such as a function or a module; ``pos_mask`` and ``neg_mask`` as
            :mod:`bslutils.losses` says, if it takes them.
        train: whether to train, too. That takes most of the minute.
        name: of the loss, for the report; its own by default.

    Returns:
        a report: print it, look at its ``ok``, ``faults`` and ``warnings``, draw its ``figure()``,
        ``save("my-loss.html")``. Whatever the loss does, it is a finding, not an error.

    Raises:
        ValueError: what cannot be called, or a loss of vectors.

    Example:
        >>> import torch
        >>> def my_loss(pos, neg, tau=0.2):
        ...     return (torch.log(torch.exp(neg / tau).sum(1)) - pos.mean(1) / tau).mean()
        >>> report = check_loss(my_loss, train=False)
        >>> report.ok, [f.check for f in report.warnings]
        (True, ['finite', 'masks'])
        >>> report.warnings[0].measured
        'finite for cosines; the value is inf for scores 100 times as large'
        >>> report.nearest[0].name
        'softmax'
    """
    if not callable(loss):
        raise ValueError(f"loss must be a function or a module, got {shown(loss)}")
    if isinstance(loss, type):
        raise ValueError(f"loss must be an object such as {loss.__name__}(…), got the class itself")
    if getattr(loss, "on_vectors", False) or type(loss) in VECTOR_LOSSES.values():
        raise ValueError(f"loss must read scores, and {shown(loss)} reads vectors")
    switch("train", train)
    if name is None:
        name = getattr(loss, "__name__", None) or shown(loss)
    name, called, on = plain(str(name)) or "a loss", Called(loss), rows()
    found = findings(called, on)
    if found[-1].check == "time":
        return Report(name, found, notes=["Nothing more was measured: it takes too long."])
    try:
        numbers = character(called, on)
        relatives, time = nearest(called, on), cost(called)
    except Unusable as why:
        return Report(name, found, notes=[f"Its character was not measured, since it {why}."])
    beside = character(Called(SoftmaxLoss(tau=TAU)), on)
    notes, after = [], None
    if train and any(f.grade == "fault" for f in found):
        notes.append("It was not trained: mend the faults first.")
    elif train:
        masks = all(f.grade == "fine" for f in found if f.check == "masks")
        try:
            after = trained(called, takes_masks=masks)
        except (Exception, SystemExit) as error:  # of a stranger's loss, in the middle of it
            notes.append(f"Training it failed: {told(error)}")
    return Report(name, found, numbers, beside, time, relatives, after, notes, called, on)
