"""Interactions: an immutable record of who chose what, split for training and testing."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from scipy.sparse import csr_array

from ..checks import choice, part, seed_of, shown
from .ids import check_pairs, sizes
from .splits import false_positives, hold_out, matrix_of, popularity_groups
from .synthetic import Truth

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """User-item pairs in three splits. Build one with :func:`from_pairs` or ``load``.

    No training pair is in another split; one of ``valid`` in ``test`` is warned of. It can be
    pickled and copied.

    Attributes:
        name: what the data is called.
        train, valid, test: ``(n_users, n_items)`` bool CSR arrays, True for a pair; sorted,
            without duplicates, read-only.
        user_names, item_names: original names by id, such as film titles, or ``None``.
        protocol: ``"honest"`` (validation held out of the training pairs) or ``"paper"``
            (validation is the test split: :meth:`paper_protocol`).
        dropped: how many pairs of the source were left out, by reason.
        truth: the planted preferences of synthetic data, else ``None``.

    Raises:
        ValueError: splits that are no bool CSR arrays of one shape, sorted and without duplicates,
            a training pair in another split, names of another number, another protocol.
    """

    name: str
    train: csr_array
    valid: csr_array
    test: csr_array
    user_names: np.ndarray | None = None
    item_names: np.ndarray | None = None
    protocol: str = "honest"
    dropped: Mapping[str, int] = field(default_factory=dict)
    truth: Truth | None = None

    def __post_init__(self):
        for name in SPLITS:
            matrix = getattr(self, name)
            if not isinstance(matrix, csr_array) or matrix.dtype != bool or not matrix.data.all():
                raise ValueError(f"{name} must be a csr_array of bool, True for a pair")
            if not matrix.has_canonical_format:
                raise ValueError(f"{name} must be sorted and without duplicates: sum_duplicates()")
            if matrix.shape != self.train.shape:
                raise ValueError(f"{name} is {matrix.shape}, train is {self.train.shape}")
            leaked = 0 if name == "train" else matrix.multiply(self.train).nnz
            if leaked:
                raise ValueError(
                    f"{leaked} pairs of {name} are in train, too: a ranking hides them"
                )
            for array in (matrix.data, matrix.indices, matrix.indptr):
                array.flags.writeable = False
        choice("protocol", self.protocol, ("honest", "paper"))
        seen = self.valid.multiply(self.test).nnz if self.protocol == "honest" else 0
        if seen:
            warnings.warn(
                f"{self.name}: {seen} pairs of valid are in test, too, and an epoch is chosen on "
                "what is tested; leave them out of one, or say so: paper_protocol()",
                stacklevel=4,
            )
        for name, size in (("user_names", self.n_users), ("item_names", self.n_items)):
            names = getattr(self, name)
            if names is not None:
                names = np.array(names)  # a copy: the caller's array stays writable
                if names.shape != (size,):
                    found = f"{len(names)} entries" if names.ndim == 1 else f"shape {names.shape}"
                    raise ValueError(f"{name} has {found}, expected {size}")
                names.flags.writeable = False
                object.__setattr__(self, name, names)
        object.__setattr__(self, "dropped", MappingProxyType(dict(self.dropped)))

    def __reduce__(self):
        """Pickled and copied by what it is built of: checked again, and read-only again."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return type(self), tuple((parts | {"dropped": dict(self.dropped)}).values())

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.split(name).nnz:,} {name}" for name in SPLITS)
        return (
            f"Interactions({self.name!r}, {self.n_users:,} users, {self.n_items:,} items, "
            f"{counts}, {self.protocol} protocol)"
        )

    @property
    def n_users(self) -> int:
        """Number of users."""
        return self.train.shape[0]

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.train.shape[1]

    @cached_property
    def user_degree(self) -> np.ndarray:
        """Training pairs of each user, ``(n_users,)``."""
        return _read_only(np.diff(self.train.indptr).astype(np.int64))

    @cached_property
    def item_degree(self) -> np.ndarray:
        """Training pairs of each item, its popularity, ``(n_items,)``."""
        return _read_only(np.bincount(self.train.indices, minlength=self.n_items))

    def popularity_groups(self, n_groups: int = 10) -> np.ndarray:
        """Group of each item: equal shares of the training pairs, least popular items first.

        See :func:`bslutils.data.splits.popularity_groups`.
        """
        return popularity_groups(self.item_degree, n_groups)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the pairs and their splits; the name does not enter."""
        digest = hashlib.sha256(f"{self.n_users} {self.n_items}".encode())
        for name in SPLITS:
            matrix = self.split(name)
            for array in (matrix.indptr, matrix.indices):
                digest.update(array.astype("<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def numbering(self) -> str | None:
        """SHA-256 of the names of users and items in the order of their ids; ``None`` where the
        data has none. A model trained on one numbering says nothing of another.
        """
        if self.user_names is None and self.item_names is None:
            return None
        digest = hashlib.sha256()
        for names in (self.user_names, self.item_names):
            told = None if names is None else names.tolist()
            digest.update(json.dumps(told, default=str).encode())
        return digest.hexdigest()

    def split(self, name: str) -> csr_array:
        """The split called ``name``.

        Raises:
            ValueError: an unknown name; the message lists the choices.
        """
        if not isinstance(name, str) or name not in SPLITS:
            raise ValueError(f"unknown split {shown(name)}; choose one of {', '.join(SPLITS)}")
        return getattr(self, name)

    def pairs(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Users and items of a split, ``(n,)`` each, by user and then by item."""
        matrix = self.split(split)
        users = np.repeat(np.arange(self.n_users), np.diff(matrix.indptr))
        return users, matrix.indices.astype(np.int64)

    def seen(self, split: str) -> csr_array:
        """Pairs that a ranking for ``split`` leaves out, because the user already has them.

        For ``valid`` the training pairs; for ``test`` the training and validation pairs; never a
        pair of the split itself, so under the paper protocol, where validation is test, nothing
        to be found is hidden. For ``train`` nothing is left out.
        """
        if split == "test" and self.protocol == "honest":
            known = (self.train + self.valid).tocsr()
            return _minus(known, known.multiply(self.test).tocsr())
        if split in ("valid", "test"):
            return self.train
        self.split(split)
        return csr_array(self.train.shape, dtype=bool)

    def describe(self) -> dict[str, int | float | str]:
        """Name, protocol, counts, density and the median number of pairs of a user.

        Then what is easily overlooked: the users and items of a split that no training pair knows
        (*cold*: nothing could be learned of them, and a mean over users counts them all the same),
        the ids that no pair has, and what of the source was dropped.

        Example:
            >>> data = from_pairs([[0, 0], [0, 1], [1, 1]], [[1, 0]], valid_fraction=0)
            >>> data.describe()["users"], data.describe()["density"]
            (2, 1.0)
        """
        counts = {name: int(self.split(name).nnz) for name in SPLITS}
        everything = self.train + self.valid + self.test  # a pair of two splits counts once
        per_user = np.diff(everything.tocsr().indptr)
        return {
            "name": self.name,
            "protocol": self.protocol,
            "users": self.n_users,
            "items": self.n_items,
            **counts,
            "density": int(per_user.sum()) / (self.n_users * self.n_items),
            "median pairs of a user": float(np.median(per_user)),
            **self._overlooked(everything),
        }

    def _overlooked(self, everything: csr_array) -> dict[str, int]:
        found = {}
        for name in ("valid", "test"):
            users, items = self.pairs(name)
            found[f"cold users of {name}"] = len(np.unique(users[self.user_degree[users] == 0]))
            found[f"cold items of {name}"] = len(np.unique(items[self.item_degree[items] == 0]))
        users, items = everything.nonzero()
        found["users without a pair"] = self.n_users - len(np.unique(users))
        found["items without a pair"] = self.n_items - len(np.unique(items))
        return found | {f"dropped, {why}": count for why, count in self.dropped.items()}

    def paper_protocol(self) -> "Interactions":
        """Train on all training pairs and let the *test* split choose the epoch.

        The authors' code does so on Yelp2018, Gowalla and MovieLens-1M. Its figures are
        optimistic; use it only to compare with published ones, and say so.
        """
        if self.protocol == "paper":
            return self
        train = (self.train + self.valid).tocsr()
        return replace(self, train=train, valid=self.test, protocol="paper")

    def with_false_positives(self, fraction: float, seed: int = 0) -> "Interactions":
        """Noisy positives: random pairs added to train; validation and test stay clean.

        A user with n training pairs gets ``floor(fraction * n)`` random items that are not among
        them (:func:`bslutils.data.splits.false_positives`). One that is a held-out pair of the
        user is not added: it is a like, and would be lost to the test. A ranking masks the training
        pairs of the data that it is given, so evaluate on the *clean* data to leave what was added
        among the candidates.

        Args:
            fraction: of a user's training pairs, at least 0 and finite.
            seed: chooses the pairs.

        Raises:
            ValueError: ``fraction`` negative or not finite.

        Example:
            >>> data = from_pairs([[0, 0], [0, 1]], [[0, 2]], n_items=9, valid_fraction=0)
            >>> noisy = data.with_false_positives(0.5)
            >>> noisy.train.nnz, (noisy.test != data.test).nnz
            (3, 0)

        Source: the noise protocol of the public code of Wu et al., *BSL: Understanding and
        Improving Softmax Loss for Recommendation*, ICDE 2024. Used from the chapter *Who
        pulls a doubtful positive* on.
        """
        pairs = np.stack(false_positives(self.train, fraction, seed), axis=1)
        added = matrix_of(pairs, self.train.shape)
        held_out = (self.valid + self.test).tocsr()
        added = _minus(added, added.multiply(held_out).tocsr())
        train = (self.train + added).tocsr()
        name = f"{self.name} with {fraction:.0%} false positives"
        return replace(self, train=train, name=name)


