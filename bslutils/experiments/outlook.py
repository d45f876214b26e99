"""What ``paper_noise`` will have wanted in the end, and what that costs by what like runs took."""

from typing import Any

import numpy as np

from ..provenance import device_kind
from .cost import CAREFUL, Costs
from .paper_benches import Bench
from .paper_plan import plan
from .records import MissingRun, Records
from .trial import Trial
from .verdicts import METRIC


def in_the_end(bench: Bench, records: Records) -> list[Trial]:
    """All trials that a bench will have wanted, each once; nearly.

    A plan names what rests on tuning only when that is recorded. Here every run that is missing is
    made up, and a little worse than all before it: so tuning stays where it is, the first length
    of training is enough unless records say otherwise, and a frontier is no longer than it is now.
    """
    known, made_up = dict(records), 0
    while missing := {t.id: t for t in plan([bench], known) if t.id not in known}:
        for id, trial in missing.items():
            made_up += 1
            known[id] = _made_up(trial, 1e-3 / made_up)
    return list({trial.id: trial for trial in plan([bench], known)}.values())


def _made_up(trial: Trial, valid: float) -> dict[str, Any]:
    look = {trial.config.metric: valid, METRIC: valid}
    outcome = {"valid": valid, "history": [look, look], "best_epoch": 1, "exposure": {"gini": 1.0}}
    return {"id": trial.id, **trial.settings, **outcome}


def hours(trials: list[Trial], records: Records, kind: str, quantile: float = CAREFUL) -> float:
    """What trials take one after the other on a kind of device.

    Args:
        trials: which.
        records: of what runs took.
        kind: as :func:`bslutils.provenance.device_kind` calls it.
        quantile: of what like runs took; the usual one is that by which a sweep keeps to a limit.

    Raises:
        MissingRun: no run on that kind is recorded.
    """
    on_it = [r for r in records.values() if device_kind(r["hardware"]) == kind]
    if not on_it:
        raise MissingRun(f"a run is missing: any on {kind}")
    costs = Costs(on_it, kind)
    return float(np.sum([costs.of(trial, quantile) for trial in trials])) / 3600
