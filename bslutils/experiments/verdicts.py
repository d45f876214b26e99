"""How records become verdicts: the rules for the runs of ``paper_noise``.

Their core was written down before these runs; the rule of the second claim is younger (below).

* What counts: NDCG@20 of final runs on test, ranked among all items that are not in the clean
  training pairs. Every setting is chosen on validation, by Recall@20, as in the sweep ``field``
  from whose settings the tuning starts.
* The paper's first claim, on a data set: softmax loss loses less than BPR, BCE, MSE and CCL from
  clean training to the most false negatives. The difference of the relative changes,
  :func:`change`, is looked at loss by loss, with settings kept from clean data.
* Its second claim, on a data set: at equal accuracy softmax loss shows items more equally than
  BPR, BCE, MSE and CCL. The settings on the frontier of a loss's tuning on clean data, which no
  other of its trials beats in both validation and Gini index, are trained at the length of the
  bench (seed 0). Both losses are taken at the best validation that both of them reach, where each
  may mix the settings of its frontier, to the lowest Gini index that it can have there
  (:func:`bslutils.experiments.fairness.at_equal_accuracy`). What counts is
  by how much the Gini index of softmax loss is :func:`below` that of the other, both of test
  lists. The interval rests on the spread of the index over seeds of the final clean runs, pooled
  over all losses that have several on that data; a difference is equal within ± 0.02 of the index
  (:data:`EQUAL_GINI`).
* That rule was written after most of the clean tuning on MovieLens-1M, and a little of that on
  Amazon-Electronics, had been recorded. Their exposure was not looked at for it. The runs under
  the paper protocol on Yelp2018 and Gowalla are older than the rule, and were known, as were short
  and two long runs under the honest one on Yelp2018: what they say of fairness is described,
  without a verdict.
* Its third claim, on a data set: the bilateral loss is above softmax loss at the most false
  positives. That is the relative :func:`lead`, both tuned under the noise.
* The same with settings tuned, or kept, is shown beside, and decides nothing.
* So is the same with settings that were looked for by validation NDCG@20, from the same start and
  with as many trials. That was added late, when the verdicts of the first and the third claim on
  MovieLens-1M were known: the trials of their tuning say that there the metric of the choice
  matters, most to softmax loss, for which NDCG@20 chooses a higher temperature.
* The trials that tune are half as long as the final runs on MovieLens-1M. So a third reading, added
  later still, takes the best by validation Recall@20 among the settings that are recorded at the
  length of the bench (:mod:`.paper_at_length`); under false positives what was second in the tuning
  is run at that length, too, since 2026-12-01. It decides nothing either. On clean data, which
  the first claim takes its settings from, this gives softmax loss the setting that NDCG@20 chose:
  so the length of the trials matters, too. Under the noise of the third claim softmax loss keeps
  the setting that Recall@20 chose.
* Convergence is tested without noise (below). Where validation of softmax loss, its settings kept,
  still rises by 10 % or more (:data:`RISING`) between the last two looks under the most false
  negatives, softmax loss alone is trained twice as long, with and without them
  (:mod:`.paper_longer`; seed 0, the interval over users). That was added on 2026-12-01, when it
  was known to rise by 48 % on Yelp2018. It is a favour to softmax loss, since the others keep
  their length, and decides nothing: it says how much of the fall slow training may explain.
* An interval has 95 % and covers both what other users and what other seeds would give
  (:func:`estimate`); a test makes up experiments of three seeds and 900 users, and it covers the
  truth as often as it says. Where there is one seed, the spread over seeds is that of the data sets
  with several. Runs of different kinds of device are never paired. The interval of the second
  claim is of the Gini index alone (:func:`below`): it covers other seeds, not other users, and
  leaves out that the level of equal accuracy would move with the seed.
* Of the comparisons of a claim, all data sets together, at most 5 % of those that are called
  better or worse may be so by chance (Benjamini and Hochberg, :data:`CHANCE`). Data sets arrive one
  by one, and each is reckoned with those before it: so an early word may still change.
* A difference is *equal* if its interval lies within ± 2 % (:data:`EQUAL`) or, of the Gini index,
  within ± 0.02, else *better* or *worse* if it is beyond chance and its interval leaves out 0,
  else *undecided*. Until 2026-11-30 the chance was reckoned with normal tails, which are too thin
  for three seeds; no word changed with Student's.
* On a data set a claim is *mixed* if some comparisons are better and some worse. Else it is
  *undecided* if one is; it *holds* if one is better; and it *does not hold* if none is.
* A bench is preliminary, and carries no verdict, if twice the epochs add 2 % or more to validation
  (:data:`ADDED`), or if softmax loss is below 90 % (:data:`LEVEL`) of the best that is recorded of
  any loss on that data with matrix factorisation and the same protocol.

What the ledger makes of these words stands in :mod:`bslutils.verify.paper_data`. That code is
younger than the rules above, and older than the first run under noise that they judge; runs
without noise were known when it was written:

* If the claim *holds* on any data set, the ledger says *holds under conditions*. If not, but it is
  *mixed* on any, it says *mixed*; if neither, but it *does not hold* on any, *does not hold*; else
  *undecided*. Only a data set with every comparison, on a bench that is not preliminary, counts.
  Until 2026-11-30 a claim that is mixed on one data set was said to hold under conditions, even
  where most of its comparisons there are worse.
* That BSL is better *without* noise is judged for each data set with each model. One where it is
  better makes the claim hold under conditions. Else a single one where it is equal or worse is
  enough for *does not hold*. The lead is relative, in
  NDCG@20. Its interval is over seeds alone, unlike those above. The small data are among the
  comparisons when chance is reckoned, and decide nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from ..intervals import Interval, adjusted
from ..provenance import device_kind
from .per_user import METRIC, unpack

EQUAL = 0.02  # relative difference that does not matter
EQUAL_GINI = 0.02  # difference of the Gini index that does not
CHANCE = 0.05  # share of the differences found that may be by chance
LEVEL = 0.9  # of the best known, which a bench must reach
RISING = 0.1  # between the last two looks, by more than that training under noise was too short
ADDED = 0.02  # what twice the epochs may not add to the validation of a model that has converged
WORDS = ("better", "equal", "worse", "undecided")


class Ratio(NamedTuple):
    """One mean over another, with what tells how sure it is.

    Attributes:
        value: the ratio of the means over users and seeds.
        seeds: the same seed by seed, ``(k,)``.
        users: how much each user moves it, ``(n,)``; the mean is 0.
        kinds: the kinds of device of the runs.
    """

    value: float
    seeds: np.ndarray
    users: np.ndarray
    kinds: frozenset[str]

    def minus(self, other: "Ratio | float") -> "Ratio":
        """The difference, over the same users and seeds; or less a constant."""
        if not isinstance(other, Ratio):
            return self._replace(value=self.value - other, seeds=self.seeds - other)
        if len(self.seeds) != len(other.seeds) or len(self.users) != len(other.users):
            raise ValueError(
                f"ratios must be over the same seeds and users, got {len(self.seeds)} and "
                f"{len(other.seeds)}, {len(self.users)} and {len(other.users)}"
            )
        return Ratio(
            self.value - other.value,
            self.seeds - other.seeds,
            self.users - other.users,
            self.kinds | other.kinds,
        )


def ratio(top: Sequence[dict[str, Any]], bottom: Sequence[dict[str, Any]]) -> Ratio:
    """The metric of some runs over that of others, with the same seeds.

    Raises:
        ValueError: runs that do not keep users, or other numbers of seeds or users.
    """
    a, b = (_users(records) for records in (top, bottom))
    if a.shape != b.shape:
        raise ValueError(f"runs must have the same seeds and users, got {a.shape} and {b.shape}")
    kinds = frozenset(device_kind(record["hardware"]) for record in (*top, *bottom))
    return ratio_of(a, b, kinds)


def ratio_of(top: np.ndarray, bottom: np.ndarray, kinds: frozenset[str]) -> Ratio:
    """The same of the metrics themselves, ``(k, n)`` each: a row for a seed, a column for a user;
    ``kinds`` are the devices that they were made on.
    """
    value = top.mean() / bottom.mean()
    moved = (top.mean(0) - value * bottom.mean(0)) / bottom.mean()
    return Ratio(float(value), top.mean(1) / bottom.mean(1), moved, kinds)


def _users(records: Sequence[dict[str, Any]]) -> np.ndarray:
    """The metric, ``(k, n)``: a row for a seed, a column for a user."""
    if any("users" not in record for record in records):
        raise ValueError("a run keeps no metric of its users")
    return np.stack([unpack(record["users"][METRIC]) for record in records])


def lead(first: Sequence[dict], second: Sequence[dict]) -> Ratio:
    """By how much the first is above the second, in parts of it."""
    return ratio(first, second).minus(1.0)


def change(
    first: tuple[Sequence[dict], Sequence[dict]], second: tuple[Sequence[dict], Sequence[dict]]
) -> Ratio:
    """By how much less the first loses than the second, of its own: noisy over clean runs."""
    return ratio(*first).minus(ratio(*second))


class Estimate(NamedTuple):
    """A difference with its interval, and the chance of one so large where there is none."""

    interval: Interval
    p_value: float


def estimate(difference: Ratio, *, spread: float | None = None, freedom: int = 0) -> Estimate:
    r"""The interval of a difference, over other users and other seeds at once.

    .. math:: \bar d \pm \sqrt{(t \, s / \sqrt k)^2 + (1.96 \, e)^2}

    with s the spread over k seeds, t Student's quantile, and e the standard error over users. The
    chance is that of Student's distribution for :math:`\bar d` over :math:`\sqrt{s^2/k + e^2}`,
    with Satterthwaite's degrees of freedom,

    .. math:: \nu' = \nu \, \frac{(s^2/k + e^2)^2}{(s^2/k)^2}

    where :math:`\nu` are those of s: :math:`\nu` itself where only seeds differ, and many where
    only users do.

    Args:
        difference: of ratios.
        spread: over seeds, where there is one seed; from other data.
        freedom: degrees of freedom of that.

    Raises:
        ValueError: a single seed without a spread; runs of several kinds of device.
    """
    if len(difference.kinds) > 1:
        raise ValueError(f"runs of different devices are not paired: {sorted(difference.kinds)}")
    k, n = len(difference.seeds), len(difference.users)
    if k > 1:
        spread, freedom = float(difference.seeds.std(ddof=1)), k - 1
    if spread is None or freedom < 1:
        raise ValueError("one seed has no spread: give that of other data, and its freedom")
    over_seeds = spread / np.sqrt(k)
    over_users = float(difference.users.std(ddof=1) / np.sqrt(n))
    both, value = float(np.hypot(over_seeds, over_users)), difference.value
    t, z = stats.t.ppf(0.975, freedom), stats.norm.ppf(0.975)
    half = float(np.hypot(t * over_seeds, z * over_users))
    if both == 0:
        p_value = float(value == 0)
    else:
        many = freedom * (both / over_seeds) ** 4 if over_seeds else np.inf
        p_value = float(2 * stats.t.sf(abs(value) / both, many))
    return Estimate(Interval(value, value - half, value + half), p_value)


def pooled(seeds: Iterable[Sequence[float]]) -> tuple[float, int]:
    r"""The spread over seeds that several groups of runs share, and its degrees of freedom.

    .. math:: s^2 = \frac1\nu \sum_g \sum_{k=1}^{n_g} (x_{gk} - \bar x_g)^2, \qquad
              \nu = \sum_g (n_g - 1)

    Args:
        seeds: the values of each group, one for each seed.

    Raises:
        ValueError: no group has two seeds.

    Example:
        >>> pooled([[0.1, 0.3], [0.5]])
        (0.1414213562373095, 1)
    """
    groups = [np.asarray(values, dtype=float) for values in seeds]
    freedom = sum(len(values) - 1 for values in groups)
    if freedom < 1:
        raise ValueError("seeds must be two at least in one group")
    squares = sum(((values - values.mean()) ** 2).sum() for values in groups)
    return float(np.sqrt(squares / freedom)), freedom


def below(first: float, second: float, *, spread: float, freedom: int) -> Estimate:
    r"""By how much the Gini index of one loss is below that of another, from one seed of each.

    .. math:: g_2 - g_1 \pm t_\nu \, s \sqrt 2

    with s the spread over seeds of a run, ν its degrees of freedom (:func:`pooled`), and t
    Student's quantile. Of a mixture of two runs s is an upper bound. Users are not resampled: the
    index is one of all lists together.

    Example:
        >>> mean, low, high = below(0.80, 0.85, spread=0.01, freedom=14).interval
        >>> round(mean, 3), round(low, 3), round(high, 3)
        (0.05, 0.02, 0.08)
    """
    value, error = float(second - first), spread * np.sqrt(2)
    half = float(stats.t.ppf(0.975, freedom) * error)
    if error:
        p_value = float(2 * stats.t.sf(abs(value) / error, freedom))
    else:
        p_value = 0.0 if value else 1.0
    return Estimate(Interval(value, value - half, value + half), p_value)


def words(estimates: Mapping[Any, Estimate], *, equal: float = EQUAL) -> dict[Any, str]:
    """What each of the comparisons of a claim is called, all data sets together.

    Args:
        estimates: comparison -> its difference.
        equal: the difference that does not matter.

    Example:
        >>> sure, small = Interval(0.1, 0.08, 0.12), Interval(0.0, -0.01, 0.01)
        >>> words({"a": Estimate(sure, 1e-4), "b": Estimate(small, 1.0)})
        {'a': 'better', 'b': 'equal'}
    """
    by_chance = adjusted({name: x.p_value for name, x in estimates.items()})
    found = {}
    for name, x in estimates.items():
        _, low, high = x.interval
        if low >= -equal and high <= equal:
            found[name] = "equal"
        elif by_chance[name] <= CHANCE and not low <= 0 <= high:
            found[name] = "better" if low > 0 else "worse"
        else:
            found[name] = "undecided"
    return found


def verdict(found: Sequence[str]) -> str:
    """What a claim is called on a data set, from the words of its comparisons.

    Raises:
        ValueError: no comparison, or an unknown word.

    Example:
        >>> verdict(["better", "equal"]), verdict(["better", "worse"]), verdict(["equal"])
        ('holds', 'mixed', 'does not hold')
    """
    unknown = set(found) - set(WORDS)
    if not found or unknown:
        raise ValueError(f"found must be of {', '.join(WORDS)}, got {list(found)}")
    if "better" in found and "worse" in found:
        return "mixed"
    if "undecided" in found:
        return "undecided"
    return "holds" if "better" in found else "does not hold"


def preliminary(added: Mapping[str, float], level: float) -> str:
    """Why a bench carries no verdict; empty if it does.

    Args:
        added: loss -> what twice the epochs add to its validation, in parts.
        level: of softmax loss, in parts of the best that is known.

    Example:
        >>> preliminary({"softmax": 0.01, "bpr": 0.03}, 0.95)
        'twice the epochs add 3.0 % to bpr'
    """
    loss = max(added, key=added.__getitem__)
    if added[loss] >= ADDED:
        return f"twice the epochs add {added[loss]:.1%} to {loss}".replace("%", " %")
    if level < LEVEL:
        return f"softmax loss reaches {level:.1%} of the best known".replace("%", " %")
    return ""