def from_pairs(
    train: np.ndarray,
    test: np.ndarray,
    *,
    valid: np.ndarray | None = None,
    n_users: int | None = None,
    n_items: int | None = None,
    name: str = "custom",
    valid_fraction: float = 0.1,
    seed: int = 0,
    user_names: np.ndarray | None = None,
    item_names: np.ndarray | None = None,
    truth: Truth | None = None,
) -> Interactions:
    """Build :class:`Interactions` from ``(n, 2)`` arrays of ``(user, item)`` ids from 0.

    Ids are rows of tables: leave no gaps. Where the largest ids give the sizes, and fewer than
    half of the ids up to them are in use, or users and items both count from 1, a warning says so.
    :func:`bslutils.load_files` renumbers ids of any kind and keeps the originals as names.

    Duplicates are dropped. A validation or test pair that is also a training pair is dropped
    from there with a warning, since a ranking leaves training items out and it could never be
    found. Both are counted in ``dropped``.

    A pair may be in both ``valid`` and ``test``; a ranking for test then does not leave it out.

    Args:
        train, test: the pairs; also a tuple ``(users, items)`` of two ``(n,)`` arrays, as
            :meth:`Interactions.pairs` gives them.
        valid: validation pairs; without them a part of ``train`` is held out.
        n_users, n_items: sizes; by default what the largest ids ask for.
        name: what to call the data.
        valid_fraction: part of each user's training pairs that is held out, in [0, 1).
        seed: chooses which.
        user_names, item_names: names by id.
        truth: planted preferences of synthetic data.

    Raises:
        ValueError: ids that are not integers, negative or too large, tables of more than ten
            million rows of which half are unused, a wrong shape, no training pair,
            ``valid_fraction`` outside [0, 1), a seed or a name that is none. The message names the
            offender.
        MemoryError: there is no room for the tables.

    Example:
        >>> data = from_pairs([[0, 0], [0, 1], [1, 2], [1, 2]], [[0, 2]], valid_fraction=0)
        >>> data.n_users, data.n_items, data.train.nnz, dict(data.dropped)
        (2, 3, 3, {'duplicates': 1, 'also in train': 0})
    """
    part("valid_fraction", valid_fraction)
    seed_of("seed", seed)
    if not isinstance(name, str):
        raise ValueError(f"name must be a string, got {shown(name)}")
    pairs = {"train": train, "valid": np.empty((0, 2), int) if valid is None else valid}
    pairs["test"] = test
    pairs = {split: check_pairs(split, array) for split, array in pairs.items()}
    if len(pairs["train"]) == 0:
        raise ValueError("train holds no pair")
    shape = sizes(list(pairs.values()), n_users, n_items, name)
    matrices = {split: matrix_of(array, shape) for split, array in pairs.items()}
    duplicates = sum(len(array) - matrices[split].nnz for split, array in pairs.items())
    overlap = 0
    for split in ("valid", "test"):
        repeated = matrices[split].multiply(matrices["train"]).tocsr()
        overlap += repeated.nnz
        matrices[split] = _minus(matrices[split], repeated)
    if overlap:
        warnings.warn(
            f"{name}: {overlap} validation or test pairs are also in train and were dropped there",
            stacklevel=2,
        )
    if valid is None:
        matrices["train"], matrices["valid"] = hold_out(matrices["train"], valid_fraction, seed)
    return Interactions(
        name,
        **matrices,
        user_names=user_names,
        item_names=item_names,
        dropped={"duplicates": duplicates, "also in train": overlap},
        truth=truth,
    )


def check_data(data: Interactions) -> None:
    """Refuse what is not :class:`Interactions`: ``ValueError``."""
    if not isinstance(data, Interactions):
        raise ValueError(
            f"data must be Interactions, as load and load_files give them, got {shown(data)}"
        )


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _minus(a: csr_array, b: csr_array) -> csr_array:
    """The pairs of ``a`` that are not in its subset ``b``."""
    rest = (a.astype(np.int8) - b.astype(np.int8)).tocsr()
    rest.eliminate_zeros()
    return rest.astype(bool)
