"""What the pages of the book share: numbers that are said, and what is said where a run is missing.

For notebooks alone: nothing in the package imports it.
"""

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any

from matplotlib.axes import Axes

from . import plots
from .experiments import MissingRun, known_records, origin, path_of, sweep
from .experiments.records import file_of
from .experiments.trial import Trial
from .glue import glue as glue
from .intervals import (
    adjusted as adjusted,  # what pages say of many comparisons
    number,
)

GREY, BLUE, GOLD, RED = (
    plots.loss_style(name)["color"] for name in ("mse", "softmax", "bpr", "bilateral_softmax")
)


class Page:
    """A page that rests on some sweeps: what is recorded of them, and what it cannot say yet.

    Args:
        sweeps: names of sweeps (:func:`bslutils.experiments.sweep`).
        size: at which they are taken, ``"small"`` or ``"full"``.

    Attributes:
        records: of all sweeps there are, by id.
        size: as given.
        trials: name of a sweep of the page -> the trials that it wants.
        missing: those of them that have no record, or one without the users that are wanted.
        complete: whether there is none. A reading that misses a run then reads what no sweep of
            the page makes: that is a bug, and raised.
        gaps: name of what could not be said -> the run that it lacks.

    Raises:
        ValueError: an unknown sweep or size; the message lists the choices.
        FileNotFoundError: a sweep has no file of records, which may lack runs.
    """

    def __init__(self, *sweeps: str, size: str = "small"):
        for name in sweeps:
            file_of(f"results/{sweep(name).name}.jsonl")
        self.records = known_records(path_of(""))
        self.trials = {name: sweep(name).trials(size, self.records) for name in sweeps}
        lacking = {t.id: t for name in sweeps for t in self._lacking(name)}
        self.missing = [*lacking.values()]
        self.complete = not self.missing
        self.size = size
        self.gaps: dict[str, str] = {}

    def origins(self) -> list[str]:
        """Where the records come from, and which sweeps lack some: lines of Markdown."""
        lines = [f"* {origin(sweep(name), size=self.size)}" for name in self.trials]
        option = "" if self.size == "small" else f" --size {self.size}"
        for name in self.trials:
            if n := len(self._lacking(name)):
                runs = "a run is" if n == 1 else f"{n} runs are"
                what = f"{runs} missing of those planned so far"
                lines.append(f"* {what}: `python -m bslutils sweep {name}{option}`")
        return lines

    def _lacking(self, name: str) -> list[Trial]:
        wants = sweep(name).satisfied_by
        return [
            trial for trial in self.trials[name] if not wants(trial, self.records.get(trial.id))
        ]

    def attempt(self, read: Callable[[], Any], otherwise: Any = None) -> Any:
        """What ``read()`` finds, or something else while a run is missing."""
        try:
            return read()
        except MissingRun:
            if self.complete:
                raise
            return otherwise

    def say(self, name: str, read: Callable[[], Any]) -> None:
        """Put what ``read()`` finds into the text, or that it rests on a missing run."""
        try:
            value = read()
        except MissingRun as missing:
            if self.complete:
                raise
            self.gaps[name], value = str(missing), "(a run is missing)"
        glue(name, value)

    def sure(self, check: Callable[[], bool]) -> None:
        """Hold the page to what a sentence of it says, as soon as the runs are recorded.

        Raises:
            AssertionError: ``check()`` finds otherwise.
        """
        if not self.attempt(check, True):
            raise AssertionError("the records do not say what the page says")

    def judged(self, results: Iterable) -> list[str]:
        """Claims that were checked, each as an item of a list in Markdown, of two lines or three.

        Args:
            results: as :func:`bslutils.verify.run_claims` gives them.

        Raises:
            AssertionError: a verdict no longer stands, though no run is missing.
        """
        lines = []
        for result in results:
            claim = result.claim
            if self.complete and not result.stands:
                raise AssertionError(f"{claim.id} no longer stands: {result.finding.effect}")
            said = [f"* **{claim.sentence}** *{result.verdict.capitalize()}.*"]
            if claim.conditions:
                said.append(claim.note)
            said.append(f"*Measured* (`{claim.id}` in the ledger): {result.finding.effect}.")
            lines.append("\\\n  ".join(said))  # a line each
        return lines


class Readings(dict):
    """What ``read`` finds for each key, as far as its runs are recorded.

    Asked for a key whose run is missing, it says so; a key that nobody read is a ``KeyError``.

    Args:
        read: a function of a key; of its parts, where keys are tuples.
        keys: what to read.

    Attributes:
        missing: key -> why there is nothing.

    Example:
        >>> def read(name):
        ...     if name == "bpr":
        ...         raise MissingRun("a run is missing: bpr")
        ...     return len(name)
        >>> found = Readings(read, ["mse", "bpr"])
        >>> found, list(found.missing), found.get("bpr")
        ({'mse': 3}, ['bpr'], None)
        >>> found["bpr"]
        Traceback (most recent call last):
        bslutils.experiments.records.MissingRun: a run is missing: bpr
    """

    def __init__(self, read: Callable[..., Any], keys: Iterable[Hashable]):
        self.missing: dict[Hashable, str] = {}
        for key in keys:
            try:
                self[key] = read(*key) if isinstance(key, tuple) else read(key)
            except MissingRun as missing:
                self.missing[key] = str(missing)

    def __missing__(self, key: Hashable) -> Any:
        if key in self.missing:
            raise MissingRun(self.missing[key])
        raise KeyError(key)

    def every(self) -> list[Any]:
        """All values, in the order of the keys.

        Raises:
            MissingRun: a key has none.
        """
        if self.missing:
            raise MissingRun(next(iter(self.missing.values())))
        return [*self.values()]


def some(values: Collection) -> Collection:
    """The values, of which a sentence needs one at least.

    Raises:
        MissingRun: there is none.

    Example:
        >>> max(some([1, 3]))
        3
    """
    if not values:
        raise MissingRun("a run is missing: there is none at all")
    return values


def label(loss: str) -> str:
    """How figures and tables call a loss; ``ValueError`` for an unknown one."""
    return plots.loss_style(loss)["label"]


def color(loss: str) -> str:
    """The colour of a loss; ``ValueError`` for an unknown one."""
    return plots.loss_style(loss)["color"]


def percent(x: float, digits: int = 1) -> str:
    """A change in percent, with its sign, and no minus before a zero.

    Example:
        >>> percent(0.0314), percent(-0.5, 0), percent(-0.0001)
        ('+3.1%', '-50%', '+0.0%')
    """
    return f"{number(100 * x, digits, '+')}%"


def listed(words: Iterable[str]) -> str:
    """Words with commas between, or that there is none.

    Example:
        >>> listed(["SL", "BSL"]), listed([])
        ('SL, BSL', 'none')
    """
    return ", ".join(words) or "none"


def absent(ax: Axes, label: str, color: str) -> None:
    """Say in the legend that the runs of a line are missing."""
    ax.plot([], [], color=color, label=f"{label} (missing)")
