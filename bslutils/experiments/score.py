"""What the score is worth: losses of the figure on cosines, and on inner products.

Read off the sweeps ``overall`` and ``score``, with every loss at the setting that validation chose.
"""

from collections.abc import Iterable

import numpy as np

from .accuracy import FIGURE, Settings, either, grid, inner, level
from .records import Records
from .runner import best
from .testbeds import Testbed, measured

SCORES: dict[str, Settings] = {"cosines": grid, "inner products": inner}


def beside_cosines(
    testbed: Testbed, loss: str, records: Records, *, settings: Settings
) -> np.ndarray:
    """A loss with some settings to choose among, relative to softmax loss on cosines, by seed.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    base = level(testbed, "softmax", records)
    return level(testbed, loss, records, settings=settings) / base - 1


def score_gain(testbed: Testbed, loss: str, records: Records) -> float:
    """What inner products add to a loss, in parts of its mean on cosines."""
    dot, cosine = (level(testbed, loss, records, settings=x).mean() for x in (inner, grid))
    return float(dot / cosine - 1)


def score_gains(testbeds: Iterable[Testbed], records: Records) -> dict[tuple[str, str], float]:
    """The same for all losses of the figure: data and loss -> :func:`score_gain`."""
    return {(b.data, loss): score_gain(b, loss, records) for b in testbeds for loss in FIGURE}


def preference(testbed: Testbed, loss: str, records: Records) -> str:
    """The one of ``SCORES`` on which validation, with the first seed, has a loss at its best."""
    score = best(either(testbed, loss), records).score
    return {"cosine": "cosines", "dot": "inner products"}[score]


def best_pair(testbed: Testbed, records: Records) -> tuple[str, str]:
    """The loss of the figure and the one of ``SCORES`` with the best mean on test."""
    means = {
        (loss, score): level(testbed, loss, records, settings=settings).mean()
        for loss in FIGURE
        for score, settings in SCORES.items()
    }
    return max(means, key=means.__getitem__)


def useless(
    testbeds: Iterable[Testbed], settings: Settings, records: Records, *, share: float = 0.5
) -> np.ndarray:
    """Which settings of the losses of the figure fail, with the first seed.

    Those below ``share`` of the best one of their loss, on validation.

    Returns:
        booleans, ``(n_testbeds * n_losses * n_settings,)``.
    """
    found = []
    for testbed in testbeds:
        for loss in FIGURE:
            valid = measured(settings(testbed, loss), records, "valid")
            found.append(valid < share * valid.max())
    return np.concatenate(found)
