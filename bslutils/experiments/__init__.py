"""Experiments: declared runs, their records, and sweeps that make what is missing.

A room an experiment, with what is run and what its records say: :mod:`reference`,
:mod:`every_loss`, :mod:`figure1`, :mod:`accuracy`, :mod:`noise`, :mod:`fairness`, :mod:`ablations`.
What a lead in accuracy may rest on has rooms of its own: :mod:`protocol`, :mod:`score` and
:mod:`budget`. Noise on the paper's data has its benches in :mod:`paper_benches`, its trials in
:mod:`paper_trials`, its runs in :mod:`paper_noise` and their order in :mod:`paper_plan`;
:mod:`verdicts` has the rules that :mod:`judged` applies, and :mod:`convergence` says how far
training went. :mod:`shift` trains on one distribution of items and tests on another,
:mod:`without_loss` trains nothing. :mod:`decisions` puts beside each other what all of them say is
worth doing. :mod:`ranking` and :mod:`knobs` know numbers alone.
"""

from . import (
    ablations,
    accuracy,
    convergence,
    every_loss,
    fairness,
    figure1,
    noise,
    paper_plan,
    reference,
    shift,
    without_loss,
)
from .perform import perform
from .records import (
    MissingRun,
    file_of,
    known_records,
    merge,
    outdated,
    path_of,
    read_records,
    superseded,
)
from .runner import SIZES, Sweep, best, origin, repeat, run_sweep, status, to_do, with_seeds
from .trial import CODE, HASHES, Trial

SWEEPS: dict[str, Sweep] = {
    "reference": Sweep("reference", "SL and BSL beside the authors' own logs", reference.reference),
    "field": Sweep("field", "every loss on Amazon-Electronics", every_loss.field),
    "backbones": Sweep("backbones", "the main losses on the other backbones", every_loss.backbones),
    "negative_noise": Sweep(
        "negative_noise", "losses while negatives get noisier", noise.NEGATIVE.plan
    ),
    "positive_noise": Sweep(
        "positive_noise", "losses while positives get noisier", noise.POSITIVE.plan
    ),
    "temperature": Sweep("temperature", "the best tau over either noise", noise.temperature),
    "bilateral": Sweep(
        "bilateral", "optimism, pessimism and idle pooling on noisy positives", noise.bilateral
    ),
    "paper_noise": Sweep(
        "paper_noise",
        "noise on the paper's data, models that have converged",
        paper_plan.paper_noise,
        begun_on=paper_plan.begun_on,
    ),
    "shift": Sweep(
        "shift",
        "a test that is shifted to unpopular items",
        shift.shift,
        begun_on=shift.begun_on,
    ),
    "overall": Sweep("overall", "every loss at its best setting", accuracy.overall),
    "score": Sweep("score", "cosines or inner products", accuracy.score),
    "without_loss": Sweep(
        "without_loss",
        "what needs no loss",
        without_loss.without_loss,
    ),
    "fairness": Sweep("fairness", "accuracy against fairness over settings", fairness.fairness),
    "convergence": Sweep("convergence", "what twice the epochs add", convergence.convergence),
    "published": Sweep("published", "the losses of the paper's first figure", figure1.published),
    "negatives": Sweep(
        "negatives", "number of negatives and how they are drawn", ablations.negatives
    ),
    "dimension": Sweep("dimension", "losses over the length of a vector", ablations.dimension),
}


def sweep(name: str) -> Sweep:
    """The sweep called ``name``.

    Raises:
        ValueError: an unknown name; the message lists the choices.
    """
    if name not in SWEEPS:
        raise ValueError(f"unknown sweep {name!r}; choose one of {', '.join(SWEEPS)}")
    return SWEEPS[name]


__all__ = [
    "CODE",
    "HASHES",
    "SIZES",
    "SWEEPS",
    "MissingRun",
    "Sweep",
    "Trial",
    "best",
    "file_of",
    "known_records",
    "merge",
    "origin",
    "outdated",
    "path_of",
    "perform",
    "read_records",
    "repeat",
    "run_sweep",
    "status",
    "superseded",
    "sweep",
    "to_do",
    "with_seeds",
]
