"""What the records of the sweeps on noise say: curves, changes, the best temperature."""

import numpy as np

from .bench import Bench, columns, measured
from .curves import summits
from .noise import (
    BILATERAL,
    BILATERAL_TAU,
    CURVE_TAUS,
    NEGATIVE,
    POSITIVE,
    Noise,
    in_rows,
)
from .records import Records

NOISES = {"negative_noise": NEGATIVE, "positive_noise": POSITIVE}


def curve(
    noise: Noise,
    bench: Bench,
    loss: str,
    records: Records,
    *,
    metric: str = "ndcg@20",
    view: str = "test",
    tuned: bool = False,
) -> tuple[list[float], np.ndarray] | None:
    """A metric over the levels of a noise: the levels, and ``(n_seeds, n_levels)``.

    Args:
        noise: :data:`bslutils.experiments.noise.NEGATIVE` or ``POSITIVE``.
        bench, loss: of which runs.
        records: by id.
        metric, view: what to take of a record, such as ``"ndcg@20"`` of ``"test"``,
            ``"test masked"`` or ``"spearman"`` of ``"truth"``. What was never added needs no
            mask: without false positives ``"test masked"`` is ``"test"``.
        tuned: with the settings chosen at each level, where they are; else those of clean
            training at every level.

    Returns:
        ``None`` while a run is missing.
    """
    levels, columns = [], []
    for cell in noise.cells(bench, loss, records):
        if cell.tuned != tuned:
            continue
        clean = noise is POSITIVE and cell.level == 0 and view == "test masked"
        values = cell.values(records, metric, "test" if clean else view)
        if values is None:
            return None
        levels.append(cell.level)
        columns.append(values)
    return levels, np.stack(columns, axis=1)


def change(noise: Noise, bench: Bench, loss: str, records: Records, **which) -> np.ndarray | None:
    """Relative change of a metric from clean training to the highest level, by seed.

    ``which`` as in :func:`curve`; ``None`` while a run is missing.
    """
    found = curve(noise, bench, loss, records, **which)
    if found is None:
        return None
    levels, runs = found
    return runs[:, -1] / runs[:, levels.index(noise.clean)] - 1


def by_tau(
    bench: Bench, records: Records, *, metric: str = "valid", view: str = "", **noise: float
) -> np.ndarray | None:
    """A metric of softmax loss over the temperatures of the sweep, ``(n_seeds, n_taus)``.

    Args:
        bench: of which runs.
        records: by id.
        metric, view: as in :func:`curve`; without a view, an entry of the record itself.
        noise: ``negative_noise=r`` or ``fraction=p``.

    Returns:
        ``None`` while a run is missing.
    """
    trials = (bench.seeds(bench.trial("softmax", {"tau": tau}, **noise)) for tau in CURVE_TAUS)
    return columns(trials, records, metric, view)


def peaks(runs: np.ndarray) -> np.ndarray:
    """The best temperature of each run ``(n_runs, n_taus)``, finer than the grid.

    As :func:`bslutils.experiments.curves.summits`.

    Raises:
        ValueError: not one column for every temperature.

    Example:
        >>> curve = -np.log(np.array(CURVE_TAUS) / 0.25) ** 2
        >>> peaks(curve[None]).round(6).tolist()
        [0.25]
    """
    return summits(CURVE_TAUS, runs)


def gains(
    bench: Bench,
    records: Records,
    *,
    fraction: float,
    positives: int,
    metric: str = "ndcg@20",
    view: str = "test",
) -> dict[tuple[str, float], np.ndarray]:
    """Relative gain of an opinion about the positives over none, by seed.

    Args:
        bench: of which runs.
        records: by id.
        fraction: of false positives, as in the sweep.
        positives: of a user in a row, as in the sweep.
        metric, view: as in :func:`curve`.

    Returns:
        for each loss and ``tau_pos``, as far as recorded, the metric over that of softmax loss in
        its risk form on the same rows and at the same ``tau_neg``, minus one.
    """
    tau = BILATERAL_TAU[fraction]

    def values(loss: str, params: dict[str, float]) -> np.ndarray | None:
        trials = bench.seeds(bench.trial(loss, params, fraction=fraction, **in_rows(positives)))
        return measured(trials, records, metric, view)

    control, found = values("softmax_risk", {"tau": tau}), {}
    for loss, grid in BILATERAL.items():
        for tau_pos in grid:
            value = values(loss, {"tau_pos": tau_pos, "tau_neg": tau})
            if control is not None and value is not None:
                found[loss, tau_pos] = value / control - 1
    return found


def missing(noise: Noise, benches: list[Bench], records: Records) -> list[str]:
    """The cells of a sweep that cannot be shown yet, in words."""
    return [
        f"{cell.loss} on {bench.data} at {cell.level:g}" + (", tuned" if cell.tuned else "")
        for bench in benches
        for loss in noise.losses
        for cell in noise.cells(bench, loss, records)
        if cell.values(records) is None
    ]
