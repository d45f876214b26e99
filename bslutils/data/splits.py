"""Choosing pairs: what to hold out, and the dense core of the data."""

import numpy as np
from scipy.sparse import csr_array

from ..checks import not_negative, part, seed_of, whole


def matrix_of(pairs: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """``(n, 2)`` pairs as a bool CSR array, sorted and without duplicates."""
    ones = np.ones(len(pairs), dtype=bool)
    matrix = csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=shape)
    matrix.sum_duplicates()
    return matrix


def hold_out(
    train: csr_array, fraction: float, seed: int, times: np.ndarray | None = None
) -> tuple[csr_array, csr_array]:
    """Hold out a part of each user's pairs, random or the last ones: ``(train, valid)``.

    A user with n pairs gives ``round(fraction * n)`` of them, halves upward, but keeps at least
    one to train on.

    Args:
        train: pairs, ``(n_users, n_items)``.
        fraction: of a user's pairs, in [0, 1).
        seed: chooses which; with ``times``, among those of the same time.
        times: of the pairs in the order of ``train.indices``, ``(nnz,)``: the last are held out.

    Raises:
        ValueError: ``fraction`` outside [0, 1).

    Example:
        >>> kept, held = hold_out(csr_array(np.ones((2, 10), dtype=bool)), 0.2, seed=0)
        >>> kept.sum(axis=1).tolist(), held.sum(axis=1).tolist()
        ([8, 8], [2, 2])
    """
    part("the fraction held out", fraction)
    seed_of("seed", seed)
    degree = np.diff(train.indptr)
    n_held = np.minimum(np.floor(fraction * degree + 0.5).astype(np.int64), degree - 1)
    users = np.repeat(np.arange(train.shape[0]), degree)
    key = np.random.default_rng(seed).random(train.nnz)
    # Users stay in order, their pairs are shuffled, or sorted from the last one.
    order = np.lexsort((key, users) if times is None else (key, -times, users))
    rank = np.arange(train.nnz) - np.repeat(train.indptr[:-1], degree)
    held = np.zeros(train.nnz, dtype=bool)
    held[order] = rank < np.repeat(n_held, degree)
    pairs = np.stack([users, train.indices], axis=1)
    return matrix_of(pairs[~held], train.shape), matrix_of(pairs[held], train.shape)


def hold_out_after(
    train: csr_array, fraction: float, times: np.ndarray
) -> tuple[csr_array, csr_array]:
    """Hold out what comes last, by one cut for all users: ``(train, valid)``.

    Of n pairs the last ``round(fraction * n)`` are held out, less those that happened at the very
    time of the last one that is kept. A user may be on one side of the cut only.

    Raises:
        ValueError: ``fraction`` outside [0, 1), or no pair after the cut.

    Example:
        >>> pairs = csr_array(np.ones((2, 2), dtype=bool))
        >>> kept, held = hold_out_after(pairs, 0.5, np.array([1, 2, 3, 4]))
        >>> kept.sum(axis=1).tolist(), held.sum(axis=1).tolist()
        ([2, 0], [0, 2])
    """
    part("the fraction held out", fraction)
    n_held = min(int(fraction * train.nnz + 0.5), train.nnz - 1)
    held = times > np.sort(times)[train.nnz - n_held - 1]
    if n_held and not held.any():
        raise ValueError(
            f"no pair is later than the cut that leaves out {n_held} of {train.nnz}: their "
            "times are the same; split='random' needs none"
        )
    users = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
    pairs = np.stack([users, train.indices], axis=1)
    return matrix_of(pairs[~held], train.shape), matrix_of(pairs[held], train.shape)


def k_core(users: np.ndarray, items: np.ndarray, k: int) -> np.ndarray:
    """Which pairs are in the k-core: every user and every item left has at least k of them.

    Args:
        users, items: ids of distinct pairs, ``(n,)``.
        k: at least 1.

    Returns:
        ``(n,)`` bool.

    Raises:
        ValueError: ``k`` below 1.

    Example:
        >>> k_core(np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 1]), 2)
        array([ True,  True,  True,  True, False])
    """
    whole("k", k)
    keep = np.ones(len(users), dtype=bool)
    while True:
        stays = keep.copy()
        for ids in (users, items):
            stays &= np.bincount(ids[keep], minlength=ids.max(initial=0) + 1)[ids] >= k
        if (stays == keep).all():
            return keep
        keep = stays


def false_positives(train: csr_array, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random pairs to be added as false positives: ``(users, items)``.

    A user with n training pairs gets ``floor(fraction * n)`` distinct items that are not among
    them, each free item being as likely (fewer if there are not as many).

    Raises:
        ValueError: ``fraction`` negative or not finite.

    Example:
        >>> train = csr_array(np.array([[1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], dtype=bool))
        >>> users, items = false_positives(train, 0.5, seed=0)
        >>> users.tolist(), bool(items[0] >= 2)
        ([0], True)

    Source: the noise protocol of the public code of Wu et al., *BSL: Understanding and Improving
    Softmax Loss for Recommendation*, ICDE 2024.
    """
    not_negative("fraction", fraction)
    rng = np.random.default_rng(seed_of("seed", seed))
    users, items = [], []
    for user, degree in enumerate(np.diff(train.indptr)):
        taken = np.unique(train.indices[train.indptr[user] : train.indptr[user + 1]])
        n_free = train.shape[1] - len(taken)
        count = int(min(fraction * degree + 1e-9, n_free))
        rank = rng.choice(n_free, count, replace=False)  # among the free items
        # Before the j-th item that is taken stand its id less j free ones.
        skipped = np.searchsorted(taken - np.arange(len(taken)), rank, side="right")
        items.append(rank + skipped)
        users.append(np.full(count, user))
    return np.concatenate(users), np.concatenate(items)


def popularity_groups(degree: np.ndarray, n_groups: int = 10) -> np.ndarray:
    """Cut items into groups of about equal total degree, the least popular in group 0.

    Items are sorted by degree, equal ones by id; an item belongs to the group in which the
    middle of its share of all pairs falls. Items without a pair are in group 0.

    Args:
        degree: training pairs of each item, ``(n_items,)``.
        n_groups: number of groups.

    Returns:
        The group of each item, ``(n_items,)``, from 0 to ``n_groups - 1``.

    Raises:
        ValueError: ``n_groups`` below 1 or above the number of items, no pair at all.

    Example:
        >>> popularity_groups(np.array([10, 1, 4, 5]), 2)
        array([1, 0, 0, 0])

    Source: the fairness protocol (``group_valid``) of the public code of Wu et al., *BSL:
    Understanding and Improving Softmax Loss for Recommendation*, ICDE 2024.
    """
    degree = np.asarray(degree)
    whole("n_groups", n_groups)
    if n_groups > len(degree):
        raise ValueError(f"n_groups must lie in [1, {len(degree)}], got {n_groups}")
    if degree.sum() == 0:
        raise ValueError("there is no pair to cut into groups")
    order = np.argsort(degree, kind="stable")
    middle = np.cumsum(degree[order]) - degree[order] / 2
    groups = np.empty(len(degree), dtype=np.int64)
    groups[order] = np.minimum(middle / degree.sum() * n_groups, n_groups - 1).astype(np.int64)
    return groups
