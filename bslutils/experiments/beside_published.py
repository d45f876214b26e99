"""Published figures, and the recorded runs that may be laid beside them."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..data import SOURCES
from ..published import DIMENSIONS, FIELD, FIGURE_1, FOLLOW_UPS, OFFICIAL_LOGS
from . import every_loss, figure1
from .records import MissingRun, Records
from .reference import reference
from .testbeds import measured
from .trial import NO_LOSS, Trial

METRICS = ("recall@20", "ndcg@20")
LOGS, BARS = "training logs of BSL", "Figure 1 of BSL"
NOTEBOOK, TABLES = "notebook of BSL", "tables of PSL and SL@K"

# Data in a source -> ours. "amazon" of the logs and "Gowalla" of the tables are other splits.
SAME_SPLIT = {called: name for name, source in SOURCES.items() for called in source.published_as}
# What the code of BSL's authors computes under these names, and what that of the tables does.
OF_AUTHORS = {"SL": "softmax", "BSL": "reweighted_softmax"}
OF_TABLES = {"SL": "softmax", "BSL": "rescaled_softmax"}


@dataclass(frozen=True)
class Figure:
    """A published number: where it stands, what it is of, and which loss of ours that is.

    ``protocol`` is ``"paper"`` where the test split chose the epoch, else ``"honest"``;
    ``twin`` is a name in :data:`bslutils.losses.LOSSES`; the others are as the source has them, but
    for ``loss``, which is ``twin`` where the source calls it as everybody does.
    """

    source: str
    data: str
    backbone: str
    loss: str
    metric: str
    value: float
    protocol: str
    twin: str
    dim: int = 64


def figures() -> list[Figure]:
    """Every result in :mod:`bslutils.published` of a named model and loss.

    Example:
        >>> first = figures()[0]
        >>> first.source, first.data, first.loss, first.value
        ('training logs of BSL', 'amazon', 'SL', 0.05194)
    """
    found: list[Figure] = []

    def add(values, source, data, backbone, loss, protocol, twin, dim=64):
        for metric, value in zip(METRICS, values, strict=False):
            found.append(Figure(source, data, backbone, loss, metric, value, protocol, twin, dim))

    for (data, backbone), pair in OFFICIAL_LOGS.items():
        protocol = "honest" if data == "amazon" else "paper"
        for (loss, twin), values in zip(OF_AUTHORS.items(), pair, strict=True):
            add(values, LOGS, data, backbone, loss, protocol, twin)
    for backbone, bars in FIGURE_1.items():
        for twin, value in bars.items():
            add([value], BARS, "yelp2018", backbone, twin, "paper", twin)
    for (data, loss), sizes in DIMENSIONS.items():
        for dim, values in sizes.items():
            add(values, NOTEBOOK, data, "MF", loss, "paper", OF_AUTHORS[loss], dim)
    for twin, values in FIELD.items():
        loss = "BSL" if twin == "rescaled_softmax" else twin
        add(values, TABLES, "Amazon-Electronic", "MF", loss, "honest", twin)
    for (data, backbone), (*_, sl, bsl) in FOLLOW_UPS.items():
        if (data, backbone) != ("Amazon-Electronic", "MF"):  # those are in FIELD
            protocol = "paper" if data.endswith("shifted") else "honest"
            for (loss, twin), values in zip(OF_TABLES.items(), (sl, bsl), strict=True):
                add(values, TABLES, data, backbone, loss, protocol, twin)
    return found


def of_run(trial: Trial) -> tuple[float, float]:
    """Published Recall@20 and NDCG@20 of a trial of ``reference``: of the authors' logs, or of the
    paper that the split comes from.

    Raises:
        KeyError: nothing is published on its data with its model.
    """
    second = trial.loss != "softmax"
    for key in ((name, trial.backbone) for name in SOURCES[trial.data].published_as):
        if key in OFFICIAL_LOGS:
            return OFFICIAL_LOGS[key][second]
        if key in FOLLOW_UPS:
            return FOLLOW_UPS[key][3 + second]
    raise KeyError(f"nothing is published on {trial.data} with {trial.backbone}")


class Ours(NamedTuple):
    """The final runs of a sweep for one setting, by seed; none while its tuning lacks a record."""

    sweep: str
    data: str
    backbone: str
    loss: str
    dim: int
    protocol: str
    trials: tuple[Trial, ...]


def runs(records: Records) -> Iterator[Ours]:
    """Final runs of ``reference``, ``field`` and ``backbones``, and of ``published`` at full size.

    Example:
        >>> sorted({ours.sweep for ours in runs({})})
        ['backbones', 'field', 'published', 'reference']
    """
    for t in reference("small", records):
        yield Ours("reference", t.data, t.backbone, t.loss, 64, t.protocol, (t,))
    for data in figure1.SETTINGS:
        for loss, protocol in figure1.finals(data):
            final: tuple[Trial, ...] = ()
            with suppress(MissingRun):
                final = (figure1.final(data, loss, protocol, records),)
            yield Ours("published", data, "MF", loss, 64, protocol, final)
    data = "amazon-electronics"
    for loss in every_loss.COSINE:
        final = tuple(every_loss.choice(data, loss, records).final)
        yield Ours("field", data, "MF", loss, 64, "honest", final)
    for backbone in every_loss.BACKBONES:
        for loss in every_loss.MAIN:
            final = tuple(every_loss.choice(data, loss, records, backbone).final)
            yield Ours("backbones", data, backbone, loss, 64, "honest", final)


class Row(NamedTuple):
    """A published figure, runs that may stand beside it or ``None``, and the metric by seed."""

    figure: Figure
    ours: Ours | None
    values: np.ndarray | None

    @property
    def difference(self) -> float | None:
        r"""Ours against the published figure, :math:`\bar x / x_\text{published} - 1`."""
        return None if self.values is None else float(self.values.mean() / self.figure.value - 1)

    @property
    def alike(self) -> bool:
        """Whether the same kind of split, test or validation, chose the epoch on both sides."""
        return self.ours is not None and self.ours.protocol == self.figure.protocol

    @property
    def state(self) -> str:
        """``"recorded"``, ``"missing"``, ``"no run planned"`` or ``"another split"``."""
        if self.ours is None:
            return "no run planned" if self.figure.data in SAME_SPLIT else "another split"
        return "missing" if self.values is None else "recorded"


def compare(records: Records) -> list[Row]:
    """Every published figure with each of the runs that may stand beside it, or with none.

    Only runs on the same split, of the same backbone, loss and length of vector; the protocol
    may be another (:attr:`Row.alike`).

    Example:
        >>> sorted({row.state for row in compare({})})
        ['another split', 'missing', 'no run planned']
    """
    known: dict[tuple, list[Ours]] = {}
    for ours in runs(records):
        known.setdefault((ours.data, ours.backbone, ours.loss, ours.dim), []).append(ours)
    rows = []
    for f in figures():
        for ours in known.get((SAME_SPLIT.get(f.data), f.backbone, f.twin, f.dim), [None]):
            values = None
            with suppress(MissingRun):
                values = ours and measured(ours.trials, records, f.metric, "test")
            rows.append(Row(f, ours, values))
    return rows


def clean(data: str, records: Records) -> list[dict[str, Any]]:
    """The records of trainings on a data set without added noise."""
    found = [r for r in records.values() if (r["data"], r["false_positives"]) == (data, 0)]
    return [r for r in found if r["loss"] != NO_LOSS and r["config"]["negative_noise"] == 1]


def strongest(
    data: str,
    protocol: str,
    records: Records,
    *,
    loss: str | None = None,
    backbone: str | None = None,
    metric: str = "recall@20",
) -> dict[str, Any]:
    """The record of 64 dimensions that is best, by a metric, on the split that chose its epoch.

    Of training without noise, with any loss and model or with certain ones. Under the paper's
    protocol that split is test, so the choice flatters, as it does in what is published.

    Raises:
        ValueError: an unknown protocol.
        MissingRun: there is no such record.

    Example:
        >>> strongest("gowalla", "paper", {})
        Traceback (most recent call last):
        bslutils.experiments.records.MissingRun: a run is missing: any on gowalla, paper protocol
    """
    if protocol not in ("paper", "honest"):
        raise ValueError(f"protocol must be 'paper' or 'honest', got {protocol!r}")

    def score(record: dict[str, Any]) -> float:
        return max((entry.get(metric, 0) for entry in record["history"]), default=0)

    fitting = [r for r in clean(data, records) if r["protocol"] == protocol]
    fitting = [r for r in fitting if loss in (None, r["loss"])]
    fitting = [r for r in fitting if backbone in (None, r["backbone"])]
    fitting = [r for r in fitting if r["model"].get("dim", 64) == 64]
    if not fitting:
        of = f" of {loss}" if loss else ""
        of += f" with {backbone}" if backbone else ""
        raise MissingRun(f"a run is missing: any{of} on {data}, {protocol} protocol")
    return max(fitting, key=score)
