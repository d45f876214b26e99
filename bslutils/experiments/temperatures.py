"""What the settings of softmax loss and BSL say of one temperature, and of two, on clean data.

Read off the sweep ``fairness``, which has every setting with every seed, for the chapter on
ablations. All readings are of test, where not said otherwise.
"""

import numpy as np

from .accuracy import chosen
from .fairness import over_settings
from .knobs import at_best, best_cell
from .records import Records
from .testbeds import TAUS, Testbed

TAU_POS = (0.3, 1.0)  # the grid of BSL in SETTINGS, the last running fastest
TAU_NEG = (0.2, 0.28, 0.39)


def one(testbed: Testbed, records: Records, metric: str = "ndcg@20") -> np.ndarray:
    """Softmax loss over ``TAUS``, ``(n_seeds, n_taus)``.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    return over_settings(testbed, "softmax", records, metric, "test")


def two(testbed: Testbed, records: Records, metric: str = "ndcg@20") -> np.ndarray:
    """BSL over both temperatures, ``(n_seeds, n_tau_pos, n_tau_neg)``."""
    runs = over_settings(testbed, "bilateral_softmax", records, metric, "test")
    return runs.reshape(len(runs), len(TAU_POS), len(TAU_NEG))


def kept(testbed: Testbed, records: Records) -> float:
    """The temperature of softmax loss that validation chooses with the first seed."""
    return chosen(testbed, "softmax", records)[0].params["tau"]


def regret(testbed: Testbed, records: Records) -> np.ndarray:
    """What the temperature of :func:`kept` loses against the best by test, ``(n_seeds,)``."""
    runs = one(testbed, records)
    return 1 - runs[:, TAUS.index(kept(testbed, records))] / at_best(runs)


def alone(testbed: Testbed, records: Records) -> np.ndarray:
    """Softmax loss at each ``TAU_NEG``, ``(n_seeds, n_tau_neg)``."""
    return one(testbed, records)[:, [TAUS.index(tau) for tau in TAU_NEG]]


def over_softmax(testbed: Testbed, records: Records) -> np.ndarray:
    """Relative change from softmax loss at ``tau_neg`` to BSL, shaped as :func:`two`."""
    return two(testbed, records) / alone(testbed, records)[:, None] - 1


def best_over_softmax(testbed: Testbed, records: Records) -> np.ndarray:
    """Relative change from the best of softmax loss to the best of BSL, ``(n_seeds,)``."""
    return at_best(two(testbed, records)) / at_best(one(testbed, records)) - 1


def best_tau_neg(testbed: Testbed, records: Records) -> tuple[float, ...]:
    """The best of ``TAU_NEG`` at each ``TAU_POS``, and last that of softmax loss."""
    grid = two(testbed, records)
    rows = [*np.moveaxis(grid, 1, 0), alone(testbed, records)]
    return tuple(TAU_NEG[best_cell(runs)[0]] for runs in rows)


def over_tau_pos(testbed: Testbed, records: Records) -> np.ndarray:
    """BSL over ``TAU_POS`` at the ``tau_neg`` of its best setting, ``(n_seeds, n_tau_pos)``."""
    grid = two(testbed, records)
    return grid[:, :, best_cell(grid)[1]]


def over_tau_neg(testbed: Testbed, records: Records) -> np.ndarray:
    """BSL over ``TAU_NEG`` at the ``tau_pos`` of its best setting, ``(n_seeds, n_tau_neg)``."""
    grid = two(testbed, records)
    return grid[:, best_cell(grid)[0]]
