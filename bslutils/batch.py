"""From a batch of ids to the scores, or the vectors, that a loss reads."""

import torch
from torch import Tensor, nn

from .config import TrainConfig
from .in_batch import LogQ
from .listed import listed_scores, ragged_scores
from .losses import negative_form, negative_temperature
from .rows import distinct
from .sampling import NoisyNegatives, in_batch_mask, uniform_negatives
from .scoring import pair_scores, shared_scores, soft_maximum


def batch_scores(
    model: nn.Module,
    user: Tensor,
    pos: Tensor,
    pos_mask: Tensor | None,
    config: TrainConfig,
    n_items: int,
    generator: torch.Generator,
    *,
    noise: NoisyNegatives | None = None,
    log_q: LogQ | None = None,
    loss: nn.Module | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Scores of a batch: positives ``(B, P)``, negatives ``(B, N)``, and the negatives' mask.

    With ``config.pool_users`` the positives of all rows come for every row, ``(B, B)``;
    :func:`bslutils.sampling.same_user_mask` says which of them count.

    For a ``loss`` that asks no more of a list of negatives than their soft maximum
    (:func:`bslutils.losses.negative_form`), the N negatives come as that one score, ``(B, 1)``:
    the loss and its gradient are the same, and nothing of size ``(B, N)`` goes through autograd.

    With ``log_q`` the scores of in-batch negatives are corrected, at the temperature of the
    ``loss``.

    For a ``loss`` on vectors (``loss.on_vectors`` is true) nothing is scored and no negative is
    drawn: the vectors of the users ``(B, d)`` and of their positives ``(B, P, d)``, and ``None``.
    """
    batch, width = pos.shape
    if getattr(loss, "on_vectors", False):
        looked = _Looked(model, user, [pos], n_items)
        return looked.users, looked.vectors(0).view(batch, width, -1), None
    replaced = None
    if config.sampler == "independent":
        neg = uniform_negatives(n_items, (batch, config.n_negatives), generator=generator)
        neg_mask = None
    else:
        neg, neg_mask = _negatives(pos, config, n_items, generator)
        if noise is not None and noise.ratio > 1:
            replaced = noise.replaced(user, len(neg), generator)
        elif noise is not None:
            listed = pos.flatten() if config.sampler == "in-batch" else neg
            kept = noise.kept(user, listed, generator)
            neg_mask = kept if neg_mask is None else neg_mask & kept
    if neg.ndim == 2 and not config.pool_users:  # each row has a list of its own
        scores = _Looked(model, user, [torch.cat([pos, neg], 1)], n_items).own_scores(0)
        return scores[:, :width], scores[:, width:], neg_mask

    lists = [pos, neg] if replaced is None else [pos, neg, replaced.own]
    looked = _Looked(model, user, lists, n_items)
    if config.pool_users:
        pos_scores = shared_scores(looked.users, looked.vectors(0))
    else:
        pos_scores = looked.own_scores(0)
    if neg.ndim == 2:
        return pos_scores, looked.own_scores(1), neg_mask
    if replaced is not None:
        shared = shared_scores(looked.users, looked.vectors(1))
        own = looked.ragged_scores(2, replaced.starts)
        return pos_scores, replaced.over(shared, own), neg_mask
    neg_items = looked.vectors(1)
    if config.sampler == "in-batch":
        neg_items = looked.vectors(0)
        if pos_mask is not None:
            neg_mask = neg_mask & pos_mask.flatten()

    users, n_lists = looked.users, _n_lists(config, batch)
    parts = list(zip(users.tensor_split(n_lists), neg_items.chunk(n_lists), strict=True))
    form, dtype = negative_form(loss), _dtype(config, users)
    if log_q is not None:
        form = None  # every score has something of its own taken off
    if form is not None:
        best = _joined([soft_maximum(*x, **form, mask=neg_mask, dtype=dtype) for x in parts])
        # A row whose negatives are all masked stays without one.
        live = None if neg_mask is None else neg_mask.any(1, keepdim=True)
        return pos_scores, best.unsqueeze(1), live
    neg_scores = _joined([shared_scores(u.to(dtype), i.to(dtype)).to(u) for u, i in parts])
    if log_q is not None:
        tau, mean = negative_temperature(loss)
        live = neg_mask if mean else None
        neg_scores = neg_scores - log_q.taken_off(pos.flatten(), batch, tau=tau, live=live)
    return pos_scores, neg_scores, neg_mask


class _Looked:
    """The vectors of a batch: of its users, ``(B, d)``, and of the items in lists of ids.

    Popular items stand in a batch many times. They are looked up, and made ready, once.
    """

    def __init__(self, model: nn.Module, user: Tensor, lists: list[Tensor], n_items: int):
        self.shapes = [ids.shape for ids in lists]
        sizes = [ids.numel() for ids in lists]
        items = torch.cat([ids.flatten() for ids in lists])
        if items.device.type == "cpu":
            rows, place = distinct(items, n_items)
            self.places = place.split(sizes)
            self.users, self.items = model(user, rows)
        else:  # a GPU would wait to hear how many there are
            self.places = None
            self.users, every = model(user, items)
            self.items = every.split(sizes)

    def vectors(self, n: int) -> Tensor:
        """Of the items in list n, one after another."""
        if self.places is None:
            return self.items[n]
        return self.items.index_select(0, self.places[n])

    def own_scores(self, n: int) -> Tensor:
        """Each user's scores with its own row of list n, ``(B, M)``."""
        if self.places is None:
            return pair_scores(self.users, self.items[n].view(*self.shapes[n], -1))
        return listed_scores(self.users, self.items, self.places[n].view(self.shapes[n]))

    def ragged_scores(self, n: int, starts: Tensor) -> Tensor:
        """Each user's scores with its own part of list n, which begins at one of ``starts``."""
        if self.places is None:
            place = torch.arange(len(self.items[n]), device=starts.device)
            return ragged_scores(self.users, self.items[n], place, starts)
        return ragged_scores(self.users, self.items, self.places[n], starts)


def _negatives(
    pos: Tensor, config: TrainConfig, n_items: int, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Items that are negatives of the rows beside the positives of the batch, list after list,
    and their mask.
    """
    if config.sampler == "in-batch":
        return pos.new_empty(0), in_batch_mask(pos)  # (B, B·P)
    if config.sampler == "full":
        return torch.arange(n_items, device=pos.device), None
    shape, n_lists = (config.n_negatives,), _n_lists(config, len(pos))
    if config.replacement:
        return uniform_negatives(n_items, (n_lists * shape[0],), generator=generator), None
    draw = {"generator": generator, "replacement": False}
    return torch.cat([uniform_negatives(n_items, shape, **draw) for _ in range(n_lists)]), None


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)  # no copy of a whole


def _n_lists(config: TrainConfig, rows: int) -> int:
    """Lists of a batch: no more than it has rows, of which the last of an epoch has few."""
    return min(config.n_lists, rows)


def _dtype(config: TrainConfig, users: Tensor) -> torch.dtype:
    return torch.bfloat16 if config.precision == "bfloat16" else users.dtype
