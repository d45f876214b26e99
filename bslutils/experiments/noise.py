"""Training under noise: what is run on noisy negatives and positives, and what the records say.

The sweeps ``negative_noise``, ``positive_noise``, ``temperature`` and ``bilateral``.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from .knobs import summits
from .records import MissingRun, Records, lacks
from .runner import best
from .testbeds import SETTINGS, SMALL, SPARSE, TAUS, Testbed, columns, measured
from .trial import Trial

RATIOS = (0.0, 1.0, 3.0, 10.0)  # weight of a positive among the negatives; 1 is uniform sampling
FRACTIONS = (0.0, 0.1, 0.2, 0.4)  # false positives, as a fraction of the positives
CURVE_TAUS = (*TAUS, 0.77, 1.08)  # beyond the best one, however noisy

BILATERAL = {
    "bilateral_softmax": (0.1, 0.3, 1.0),  # tau_pos
    "pessimistic_bilateral_softmax": (0.3, 1.0),
}
# False positives -> tau_neg: near the best one of softmax loss on MovieLens.
BILATERAL_TAU = {0.0: 0.2, FRACTIONS[-1]: 0.28}


def testbeds() -> list[Testbed]:
    """What a sweep runs on: real and planted data that take minutes on two cores.

    Noise on the paper's data is in :mod:`bslutils.experiments.paper_noise`.
    """
    return [
        Testbed("movielens-small", SMALL),
        Testbed("synthetic", SMALL),
        Testbed("amazon-electronics", SPARSE, whole=False),
    ]


@dataclass(frozen=True)
class Noise:
    """A kind of noise: its levels, and the losses that are compared under it."""

    losses: tuple[str, ...]
    levels: tuple[float, ...]
    clean: float  # the level that settings are kept from

    def at(self, trial: Trial, level: float) -> Trial:
        """The trial at a level of the noise."""
        if self is POSITIVE:
            return replace(trial, false_positives=level, label="")
        return replace(trial, config=replace(trial.config, negative_noise=level), label="")

    def of(self, testbed: Testbed) -> tuple[float, ...]:
        """The levels that are run on a testbed."""
        return self.levels if testbed.whole else (self.clean, self.levels[-1])

    def tuning(self, testbed: Testbed, loss: str, level: float) -> list[Trial]:
        """The trials among which validation chooses the settings of a loss at a level."""
        params = SETTINGS[loss]
        return [self.at(testbed.trial(loss, setting), level) for setting in params]

    def tuned(self, testbed: Testbed) -> list[float]:
        """The levels at which settings are chosen: the clean one, and on most data the ends."""
        levels = {self.clean, self.levels[0], self.levels[-1]} if testbed.whole else {self.clean}
        return sorted(levels)

    def cells(self, testbed: Testbed) -> list[tuple[float, bool]]:
        """The levels, each with settings kept from clean training and, where chosen, tuned."""
        again = self.tuned(testbed)
        return [
            (level, tuned)
            for level in self.of(testbed)
            for tuned in (False, True)
            if not tuned or level in again
        ]

    def trials(
        self, testbed: Testbed, loss: str, level: float, records: Records, *, tuned: bool = False
    ) -> list[Trial]:
        """A loss at a level, with every seed.

        Args:
            testbed, loss, level: of which runs.
            records: by id.
            tuned: with the settings chosen at this level; else with those of clean training.

        Raises:
            MissingRun: a run of the tuning is not recorded.
        """
        kept = best(self.tuning(testbed, loss, level if tuned else self.clean), records)
        return testbed.seeds(self.at(kept, level))

    def values(
        self,
        testbed: Testbed,
        loss: str,
        level: float,
        records: Records,
        *,
        metric: str = "ndcg@20",
        view: str = "test",
        tuned: bool = False,
    ) -> np.ndarray:
        """The metric at a level, by seed; arguments and error as in :func:`curve`."""
        if self is POSITIVE and level == 0 and view == "test masked":
            view = "test"
        trials = self.trials(testbed, loss, level, records, tuned=tuned)
        return measured(trials, records, metric, view)

    def plan(self, size: str, records: Records) -> Iterator[Trial]:
        """All trials, as far as the records tell which."""
        for testbed in testbeds():
            for loss in self.losses:
                for level in self.tuned(testbed):
                    yield from self.tuning(testbed, loss, level)
                for level, tuned in self.cells(testbed):
                    with suppress(MissingRun):
                        yield from self.trials(testbed, loss, level, records, tuned=tuned)


# A user's own positives drawn as negatives; random pairs added to the positives.
NEGATIVE = Noise(("softmax", "bpr", "bce", "mse", "ccl"), RATIOS, clean=1.0)
POSITIVE = Noise(tuple(SETTINGS), FRACTIONS, clean=0.0)


def temperature(size: str, records: Records) -> Iterator[Trial]:
    """Softmax loss at eight temperatures, without noise and at the ends of either."""
    for testbed in testbeds():
        if not testbed.whole:
            continue
        for tau in CURVE_TAUS:
            for ratio in (RATIOS[0], 1.0, RATIOS[-1]):
                yield from testbed.seeds(
                    testbed.trial("softmax", {"tau": tau}, negative_noise=ratio)
                )
            noisy = testbed.trial("softmax", {"tau": tau}, fraction=FRACTIONS[-1])
            yield from testbed.seeds(noisy)


def in_rows(positives: int) -> dict[str, int]:
    """Settings of the training with ``positives`` of a user in a row, 1,024 in a batch."""
    return {"positives": positives, "batch_size": 1024 // positives}


def bilateral(size: str, records: Records) -> Iterator[Trial]:
    """Optimism and pessimism over positives, by how many positives of a user share a row.

    ``softmax_risk`` is the same without an opinion (``tau_pos`` infinite); with one positive in
    a row all of them are that loss, so it alone is run there.
    """
    for testbed in testbeds():
        if not testbed.whole:
            continue
        for positives in (1, 4, 16):
            rows = in_rows(positives)
            for fraction, tau in BILATERAL_TAU.items():
                trials = [("softmax_risk", {"tau": tau})]
                if positives > 1:
                    trials += [
                        (loss, {"tau_pos": tau_pos, "tau_neg": tau})
                        for loss, grid in BILATERAL.items()
                        for tau_pos in grid
                    ]
                for loss, params in trials:
                    yield from testbed.seeds(testbed.trial(loss, params, fraction=fraction, **rows))


# What the records say --------------------------------------------------------------------------


def curve(
    noise: Noise,
    testbed: Testbed,
    loss: str,
    records: Records,
    *,
    tuned: bool = False,
    **which: str,
) -> tuple[list[float], np.ndarray]:
    """A metric over the levels of a noise: the levels, and ``(n_seeds, n_levels)``.

    Args:
        noise: :data:`bslutils.experiments.noise.NEGATIVE` or ``POSITIVE``.
        testbed, loss: of which runs.
        records: by id.
        tuned: with the settings chosen at each level, where they are; else those of clean
            training at every level.
        which: ``metric`` and ``view``, what to take of a record, such as ``"ndcg@20"`` of
            ``"test"``, ``"test masked"`` or ``"spearman"`` of ``"truth"``. What was never added
            needs no mask: without false positives ``"test masked"`` is ``"test"``.

    Raises:
        MissingRun: a run is not recorded, here and below.
    """
    levels = [level for level, again in noise.cells(testbed) if again == tuned]
    runs = [noise.values(testbed, loss, level, records, tuned=tuned, **which) for level in levels]
    return levels, np.stack(runs, axis=1)


def change(noise: Noise, testbed: Testbed, loss: str, records: Records, **which) -> np.ndarray:
    """Relative change of a metric from clean training to the highest level, by seed.

    ``which`` as in :func:`curve`.
    """
    levels, runs = curve(noise, testbed, loss, records, **which)
    return runs[:, -1] / runs[:, levels.index(noise.clean)] - 1


def by_tau(
    testbed: Testbed, records: Records, *, metric: str = "valid", view: str = "", **noise: float
) -> np.ndarray:
    """A metric of softmax loss over the temperatures of the sweep, ``(n_seeds, n_taus)``.

    Args:
        testbed: of which runs.
        records: by id.
        metric, view: as in :func:`curve`; without a view, an entry of the record itself.
        noise: ``negative_noise=r`` or ``fraction=p``.
    """
    trials = (testbed.seeds(testbed.trial("softmax", {"tau": tau}, **noise)) for tau in CURVE_TAUS)
    return columns(trials, records, metric, view)


def peaks(runs: np.ndarray) -> np.ndarray:
    """The best temperature of each run ``(n_runs, n_taus)``, finer than the grid.

    As :func:`bslutils.experiments.knobs.summits`.

    Raises:
        ValueError: not one column for every temperature.

    Example:
        >>> curve = -np.log(np.array(CURVE_TAUS) / 0.25) ** 2
        >>> peaks(curve[None]).round(6).tolist()
        [0.25]
    """
    return summits(CURVE_TAUS, runs)


def gains(
    testbed: Testbed,
    records: Records,
    *,
    fraction: float,
    positives: int,
    metric: str = "ndcg@20",
    view: str = "test",
) -> dict[tuple[str, float], np.ndarray]:
    """Relative gain of an opinion about the positives over none, by seed.

    Args:
        testbed: of which runs.
        records: by id.
        fraction: of false positives, as in the sweep.
        positives: of a user in a row, as in the sweep.
        metric, view: as in :func:`curve`.

    Returns:
        for each loss and ``tau_pos`` the metric over that of softmax loss in its risk form on the
        same rows and at the same ``tau_neg``, minus one.
    """
    tau = BILATERAL_TAU[fraction]

    def values(loss: str, params: dict[str, float]) -> np.ndarray:
        trials = testbed.seeds(testbed.trial(loss, params, fraction=fraction, **in_rows(positives)))
        return measured(trials, records, metric, view)

    control = values("softmax_risk", {"tau": tau})
    return {
        (loss, tau_pos): values(loss, {"tau_pos": tau_pos, "tau_neg": tau}) / control - 1
        for loss, grid in BILATERAL.items()
        for tau_pos in grid
    }


def missing(noise: Noise, testbeds: list[Testbed], records: Records) -> list[str]:
    """The cells of a sweep that cannot be shown yet, in words."""
    return [
        f"{loss} on {testbed.data} at {level:g}" + (", tuned" if tuned else "")
        for testbed in testbeds
        for loss in noise.losses
        for level, tuned in noise.cells(testbed)
        if lacks(noise.values, testbed, loss, level, records, tuned=tuned)
    ]
