"""What each loss of ``paper_noise`` loses to false positives. None of this decides a verdict."""

import numpy as np

from ..intervals import Interval, t_interval
from .judged import POSITIVES, interval, with_users
from .paper_benches import CLEAN
from .paper_noise import Runs
from .testbeds import measured
from .verdicts import METRIC, change, lead

MASKED = "test masked"  # ranked without what was added


def fall(runs: Runs, loss: str) -> Interval:
    """The change of a loss from clean positives to the most false ones, in parts.

    Settings are kept from clean data, and what was added can be ranked. The interval is that of
    :func:`bslutils.experiments.judged.interval`, over users and seeds.

    Raises:
        MissingRun: a run is not recorded, or the runs are of several kinds of device; here and
            below.
    """
    noisy, clean = with_users(runs, runs.kept(loss, POSITIVES), runs.kept(loss, CLEAN))
    return interval(lead(noisy, clean))


def less(runs: Runs, loss: str, other: str = "softmax") -> Interval:
    """By how much less a loss falls than another one, each in parts of what it starts from."""
    ends = [(runs.kept(x, POSITIVES), runs.kept(x, CLEAN)) for x in (loss, other)]
    pairs = (tuple(with_users(runs, *pair)) for pair in ends)
    return interval(change(*pairs))


def fall_masked(runs: Runs, loss: str) -> Interval:
    """As :func:`fall`, with what was added left out of the ranking; over seeds alone.

    Records keep no user of this view.
    """
    return t_interval(masked_by_seed(runs, loss))


def less_masked(runs: Runs, loss: str, other: str = "softmax") -> Interval:
    """As :func:`less`, with what was added left out of the ranking; over seeds alone."""
    return t_interval(masked_by_seed(runs, loss) - masked_by_seed(runs, other))


def masked_by_seed(runs: Runs, loss: str) -> np.ndarray:
    """The change of :func:`fall_masked` seed by seed: a single one has no interval."""
    noisy = measured(runs.kept(loss, POSITIVES), runs.records, METRIC, MASKED)
    return noisy / measured(runs.kept(loss, CLEAN), runs.records, METRIC, "test") - 1


def kept_over_tuned(runs: Runs, loss: str, other: str) -> Interval:
    """By how much a loss with settings kept is above another that is tuned under the noise."""
    sides = with_users(runs, runs.kept(loss, POSITIVES), runs.tuned(other, POSITIVES))
    return interval(lead(*sides))
