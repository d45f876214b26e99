"""Lists to show: the best items for some users, with names and scores."""

import warnings
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array

from .checks import choice, plain, shown
from .data import Interactions, check_data
from .data.interactions import SPLITS
from .rank import Scorer, check_cutoff, table_of, top_items, users_at_a_time


@dataclass(frozen=True, eq=False)
class Recommendations:
    """What :func:`recommend` gives: a list of items for each of some users, best first.

    Iterated over it gives pairs of a user and its list, ``(user, [(item, score), …])``, by name
    where the data has names and else by id.

    Attributes:
        users: ids of the users, ``(n,)``.
        items: ids of the items, ``(n, k)``; -1 where a list is shorter than k.
        scores: their scores, ``(n, k)``; NaN where a list is shorter.
        user_names, item_names: those of the data, or ``None``.
    """

    users: np.ndarray
    items: np.ndarray
    scores: np.ndarray
    user_names: np.ndarray | None = None
    item_names: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.users)

    def __iter__(self) -> Iterator[tuple[Any, list[tuple[Any, float]]]]:
        for user, items, scores in zip(self.users, self.items, self.scores, strict=True):
            there = items >= 0
            names = _named(items[there], self.item_names)
            found = list(zip(names.tolist(), scores[there].tolist(), strict=True))
            yield _named(user, self.user_names).item(), found

    def __repr__(self) -> str:
        return f"Recommendations({len(self)} users, up to {self.items.shape[1]} items each)"

    def columns(self) -> dict[str, np.ndarray]:
        """A table with a row for each item of each list, as ``pandas.DataFrame`` takes it:
        ``user``, ``rank`` from 1, ``item`` and ``score``.
        """
        row, place = np.nonzero(self.items >= 0)
        return {
            "user": _named(self.users[row], self.user_names),
            "rank": place + 1,
            "item": _named(self.items[row, place], self.item_names),
            "score": self.scores[row, place],
        }


def recommend(
    model: Scorer,
    data: Interactions,
    users: Iterable[Hashable] | Hashable | None = None,
    k: int = 20,
    *,
    leave_out: Iterable[str] = ("train", "valid"),
    by: str | None = None,
) -> Recommendations:
    """The ``k`` best items for each user, among those that it does not have yet.

    Users come and go by name where the data has ``user_names``, as from
    :func:`bslutils.load_files`, and by id, a row of the data, where it has none. Of equal scores
    the item with the smaller id comes first. A user with fewer than ``k`` candidates gets fewer. Of
    users without a training pair a model that embeds knows nothing, and no more does a function
    that gives them one score for all items: a warning says so.

    Args:
        model: has ``embed()``, or is a function from ids of users to their scores of all items, as
            in :func:`bslutils.evaluate`.
        data: the interactions.
        users: whom for, one or several; all by default.
        k: length of a list.
        leave_out: splits whose pairs are left out, as the user has them: what is known in
            practice. With ``"test"``, too, every pair of the data is; ``()`` leaves nothing out.
        by: ``"name"`` or ``"id"``, what ``users`` are; by default names where the data has any.

    Raises:
        ValueError: a user or a name that is not there, a name that several users have, ``k`` below
            1 or beyond the number of items, an unknown split, a model that does not fit the data
            or gives NaN or infinity.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load_files({"user": ["ann", "ann", "bo"], "item": ["tea", "milk", "milk"]},
        ...                       test_fraction=0, valid_fraction=0)
        >>> popular = lambda users: np.tile(data.item_degree, (len(users), 1))
        >>> list(recommend(popular, data, "bo", k=2))
        [('bo', [('tea', 1.0)])]
    """
    check_data(data)
    k = check_cutoff(k, data)
    ids = _ids(users, data, by)
    seen = _seen(data, leave_out)
    nothing = csr_array(seen.shape, dtype=bool)  # ties are not resolved against anything
    strangers = ids[data.user_degree[ids] == 0]
    if len(strangers) and hasattr(model, "embed"):
        warnings.warn(
            f"{len(strangers)} of {len(ids)} users have no training pair, such as "
            f"{_named(strangers[:1], data.user_names).tolist()[0]!r}: the model has learned "
            "nothing of them, and their lists mean nothing; recommend what is popular",
            stacklevel=2,
        )
        strangers = strangers[:0]  # told
    scores_of, device = table_of(model, data)
    items = np.full((len(ids), k), -1, dtype=np.int64)
    scores = np.full((len(ids), k), np.nan)
    step = users_at_a_time(data, device)
    for start in range(0, len(ids), step):
        part = ids[start : start + step]
        with torch.no_grad():
            value, item = top_items(scores_of(part), seen[part], nothing[part], k)
        value, item = value.double().cpu().numpy(), item.cpu().numpy()
        there = value > -np.inf
        items[start : start + step][there] = item[there]
        scores[start : start + step][there] = value[there]
    level = np.isin(ids, strangers) & (items >= 0).any(1)
    level &= np.nanmax(scores, 1, initial=-np.inf) == np.nanmin(scores, 1, initial=np.inf)
    if level.sum() > 0 and k > 1:
        warnings.warn(
            f"{level.sum()} of {len(ids)} users have no training pair and the same score for every "
            f"item, such as {_named(ids[level][:1], data.user_names).tolist()[0]!r}: their lists "
            "mean nothing; recommend what is popular",
            stacklevel=2,
        )
    return Recommendations(ids, items, scores, data.user_names, data.item_names)


