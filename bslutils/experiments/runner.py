"""Sweeps: which trials an experiment wants, and running those that are missing."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .records import Records, known_records, path_of, recorded, writer
from .trial import Trial, perform

SIZES = ("small", "full")


@dataclass(frozen=True)
class Sweep:
    """An experiment: a grid of trials that may grow as records come in.

    Args:
        name: also that of the file of its records.
        what: one line on what it compares.
        plan: ``plan(size, records)`` gives the trials that are wanted as far as the records
            tell: first those that tune, and once these are recorded, those with what they chose.
    """

    name: str
    what: str
    plan: Callable[[str, Records], Iterable[Trial]]

    def trials(self, size: str = "small", records: Records | None = None) -> list[Trial]:
        """The trials wanted so far, each once; records default to those of the repository.

        Raises:
            ValueError: an unknown size.
        """
        if size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
        records = known_records(path_of(self.name)) if records is None else records
        return list({trial.id: trial for trial in self.plan(size, records)}.values())


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
    jobs: int = 1,
    again: bool = False,
    progress: bool | None = None,
) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Run what is missing and record it; yields each record once it is kept.

    Killed at any moment, it loses the runs that it was in and nothing else; started again, it
    goes on with what is missing.

    Args:
        sweep: the experiment.
        size: ``"small"`` or ``"full"``.
        path: file of the records.
        only: run only trials whose label contains this text.
        device: where to train.
        jobs: trials at a time, in processes of their own; on a CPU they share its cores.
        again: run what is recorded already, too, once.
        progress: show a progress bar for every trial.

    Yields:
        The record, how many trials are recorded, and how many are wanted as far as is known.

    Raises:
        ValueError: an unknown size, no trial that ``only`` fits, ``jobs`` below 1, or a file
            that another program holds.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    path = path_of(sweep.name) if path is None else path
    with writer(path) as file:
        records = known_records(path)
        done = set() if again else set(records)

        def wanted() -> list[Trial]:
            return [t for t in sweep.trials(size, records) if only in t.label]

        if not wanted():
            raise ValueError(f"no trial of {sweep.name} has {only!r} in its label")
        with _workers(jobs, device=device, progress=progress) as results:
            while missing := [t for t in wanted() if t.id not in done]:
                for record in results(missing):
                    file.append(record)
                    records[record["id"]] = record
                    done.add(record["id"])
                    trials = wanted()
                    yield record, sum(t.id in done for t in trials), len(trials)


@contextmanager
def _workers(jobs: int, **options) -> Iterator[Callable[[list[Trial]], Iterator[dict[str, Any]]]]:
    """A function from trials to their records, in the order in which they are done."""
    if jobs == 1:
        yield lambda trials: (perform(trial, **options) for trial in trials)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
        initargs=(threads,),
    )
    try:
        yield lambda trials: (
            future.result()
            for future in as_completed([pool.submit(perform, trial, **options) for trial in trials])
        )
    finally:
        pool.shutdown(cancel_futures=True)


def start_worker(threads: int) -> None:
    """Take ``threads`` cores, and end with the program that asked for the work.

    A killed program cannot stop its workers; they would train on, and nobody record it.
    """
    torch.set_num_threads(threads)

    def end_with_parent() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def status(
    sweep: Sweep, *, size: str = "small", path: Path | None = None
) -> list[tuple[Trial, dict[str, Any] | None]]:
    """The trials wanted so far, each with its record or ``None``."""
    records = known_records(path_of(sweep.name) if path is None else path)
    return [(trial, records.get(trial.id)) for trial in sweep.trials(size, records)]


def origin(sweep: Sweep, *, size: str = "small", path: Path | None = None) -> str:
    """Where the records of a sweep come from, as a line of Markdown: command, dates, machine."""
    runs = [record for _, record in status(sweep, size=size, path=path)]
    done = [record for record in runs if record is not None]
    option = "" if size == "small" else f" --size {size}"
    line = f"`python -m bslutils sweep {sweep.name}{option}`: {len(done)} of {len(runs)} runs"
    if done:
        dates = sorted({record["date"] for record in done})
        when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        machines = "; ".join(sorted({record["hardware"] for record in done}))
        line += f", {when}, {machines}, {sum(r['seconds'] for r in done) / 60:.0f} min of runs"
    return line
