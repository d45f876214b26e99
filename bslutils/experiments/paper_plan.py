"""The sweep ``paper_noise``: the order of its runs, which is that of their value."""

import itertools
from collections.abc import Iterable, Iterator

from .paper_benches import BENCHES, Bench
from .paper_longer import longer
from .paper_noise import Runs
from .records import Records
from .runner import device_of_most
from .trial import Trial

STAGES = (
    Runs.tuning_on_clean,
    Runs.lengths,
    Runs.ends,
    Runs.with_intercept,
    Runs.tuned_ends,
    Runs.runners_up,
    longer,
    Runs.by_ndcg,
    Runs.frontiers,
    Runs.rest,
)


def plan(benches: Iterable[Bench], records: Records) -> Iterator[Trial]:
    """All trials of some benches in the order of their value: stage after stage."""
    found = [Runs(bench, records) for bench in benches]
    for stage in STAGES:
        for runs in found:
            yield from stage(runs)


def paper_noise(size: str, records: Records) -> Iterator[Trial]:
    """All trials; ``small`` is MovieLens-1M and Amazon-Electronics, ``full`` adds the others."""
    yield from plan(BENCHES[:2], records)
    if size == "full":
        yield from plan(BENCHES[2:], records)


def begun_on(records: Records) -> dict[str, str]:
    """Data -> the kind of device of most of its recorded final runs; none of data without one."""
    final = itertools.chain(*(Runs(each, records).compared() for each in BENCHES))
    return device_of_most(final, records)
