"""Mini-batches of positives and the negatives that go with them.

Everything here is drawn from an explicit ``torch.Generator`` on the device of the data.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.sparse import csr_array
from torch import Tensor

SAMPLERS = ("shared", "independent", "in-batch", "full")


def batches(
    train: csr_array,
    batch_size: int,
    *,
    positives: int = 1,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Yield one epoch of rows ``(user (B,), pos (B, P), pos_mask (B, P) or None)``.

    Every training pair appears exactly once in an epoch. With ``positives`` = P > 1 a row holds
    up to P positives of one user, drawn at random without replacement; the last row of a user
    is padded and masked. With P = 1 there is no padding and the mask is ``None``.

    Args:
        train: training pairs, ``(n_users, n_items)``.
        batch_size: rows in a batch, B (the last batch may be smaller).
        positives: positives of a user in a row, P.
        generator: source of randomness; its device is where the batches live.

    Raises:
        ValueError: ``batch_size`` or ``positives`` below 1, or no training pair.

    Example:
        >>> import numpy as np
        >>> train = csr_array(np.array([[1, 1, 1], [0, 1, 0]]))
        >>> g = torch.Generator().manual_seed(0)
        >>> user, pos, mask = next(batches(train, 8, positives=2, generator=g))
        >>> user.sort().values.tolist(), mask.sum().item()  # user 0 fills a row and a half
        ([0, 0, 1], 4)
    """
    for name, value in (("batch_size", batch_size), ("positives", positives)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if train.nnz == 0:
        raise ValueError("there is no training pair to draw batches from")
    device = generator.device if generator is not None else torch.device("cpu")
    items = torch.tensor(train.indices, dtype=torch.long).to(device)  # (nnz,)
    degree = torch.tensor(train.indptr, dtype=torch.long).to(device).diff()  # (n_users,)
    users = torch.arange(len(degree), device=device).repeat_interleave(degree)  # (nnz,)
    shuffle = torch.randperm(len(items), generator=generator, device=device)
    if positives == 1:
        for rows in shuffle.split(batch_size):
            yield users[rows], items[rows].unsqueeze(1), None
        return
    # Shuffle the pairs, then bring those of a user together: the order within is random.
    shuffle = shuffle[torch.argsort(users[shuffle], stable=True)]
    users, items = users[shuffle], items[shuffle]
    rank = torch.arange(len(items), device=device) - (degree.cumsum(0) - degree)[users]
    first = torch.nonzero(rank % positives == 0).squeeze(1)  # where a row begins
    size = (degree[users[first]] - rank[first]).clamp(max=positives)  # (R,)
    column = torch.arange(positives, device=device)
    order = torch.randperm(len(first), generator=generator, device=device)
    for rows in order.split(batch_size):
        mask = column < size[rows].unsqueeze(1)  # (B, P)
        pairs = first[rows].unsqueeze(1) + torch.where(mask, column, 0)  # (B, P)
        yield users[first[rows]], items.take(pairs), mask


def uniform_negatives(
    n_items: int,
    shape: tuple[int, ...],
    *,
    generator: torch.Generator | None = None,
    replacement: bool = True,
) -> Tensor:
    """Draw item ids uniformly over all items, positives included.

    Shape ``(N,)`` serves negatives *shared by the batch*, ``(B, N)`` independent ones.

    Args:
        n_items: how many items there are.
        shape: of the answer.
        generator: source of randomness; its device is where the ids live.
        replacement: whether an id may be drawn twice; without, ``shape`` must be ``(N,)``.

    Raises:
        ValueError: ``n_items`` or an entry of ``shape`` below 1; without replacement, another
            shape or more negatives than items.

    Example:
        >>> uniform_negatives(10, (4, 3), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3])
    """
    if n_items < 1 or min(shape, default=0) < 1:
        raise ValueError(f"n_items and every dimension must be at least 1, got {n_items}, {shape}")
    device = generator.device if generator is not None else None
    if replacement:
        return torch.randint(n_items, shape, generator=generator, device=device)
    if len(shape) != 1 or shape[0] > n_items:
        raise ValueError(f"cannot draw {shape} of {n_items} items without replacement")
    (n,) = shape
    if 2 * n > n_items:
        return torch.randperm(n_items, generator=generator, device=device)[:n]
    # The first n distinct values of draws with replacement, at a cost that ignores n_items.
    drawn = torch.empty(0, dtype=torch.long, device=device)
    while len(drawn) < n:
        more = torch.randint(n_items, (2 * n,), generator=generator, device=device)
        drawn = torch.cat([drawn, more])
        value, place = drawn.sort(stable=True)
        first = torch.ones_like(value, dtype=torch.bool)
        first[1:] = value[1:] != value[:-1]
        drawn = drawn[place[first].sort().values]
    return drawn[:n]


@dataclass(frozen=True)
class Replaced:
    """Shared negatives of which some are replaced, for each row, by positives of its user.

    Attributes:
        where: which, as places in the table ``(B, N)`` of all, row by row, ``(K,)``.
        own: the training positives that are drawn, each once in a row, one row after another,
            ``(T,)``.
        starts: where those of each row begin, and the last ones end, ``(B + 1,)``.
        pick: the place in ``own`` of what takes each of these places, ``(K,)``.

    Example:
        >>> one, first = torch.tensor([1]), torch.tensor([0])
        >>> drawn = Replaced(one, torch.tensor([7]), torch.tensor([0, 1]), first)
        >>> drawn.over(torch.tensor([[3, 4]]), drawn.own)
        tensor([[3, 7]])
    """

    where: Tensor
    own: Tensor
    starts: Tensor
    pick: Tensor

    def over(self, shared: Tensor, own: Tensor) -> Tensor:
        """What ``shared (B, N)`` has, but for what ``own (T,)`` has of the replaced ones."""
        false = own.index_select(0, self.pick)
        return shared.flatten().index_copy(0, self.where, false).view_as(shared)


class NoisyNegatives:
    r"""Shared negatives in which a user's own positives come up more or less often.

    A training positive of the user is a negative with relative weight r, any other item with
    weight 1: r = 1 is uniform, r = 0 true negatives only, more than 1 noise. For r > 1 each
    uniform column is replaced, with probability :math:`(r-1) n_u / (M + (r-1) n_u)`, by a random
    training positive of that user (M items, n_u positives); for r < 1 a column that holds a
    positive of the user is masked with probability 1 - r. Both give the stated weights exactly.

    Args:
        train: training pairs, ``(n_users, n_items)``.
        ratio: r, at least 0 and finite.
        device: where the batches live.

    Raises:
        ValueError: ``ratio`` negative or not finite.

    Example:
        >>> train = csr_array([[1, 0, 0], [0, 1, 0]])
        >>> user, neg = torch.tensor([0, 1]), torch.tensor([0, 1, 2])
        >>> NoisyNegatives(train, 0.0).kept(user, neg, torch.Generator())
        tensor([[False,  True,  True],
                [ True, False,  True]])

    Source: the sampler ``uniform_gpu_ratio`` of the public code of Wu et al., *BSL:
    Understanding and Improving Softmax Loss for Recommendation*, ICDE 2024.
    """

    def __init__(self, train: csr_array, ratio: float, device: torch.device | str = "cpu"):
        if not 0 <= ratio < float("inf"):
            raise ValueError(f"ratio must be at least 0 and finite, got {ratio}")
        train = train.sorted_indices()
        self.ratio, self.n_items = ratio, train.shape[1]
        self.items = torch.tensor(train.indices, dtype=torch.long).to(device)
        self.start = torch.tensor(train.indptr, dtype=torch.long).to(device)
        self.degree = self.start.diff()

    def mixed(self, user: Tensor, neg: Tensor, generator: torch.Generator) -> Tensor:
        """For r > 1: each row's negatives ``(B, N)``, those of ``neg (N,)`` but for some that are
        replaced by positives of the row's user.
        """
        drawn = self.replaced(user, len(neg), generator)
        return drawn.over(neg.repeat(len(user), 1), drawn.own)

    def replaced(self, user: Tensor, n: int, generator: torch.Generator) -> Replaced:
        """For r > 1: which of ``n`` shared negatives are replaced for each row, and by what.

        A positive that a row draws many times stands there once: it has one score.
        """
        degree = self.degree[user]
        extra = (self.ratio - 1) * degree
        chance = extra / (self.n_items + extra)  # (B,)
        shape, device = (len(user), n), user.device
        chosen = torch.rand(shape, generator=generator, device=device) < chance.unsqueeze(1)
        own, starts = self._own(user)
        of_row = chosen.sum(1)
        many = degree.repeat_interleave(of_row)
        pick = torch.rand(len(many), generator=generator, device=device) * many
        pick = pick.long() + starts[:-1].repeat_interleave(of_row)
        used = torch.zeros(len(own) + 1, dtype=torch.long, device=device).index_fill_(0, pick, 1)
        before = used.cumsum(0) - used  # how many are drawn of those that stand before
        where = chosen.flatten().nonzero().squeeze(1)
        return Replaced(where, own[used[:-1] > 0], before[starts], before[pick])

    def _own(self, user: Tensor) -> tuple[Tensor, Tensor]:
        """The training positives of users, ``(T,)``, and where each begins, ``(B + 1,)``."""
        degree = self.degree[user]
        starts = torch.cat([degree.new_zeros(1), degree.cumsum(0)])
        shift = (self.start[user] - starts[:-1]).repeat_interleave(degree)
        return self.items[torch.arange(len(shift), device=user.device) + shift], starts

    def kept(self, user: Tensor, neg: Tensor, generator: torch.Generator) -> Tensor:
        """For r < 1: which columns of ``neg (N,)`` count for each row, ``(B, N)`` bool."""
        used = torch.zeros(self.n_items, dtype=torch.bool, device=user.device)
        used[neg] = True
        n_used, place = int(used.sum()), torch.where(used, used.cumsum(0) - 1, -1)
        own, starts = self._own(user)
        rows = torch.arange(len(user), device=user.device).repeat_interleave(starts.diff())
        column = place[own]  # of every positive, -1: absent
        false = torch.zeros(len(user), n_used, dtype=torch.bool, device=user.device)
        false[rows[column >= 0], column[column >= 0]] = True
        false = false[:, place[neg]]
        if self.ratio == 0:
            return ~false
        lucky = torch.rand(false.shape, generator=generator, device=user.device) < self.ratio
        return ~false | lucky


def false_negative_share(train: csr_array, ratio: float) -> float:
    r"""Share of false negatives among those drawn by :class:`NoisyNegatives`.

    .. math:: \frac{1}{\sum_u n_u} \sum_u n_u \frac{r n_u}{M - n_u + r n_u}

    the mean over training pairs, of M items, n_u of them training positives of user u. What r
    means depends on the data; this does not.

    Raises:
        ValueError: ``ratio`` negative or not finite, or no training pair.

    Example:
        >>> import numpy as np
        >>> train = csr_array(np.array([[1, 0, 0, 0], [0, 1, 0, 0]]))
        >>> false_negative_share(train, 1), false_negative_share(train, 3)
        (0.25, 0.5)
    """
    if not 0 <= ratio < float("inf"):
        raise ValueError(f"ratio must be at least 0 and finite, got {ratio}")
    if train.nnz == 0:
        raise ValueError("there is no training pair, so no negative can be false")
    degree = np.diff(train.indptr).astype(float)
    false = ratio * degree
    drawn = train.shape[1] - degree + false
    share = np.divide(false, drawn, out=np.zeros_like(false), where=drawn > 0)
    return float(degree @ share / degree.sum())


def ratio_of_share(train: csr_array, share: float) -> float:
    """The ratio r at which a ``share`` of the negatives drawn is false: the inverse of
    :func:`false_negative_share`.

    Raises:
        ValueError: ``share`` outside [0, 1), or no training pair.

    Example:
        >>> import numpy as np
        >>> train = csr_array(np.array([[1, 0, 0, 0], [0, 1, 0, 0]]))
        >>> round(ratio_of_share(train, 0.5), 6)
        3.0
    """
    if not 0 <= share < 1:
        raise ValueError(f"share must lie in [0, 1), got {share}")
    if share == 0:
        return 0.0
    high = 1.0
    while false_negative_share(train, high) < share:
        high *= 2
    return float(brentq(lambda ratio: false_negative_share(train, ratio) - share, 0, high))


def in_batch_mask(pos: Tensor) -> Tensor:
    """Which positives of a batch serve a row as negatives: ``(B, P) -> (B, B·P)``, bool.

    The items of a batch are everyone's negatives, except that a row's own items (also where
    another row repeats them) are not its negatives. Items come in proportion to their
    popularity, not uniformly: another distribution of negatives, hence another loss.

    Raises:
        ValueError: ``pos`` is not ``(B, P)``.

    Example:
        >>> in_batch_mask(torch.tensor([[7], [8], [7]]))
        tensor([[False,  True, False],
                [ True, False,  True],
                [False,  True, False]])
    """
    if pos.ndim != 2:
        raise ValueError(f"pos must be (B, P), got {tuple(pos.shape)}")
    own = pos.unsqueeze(1) == pos.flatten().view(1, -1, 1)  # (B, B·P, P)
    return ~own.any(2)


def same_user_mask(user: Tensor) -> Tensor:
    """Which pairs of a batch belong to the same user: ``(B,) -> (B, B)``, bool.

    With the scores ``(B, B)`` of every row's user with every positive of the batch it is the
    ``pos_mask`` that pools the positives of a user within a random batch.

    Raises:
        ValueError: ``user`` is not ``(B,)``.

    Example:
        >>> same_user_mask(torch.tensor([7, 8, 7]))
        tensor([[ True, False,  True],
                [False,  True, False],
                [ True, False,  True]])
    """
    if user.ndim != 1:
        raise ValueError(f"user must be (B,), got {tuple(user.shape)}")
    return user.unsqueeze(1) == user


def expected_partners(train: csr_array, batch_size: int) -> float:
    r"""How many other positives of the same user a pair meets in a random batch, on average.

    .. math:: (b - 1) \frac{\sum_u n_u (n_u - 1)}{n (n - 1)}

    for a batch of ``b`` of all ``n`` training pairs, ``n_u`` of them of user u. A loss that pools
    the positives of a user within such a batch has this many to pool beside the pair itself.

    Raises:
        ValueError: ``batch_size`` below 1, or fewer than two training pairs.

    Example:
        >>> import numpy as np
        >>> expected_partners(csr_array(np.ones((3, 2), dtype=bool)), 6)  # the whole data
        1.0

    Source: this book, chapter *One name, several losses*.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if train.nnz < 2:
        raise ValueError(f"there must be at least two training pairs, got {train.nnz}")
    degree, n = np.diff(train.indptr).astype(float), train.nnz
    return float((min(batch_size, n) - 1) * (degree * (degree - 1)).sum() / (n * (n - 1)))
