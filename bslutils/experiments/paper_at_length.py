"""The settings of ``paper_noise`` chosen once more, among the runs as long as the bench.

A reading beside the verdicts, which decides nothing. The trials that tune are half as long as the
final runs on MovieLens-1M, and an eighth as long on Yelp2018, so they may choose what is best
early.
"""

from collections.abc import Iterable
from contextlib import suppress

from .paper_benches import CLEAN, Bench, Level
from .paper_noise import Runs, trained_for, valid_ndcg
from .records import MissingRun, Records, recorded
from .runner import with_seeds
from .trial import Trial
from .walk import Goal, valid


class AtLength(Runs):
    """The runs of a bench with settings that are chosen among those recorded at its length.

    Those are what the tuning chose, by either metric, the frontiers, and what was second under
    false positives; seed 0 of them is looked at. So losses do not have equally many to choose from.
    """

    def __init__(self, bench: Bench, records: Records, goal: Goal = valid):
        super().__init__(bench, records, goal)
        self.first = Runs(bench, records), Runs(bench, records, valid_ndcg)
        self.epochs = self.first[0].epochs

    def _settings(self, loss: str) -> Trial:
        return self._best(self.frontier(loss))

    def frontier(self, loss: str) -> list[Trial]:
        """All settings of a loss that are recorded on clean data at the length of the bench."""
        tried = (trial for runs in self.first for trial in _tried(runs, loss))
        return self._recorded(trained_for(trial, self.epochs(), CLEAN) for trial in tried)

    def tuned(self, loss: str, level: Level) -> list[Trial]:
        """A loss at a level with the best of the settings that are recorded there, every seed."""
        offered = []
        for runs in self.first:
            for read in (runs.tuned, runs.kept):
                with suppress(MissingRun):
                    offered += read(loss, level)[:1]
            with suppress(MissingRun):
                offered.append(runs.runner_up(loss, level))
        return with_seeds(self._best(self._recorded(offered)), self.seeds(loss, level))

    def _best(self, trials: list[Trial]) -> Trial:
        if len(trials) < 2:  # what the tuning chose, at most: no choice of its own
            raise MissingRun(f"a run is missing: a second setting at length on {self.bench.data}")
        values = [self.goal(record) for record in recorded(trials, self.records)]
        return trials[values.index(max(values))]

    def _recorded(self, trials: Iterable[Trial]) -> list[Trial]:
        return list({t.id: t for t in trials if t.id in self.records}.values())


def _tried(runs: Runs, loss: str) -> list[Trial]:
    """The trials of a tuning that has come to its end; none of another."""
    with suppress(MissingRun):
        tuning = runs.clean(loss)
        tuning.best(runs.records)
        return [*tuning.tried(runs.records).values()]
    return []
