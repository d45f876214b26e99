"""Planted preferences: data whose truth is known."""

from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, eq=False)
class Truth:
    """What synthetic data was drawn from.

    Attributes:
        user_factors: ``(n_users, d)``, unit length.
        item_factors: ``(n_items, d)``, unit length.
        exposure: ``(n_items,)``, how readily an item is met, summing to 1; independent of the
            preferences.
        sharpness: how strongly preference decides among the items that are met.
    """

    user_factors: np.ndarray
    item_factors: np.ndarray
    exposure: np.ndarray
    sharpness: float

    @property
    def preference(self) -> np.ndarray:
        """True preference of every user for every item, cosine in [-1, 1]."""
        return self.user_factors @ self.item_factors.T

    @property
    def log_weight(self) -> np.ndarray:
        """Log of the weight with which a user draws an item, up to a constant per user."""
        return np.log(self.exposure) + self.sharpness * self.preference

    def agreement(
        self, scores: np.ndarray, candidates: np.ndarray, *, k: int = 20
    ) -> dict[str, float]:
        """How far a ranking of each user's candidates is the true one; means over users.

        Args:
            scores: ``(n_users, n_items)``, of a model.
            candidates: ``(n_users, n_items)`` bool, the items to rank: at least k of each user.
            k: length of the lists.

        Returns:
            ``"overlap@k"``, the share of the k best items by :attr:`log_weight` that are among
            the k best by score; ``"spearman"``, the rank correlation with it over all
            candidates; ``"taste"``, that with :attr:`preference`, which leaves the exposure out.

        Raises:
            ValueError: shapes that do not fit, or a user with too few candidates.

        Example:
            >>> _, truth = plant(n_users=20, n_items=60)
            >>> found = truth.agreement(truth.log_weight, np.ones((20, 60), dtype=bool))
            >>> found["overlap@20"], round(found["spearman"], 9), found["taste"] < 1
            (1.0, 1.0, True)
        """
        shape = self.preference.shape
        if scores.shape != shape or candidates.shape != shape:
            raise ValueError(f"expected {shape}, got {scores.shape} and {candidates.shape}")
        if candidates.sum(1).min() < k:
            raise ValueError(f"a user has {candidates.sum(1).min()} candidates, fewer than k={k}")
        true, taste = self.log_weight, self.preference
        rows = []
        for user, free in enumerate(candidates):
            found, wanted = scores[user, free], true[user, free]
            top = np.intersect1d(np.argsort(-found)[:k], np.argsort(-wanted)[:k])
            order = [stats.spearmanr(found, x).statistic for x in (wanted, taste[user, free])]
            rows.append((len(top) / k, *order))
        names = (f"overlap@{k}", "spearman", "taste")
        return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


def plant(
    *,
    n_users: int = 500,
    n_items: int = 800,
    dim: int = 8,
    zipf: float = 0.8,
    sharpness: float = 6.0,
    mean_pairs: float = 40.0,
    seed: int = 0,
) -> tuple[np.ndarray, Truth]:
    r"""Draw pairs from planted low-rank preferences and Zipf exposure.

    User u draws :math:`n_u` distinct items, one after the other, with weights
    :math:`e_i \exp(s \cdot p_u^\top q_i)`; :math:`e_i \propto \text{rank}_i^{-z}` is the exposure
    (popularity that has nothing to do with taste) and :math:`p_u, q_i` are random directions in
    d dimensions. :math:`n_u` is log-normal around ``mean_pairs``, at least 10 and at most a
    quarter of the items.

    Args:
        n_users, n_items, dim: sizes, at least 1 (``n_items`` at least 40).
        zipf: exponent z of the exposure, at least 0 (0 is no popularity at all).
        sharpness: s, at least 0 (0 is no taste at all).
        mean_pairs: about how many items a user draws.
        seed: seeds everything.

    Returns:
        pairs ``(n, 2)`` and the :class:`Truth`.

    Raises:
        ValueError: a parameter outside its domain.

    Example:
        >>> pairs, truth = plant(n_users=20, n_items=60)
        >>> truth.preference.shape
        (20, 60)

    Source: weighted sampling without replacement by the Gumbel-top-k rule, Kool, van Hoof and
    Welling, *Stochastic Beams and Where to Find Them*, ICML 2019.
    """
    for name, value, least in (
        ("n_users", n_users, 1),
        ("n_items", n_items, 40),
        ("dim", dim, 1),
        ("zipf", zipf, 0),
        ("sharpness", sharpness, 0),
        ("mean_pairs", mean_pairs, 1),
    ):
        if not least <= value < np.inf:
            raise ValueError(f"{name} must be finite and at least {least}, got {value}")
    rng = np.random.default_rng(seed)
    factors = [rng.normal(size=(n, dim)) for n in (n_users, n_items)]
    users, items = (f / np.linalg.norm(f, axis=1, keepdims=True) for f in factors)
    exposure = rng.permutation(np.arange(1.0, n_items + 1) ** -zipf)
    truth = Truth(users, items, exposure / exposure.sum(), sharpness)
    count = rng.lognormal(np.log(mean_pairs) - 0.125, 0.5, size=n_users)
    count = count.astype(int).clip(10, n_items // 4)
    order = np.argsort(-(truth.log_weight + rng.gumbel(size=(n_users, n_items))), axis=1)
    chosen = np.arange(n_items) < count[:, None]
    return np.stack([np.repeat(np.arange(n_users), count), order[chosen]], axis=1), truth
