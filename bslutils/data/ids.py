"""Ids of users and items: integers from 0, which are rows of tables."""

import warnings

import numpy as np

from ..checks import whole

LARGEST = 10**8  # rows of a table
_HOLLOW = 10**7  # rows of a table of which half or more are unused
_REMEDY = (
    "renumber them: np.unique(ids, return_inverse=True), or bslutils.load_files({'user': users, "
    "'item': items}), which keeps the originals as names"
)


def check_pairs(split: str, pairs: np.ndarray | tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Pairs as ``(n, 2)`` int64, if they are pairs of ids.

    Raises:
        ValueError: a wrong shape, ids that are not integers, negative or beyond int64.
    """
    if isinstance(pairs, tuple) and all(isinstance(ids, np.ndarray) for ids in pairs):
        lengths = [ids.shape for ids in pairs]
        if len(pairs) != 2 or lengths[0] != lengths[1] or len(lengths[0]) != 1:
            raise ValueError(f"{split} must be (users, items), (n,) each, got shapes {lengths}")
        pairs = np.stack(pairs, axis=1)
    try:
        array = np.asarray(pairs)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged rows, a tensor elsewhere
        raise ValueError(f"{split} must be (n, 2) pairs of user and item: {error}") from None
    if array.size == 0:
        return np.empty((0, 2), np.int64)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{split} must be (n, 2) pairs of user and item, got {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{split} must hold integer ids, got {array.dtype}")
    if array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{split} has an id beyond int64: {array.max()}")
    if array.min() < 0:
        row = int(np.argmax((array < 0).any(axis=1)))
        raise ValueError(f"{split} pair {row} has a negative id: {array[row].tolist()}")
    return array.astype(np.int64)


def sizes(
    pairs: list[np.ndarray], n_users: int | None, n_items: int | None, name: str
) -> tuple[int, int]:
    """How many users and items there are: as given, or by the largest ids.

    Gaps in the latter case are warned of: fewer than half of the ids up to the largest are in use,
    or both users and items count from 1.

    Raises:
        ValueError: an id that is beyond a given size; a size that is no integer or no table can
            have; an id so large that the table would be hollow.
    """
    found, first = [], []
    columns = np.concatenate(pairs).T
    for what, size, ids in zip(("users", "items"), (n_users, n_items), columns, strict=True):
        top = int(ids.max()) + 1
        if size is not None:
            whole(f"n_{what}", size, most=2**63 - 1)
        if size is not None and top > size:
            raise ValueError(f"id {top - 1} is beyond n_{what} = {size} (ids count from 0)")
        rows = top if size is None else int(size)
        if rows > LARGEST:
            reason = "" if size else f", and the largest id asks for them; {_REMEDY}"
            raise ValueError(f"{name}: {rows:,} {what} are more than {LARGEST:,}{reason}")
        if size is None:
            used = len(np.unique(ids))
            if 2 * used < rows:
                said = f"{name}: {used:,} {what} are in use, and ids go up to {rows - 1:,}"
                if rows > _HOLLOW:
                    raise ValueError(f"{said}; {_REMEDY}")
                warnings.warn(f"{said}: the rest are rows without a pair; {_REMEDY}", stacklevel=3)
            first.append(int(ids.min()))
        found.append(rows)
    if len(first) == 2 and min(first) == 1:
        warnings.warn(
            f"{name}: ids of users and of items count from 1, so that 0 is a user and an item "
            f"without a pair; subtract 1, or {_REMEDY}",
            stacklevel=3,
        )
    return found[0], found[1]
