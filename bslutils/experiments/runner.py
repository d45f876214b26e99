"""Sweeps: which trials an experiment wants, and running those that are missing."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..provenance import device_kind, hardware
from .cost import Costs
from .executors import PROCESSES, workers
from .perform import Late, perform
from .record_line import as_markdown
from .records import Records, known_records, path_of, recorded, writer
from .trial import Trial

SIZES = ("small", "full")


@dataclass(frozen=True)
class Sweep:
    """An experiment: a grid of trials that may grow as records come in.

    Args:
        name: also that of the file of its records.
        what: one line on what it compares.
        plan: ``plan(size, records)`` gives the trials that are wanted as far as the records
            tell: first those that tune, and once these are recorded, those with what they chose.
        begun_on: ``begun_on(records)`` gives the kind of device of data whose runs are compared
            in pairs, and are made on that kind alone.
    """

    name: str
    what: str
    plan: Callable[[str, Records], Iterable[Trial]]
    begun_on: Callable[[Records], dict[str, str]] = lambda records: {}

    def trials(self, size: str = "small", records: Records | None = None) -> list[Trial]:
        """The trials wanted so far, each once; records default to those of the repository.

        Raises:
            ValueError: an unknown size.
        """
        if size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
        records = known_records(path_of(self.name)) if records is None else records
        found: dict[str, Trial] = {}
        for trial in self.plan(size, records):
            if trial.users or trial.id not in found:  # of those that are wanted twice with users
                found[trial.id] = trial
        return list(found.values())

    def satisfied_by(self, trial: Trial, record: dict[str, Any] | None) -> bool:
        """Whether a record has all that is wanted of a trial."""
        return record is not None and ("users" in record or not trial.users)


def device_of_most(trials: Iterable[Trial], records: Records) -> dict[str, str]:
    """Data -> the kind of device that most of its trials were made on; none of data without one.

    What is compared is paired, and runs of different kinds never are. So it goes on where it was
    begun: on another kind its runs would be of no use beside those that are recorded.
    """
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for id in {trial.id for trial in trials} & records.keys():
        kinds[records[id]["data"]][device_kind(records[id]["hardware"])] += 1
    return {data: found.most_common(1)[0][0] for data, found in kinds.items()}


def best(trials: Iterable[Trial], records: Records) -> Trial:
    """The trial whose record is best on validation; of equals the first.

    Test results are not looked at.

    Raises:
        MissingRun: one is not recorded.
    """
    trials = list(trials)
    valid = [record["valid"] for record in recorded(trials, records)]
    return trials[valid.index(max(valid))]


def with_seeds(trial: Trial, seeds: Iterable[int]) -> list[Trial]:
    """The same trial with other seeds."""
    return [replace(trial, config=replace(trial.config, seed=seed)) for seed in seeds]


def run_sweep(
    sweep: Sweep,
    *,
    size: str = "small",
    path: Path | None = None,
    only: str = "",
    device: str = "cpu",
    jobs: int | None = 1,
    again: bool = False,
    progress: bool | None = None,
    minutes: float = math.inf,
    executor: str = PROCESSES,
) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Run what is missing and record it; yields each record once it is kept.

    Killed at any moment, it loses the runs that it was in and nothing else; started again, it
    goes on with what is missing. An interrupt keeps the runs that are through, stops the others
    at once, and begins none. What could not be paired with what is recorded, since that was made
    on another kind of device, is not begun either, but ``again`` makes it, too.

    Args:
        sweep: the experiment.
        size: ``"small"`` or ``"full"``.
        path: file of the records.
        only: run only trials whose label contains this text.
        device: where to train.
        jobs: trials at a time, in processes of their own; on a CPU they share its cores. Of a
            cluster ``None`` is as many as it has places for.
        again: run what is recorded already, too, once.
        progress: show a progress bar for every trial.
        minutes: how long at most. Of the missing trials the first that should be through in time
            is begun (:class:`bslutils.experiments.cost.Costs`); one that is not after all is
            stopped, and not recorded.
        executor: where to run, by address (:mod:`bslutils.experiments.executors`). Records are
            written here, each once, whoever made it.

    Yields:
        The record, how many trials are recorded, and how many are wanted as far as is known.

    Raises:
        ValueError: an unknown size, no trial that ``only`` fits, ``jobs`` below 1, ``minutes``
            not positive, an unknown executor, or a file that another program holds.
        ImportError: a cluster's package is missing.
        OSError: a cluster cannot be reached, or a process of this machine was killed.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    if not minutes > 0:
        raise ValueError(f"minutes must be positive, got {minutes}")
    budget = Budget(60 * minutes)
    path = path_of(sweep.name) if path is None else path
    with writer(path) as file:
        records = known_records(path)
        made: dict[str, dict[str, Any]] = {}  # by this program

        def done(trial: Trial) -> bool:
            return sweep.satisfied_by(trial, (made if again else records).get(trial.id))

        kind = device_kind(hardware(device))
        costs = Costs(records.values(), kind)
        begun_on = {} if again else sweep.begun_on(records)

        options = {"device": device, "progress": progress}

        def wanted() -> list[Trial]:
            trials = [t for t in sweep.trials(size, records) if only in t.label]
            return [t for t in trials if begun_on.get(t.data, kind) == kind]

        if not any(only in t.label for t in sweep.trials(size, records)):
            raise ValueError(f"no trial of {sweep.name} has {only!r} in its label")
        running: dict[Future, Trial] = {}

        def keep(run: Future) -> dict[str, Any] | None:
            trial = running.pop(run)
            try:
                record = run.result()
            except Late:
                return None
            except BrokenExecutor:
                raise ChildProcessError(
                    f"the process that made {trial.label} was killed, as where memory runs out: "
                    "its run and those beside it are lost, what is recorded is not"
                ) from None
            budget.learn(costs.of(trial), record["seconds"])
            file.append(record)
            records[trial.id] = record
            made[trial.id] = record
            costs.add(record)
            return record

        with workers(executor, jobs) as (submit, places):
            try:
                while True:
                    begun = {trial.id for trial in running.values()}
                    for trial in (t for t in wanted() if not (t.id in begun or done(t))):
                        expected = costs.of(trial)
                        room = budget.has_room_for(expected, stops=trial.trains)
                        if len(running) < places and room:
                            run = submit(
                                perform,
                                trial,
                                within=budget.left(),
                                **options,
                            )
                            running[run] = trial
                    if not running:
                        return
                    for run in wait(running, return_when=FIRST_COMPLETED).done:
                        if (record := keep(run)) is not None:
                            trials = wanted()
                            yield record, sum(map(done, trials)), len(trials)
            finally:  # what is through is kept, whatever stops the others
                for run in [r for r in running if r.done() and r.exception() is None]:
                    keep(run)


class Budget:
    """The time that a sweep has; expected times are corrected by those that runs took."""

    def __init__(self, seconds: float):
        self.end = time.monotonic() + seconds
        self.pace = 1.0  # what a run takes, in parts of what it was expected to

    def left(self) -> float:
        """Seconds until its end."""
        return self.end - time.monotonic()

    def has_room_for(self, expected: float | None, *, stops: bool = True) -> bool:
        """Whether a run of that many seconds would end in time.

        One of which nothing is known is begun if it ``stops`` when time is up, as a training does
        after a batch; a fit in closed form does not.
        """
        if self.end == math.inf:
            return True
        if expected is None and not stops:
            return False
        return 0 < self.left() > (expected or 0) * self.pace

    def learn(self, expected: float | None, took: float) -> None:
        """Note what a run took: on a slower machine all that follow will be slower, too."""
        if expected:
            self.pace = max(took / expected, 0.5 * self.pace)


def status(
    sweep: Sweep, *, size: str = "small", path: Path | None = None
) -> list[tuple[Trial, dict[str, Any] | None]]:
    """The trials wanted so far, each with its record or ``None``."""
    records = known_records(path_of(sweep.name) if path is None else path)
    found = [(trial, records.get(trial.id)) for trial in sweep.trials(size, records)]
    return [
        (trial, record if sweep.satisfied_by(trial, record) else None) for trial, record in found
    ]


def to_do(
    sweep: Sweep,
    *,
    size: str = "small",
    path: Path | None = None,
    only: str = "",
    device: str = "cpu",
) -> tuple[list[tuple[Trial, float | None]], dict[tuple[str, str], int]]:
    """What is missing so far.

    Returns:
        The trials that the device may make, with the seconds that each should take; and how many
        wait for another kind of device, by data and that kind.
    """
    records = known_records(path_of(sweep.name) if path is None else path)
    kind, begun_on = device_kind(hardware(device)), sweep.begun_on(records)
    costs = Costs(records.values(), kind)
    here: list[tuple[Trial, float | None]] = []
    elsewhere: Counter[tuple[str, str]] = Counter()
    for trial in sweep.trials(size, records):
        if only not in trial.label or sweep.satisfied_by(trial, records.get(trial.id)):
            continue
        if (other := begun_on.get(trial.data, kind)) == kind:
            here.append((trial, costs.of(trial)))
        else:
            elsewhere[trial.data, other] += 1
    return here, elsewhere


class Repeat(NamedTuple):
    """A recorded run, made again.

    Attributes:
        record: as it was recorded.
        again: as it is now.
    """

    record: dict[str, Any]
    again: dict[str, Any]

    @property
    def same_device(self) -> bool:
        """Whether both are of one kind of device, so that they saw the same batches."""
        return device_kind(self.record["hardware"]) == device_kind(self.again["hardware"])

    @property
    def equal(self) -> bool:
        """Whether every digit of losses, validations and test is the same."""
        return self._told(self.record) == self._told(self.again)

    @staticmethod
    def _told(record: dict[str, Any]) -> tuple:
        return [entry | {"seconds": 0} for entry in record["history"]], record["test"]

    def change(self, metric: str) -> float:
        """Relative change of a metric on test."""
        return self.again["test"][metric] / self.record["test"][metric] - 1


def repeat(id: str, *, device: str = "cpu", progress: bool | None = None) -> Repeat:
    """Run a recorded trial again, from its id; nothing is recorded.

    Raises:
        ValueError: no record has the id.
    """
    records = known_records(path_of(""))
    if id not in records:
        raise ValueError(f"no record has the id {id!r}")
    trial = Trial.of(records[id])
    return Repeat(records[id], perform(trial, device=device, progress=progress))


def origin(sweep: Sweep, *, size: str = "small", path: Path | None = None) -> str:
    """Where the records of a sweep come from, as a line of Markdown: command, dates, machine."""
    runs = [record for _, record in status(sweep, size=size, path=path)]
    done = [record for record in runs if record is not None]
    option = "" if size == "small" else f" --size {size}"
    line = f"`python -m bslutils sweep {sweep.name}{option}`: {len(done)} of {len(runs)} runs"
    if done:
        dates = sorted({record["date"] for record in done})
        when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        machines = as_markdown("; ".join(sorted({record["hardware"] for record in done})))
        line += f", {when}, {machines}, {sum(r['seconds'] for r in done) / 60:.0f} min of runs"
    return line
