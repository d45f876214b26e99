"""What the claims at a glance read off the records: on the small data, and where short runs are."""

from collections.abc import Callable, Iterable
from contextlib import suppress

from ..data import SOURCES
from ..experiments import decisions, fairness, noise
from ..experiments.judged import OTHERS
from ..experiments.noise import FRACTIONS, NEGATIVE, POSITIVE
from ..experiments.paper_benches import BENCHES
from ..experiments.records import MissingRun
from ..experiments.testbeds import Testbed
from ..intervals import Interval, t_interval
from .paper_better import SMALL, better_on_clean
from .paper_data import listed
from .recorded import found, less
from .recorded_fairness import less_unequal

BSL = "bilateral_softmax"
FALSE = FRACTIONS[-1]  # false positives


def _on(testbeds: Iterable[Testbed]) -> Testbed:
    return next(testbed for testbed in testbeds if testbed.data == SMALL)


def _lead(level: float, tuned: bool = True) -> Interval:
    """Of BSL over softmax loss at a level of false positives, both tuned there or both kept."""
    ours, theirs = (
        found("positive_noise", POSITIVE.values, _on(noise.testbeds()), x, level, tuned=tuned)
        for x in (BSL, "softmax")
    )
    return t_interval(ours / theirs - 1)


def _over_best_tau() -> Interval:
    return found("temperature", decisions.over_best_tau, _on(noise.testbeds())).by


def _better() -> Interval:
    cells = better_on_clean()
    if (SMALL, "MF") not in cells:
        raise MissingRun("a run is missing: python -m bslutils sweep overall")
    return cells[SMALL, "MF"].lead


# When the bilateral loss is compared, in short and in a sentence.
FALSE_TOO = f"{100 * FALSE:g} % false positives"
TEST_PREFERS = f"{100 * FALSE:g} %, SL at the τ that test prefers"
WHEN = {
    FALSE_TOO: f"with {FALSE_TOO}",
    TEST_PREFERS: "against SL at the τ that test prefers, too",
    "no noise": "without noise in chapter 18",
    "no noise, chapter 15": "without noise in chapter 15",
}

# Claim -> what is compared on the small data. A name is the loss that softmax loss is compared
# with, or says when the bilateral loss is.
READINGS: dict[int, dict[str, Callable[[], Interval]]] = {
    1: {x: lambda x=x: less(NEGATIVE, _on(noise.testbeds()), "softmax", x) for x in OTHERS},
    2: {x: lambda x=x: less_unequal(_on(fairness.testbeds()), x) for x in OTHERS},
    3: {
        FALSE_TOO: lambda: _lead(FALSE),
        TEST_PREFERS: _over_best_tau,
        "no noise": lambda: _lead(POSITIVE.clean),
        "no noise, chapter 15": _better,
    },
}

# Claim -> the same with settings chosen in the other way: tuned under the noise instead of kept, or
# kept from clean data instead of tuned.
OTHER_HALF: dict[int, dict[str, Callable[[], Interval]]] = {
    1: {
        x: lambda x=x: less(NEGATIVE, _on(noise.testbeds()), "softmax", x, tuned=True)
        for x in OTHERS
    },
    3: {BSL: lambda: _lead(FALSE, tuned=False)},
}

# Claim -> the chapter on its training, and what short runs there say on other data than the small.
SHORT: dict[int, tuple[int, Callable[[], list[Testbed]], Callable[[Testbed], object]]] = {
    1: (17, noise.testbeds, lambda on: less(NEGATIVE, on, "softmax", OTHERS[0])),
    2: (19, fairness.testbeds, lambda on: less_unequal(on, OTHERS[0])),
    3: (18, noise.testbeds, lambda on: less(POSITIVE, on, "softmax", BSL)),
}


def short(number: int) -> str:
    """Where short runs on the paper's data are; they carry no verdict."""
    chapter, testbeds, read = SHORT[number]
    seen = []
    for testbed in testbeds():
        if testbed.data in {b.data for b in BENCHES}:
            with suppress(MissingRun):
                read(testbed)
                seen.append(SOURCES[testbed.data].title)
    return f"short runs, without a verdict, on {listed(seen)} in chapter {chapter}" if seen else ""