def _seen(data: Interactions, leave_out: Iterable[str]) -> csr_array:
    if isinstance(leave_out, str):
        leave_out = (leave_out,)
    try:
        names = iter(leave_out)
    except TypeError:
        raise ValueError(f"leave_out must hold names of splits, got {shown(leave_out)}") from None
    seen = csr_array(data.train.shape, dtype=bool)
    for name in names:
        seen = seen + data.split(choice("a split in leave_out", name, SPLITS))
    return seen.tocsr()


def _ids(users: Any, data: Interactions, by: str | None) -> np.ndarray:
    """Ids of users that are given by name or by id, or all of them: ``(n,)``."""
    if by is None:
        by = "id" if data.user_names is None else "name"
    choice("by", by, ("name", "id"))
    if by == "name" and data.user_names is None:
        raise ValueError(f"{data.name} has no names of users: by must be 'id'")
    if users is None:
        return np.arange(data.n_users)
    if isinstance(users, str | bytes) or not hasattr(users, "__iter__"):
        users = [users]
    elif getattr(users, "ndim", 1) == 0:  # a scalar of numpy has __iter__ all the same
        users = [users.item()]
    if hasattr(users, "tolist"):
        users = users.tolist()
    known = range(data.n_users) if by == "id" else _places(data.user_names)
    return np.array([_id(plain(user), known, data, by) for user in users], dtype=np.int64)


def _id(user: Any, known: range | dict[Any, list[int]], data: Interactions, by: str) -> int:
    if by == "id":
        # `True in range(2)`, and 1.0 is, too.
        if type(user) is not int or user not in known:
            raise ValueError(
                f"a user must be an id from 0 to {data.n_users - 1}, as {data.name} has no "
                f"others, got {shown(user)}"
            )
        return user
    try:
        places = [] if isinstance(user, bool) else known.get(user, [])
    except TypeError:  # no name at all, such as a list
        places = []
    if len(places) != 1:
        count = "several users are" if places else "no user is"
        example = shown(data.user_names.tolist()[0])
        raise ValueError(
            f"{count} called {shown(user)} in {data.name}, where {example} is a name of a user; "
            "show a new one what is popular, until a training has seen it (by='id' takes rows)"
        )
    return places[0]


def _places(names: np.ndarray) -> dict[Any, list[int]]:
    """The ids that have each name."""
    found: dict[Any, list[int]] = {}
    for place, name in enumerate(names.tolist()):
        found.setdefault(name, []).append(place)
    return found


def _named(ids: np.ndarray, names: np.ndarray | None) -> np.ndarray:
    return np.asarray(ids if names is None else names[ids])
