"""What a claim is, how it is written above its program, and what running the program gives.

Example:
    >>> @claim("halves", "Two halves are a whole.", source="this book", verdict="holds exactly")
    ... def halves():
    ...     gap = abs(0.5 + 0.5 - 1)
    ...     return Finding(f"they are {gap:g} apart", [holds("gap to a whole", gap, at_most=0)])
    >>> run_claim(halves).stands
    True
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..experiments.records import MissingRun
from ..experiments.verdicts import EQUAL
from ..intervals import Interval
from .scope import Scope

# What is mixed was seen to hold in some comparisons on a data set and to fail in others there.
# What does not hold was seen to fail. Undecided is what was seen to do neither: the interval
# reaches past the bound that is claimed, so that it does not show the claim, and further from it
# than what does not matter, so that it does not show the contrary either (:func:`unclear`).
VERDICTS = (
    "holds exactly",
    "holds to the stated order",
    "holds under conditions",
    "mixed",
    "does not hold",
    "undecided",
)
BLOCKS = (1, 2, 3, 0)  # what a claim may be about, in the order of the ledger; 0 is ours


# Who claims what: each source spelled here, once.
WU = "Wu et al., ICDE 2024"
WU_1, WU_2, WU_3 = (f"{WU}, abstract (claim {k})" for k in (1, 2, 3))
CODE = "official code of BSL"
ADVINFONCE = "Zhang et al. (AdvInfoNCE), NeurIPS 2023"
DRRL = "Zhang et al. (DrRL), AAAI 2025"
DUCHI = "Duchi and Namkoong, Annals of Statistics 2021"
FAURY = "Faury et al., AAAI 2020"
GIBBS = "Gibbs variational principle"
HOEFFDING = "Hoeffding, 1963"
HU = "Hu and Hong, 2013"
LAM = "Lam, 2016"
LLPAUC = "Shi et al. (LLPAUC), WWW 2024"
LOGQ = "Khrylchenko et al., RecSys 2025"
OCE = "Ben-Tal and Teboulle, 2007"
PSL = "Yang et al. (PSL), NeurIPS 2024"
ROCKAFELLAR = "Rockafellar and Uryasev, 2000"
SLATK = "Yang et al. (SL@K), KDD 2025"
YI = "Yi et al., RecSys 2019"


@dataclass(frozen=True)
class Check:
    """One condition of a verdict; :func:`holds`, :func:`fails` and :func:`unclear` make it.

    Attributes:
        name: what was measured.
        value: the number.
        at_most: its upper bound, or None.
        at_least: its lower bound, or None.
        side: "holds", "fails" where it says that the claim is not true, or "unclear" where it says
            that nothing can be said.
    """

    name: str
    value: float
    at_most: float | None
    at_least: float | None
    side: str

    @property
    def passed(self) -> bool:
        """Whether the number keeps its bound; NaN keeps none."""
        return self.value >= self.at_least if self.at_most is None else self.value <= self.at_most

    def __str__(self) -> str:
        side, bound = ("most", self.at_most) if self.at_least is None else ("least", self.at_least)
        return f"{self.name}: {self.value:.6g}, must be at {side} {bound:g}"


def holds(
    name: str, values: ArrayLike, *, at_most: float | None = None, at_least: float | None = None
) -> Check:
    """Check that the claim is true: ``values`` are at most, or at least, a bound.

    Of several values the worst counts.

    Raises:
        ValueError: no value, or not exactly one bound.

    Example:
        >>> print(holds("gap", [0.0, 0.2], at_most=0.1))
        gap: 0.2, must be at most 0.1
    """
    return _check(name, values, at_most, at_least, "holds")


def fails(
    name: str, values: ArrayLike, *, at_most: float | None = None, at_least: float | None = None
) -> Check:
    """As :func:`holds`, but of the other side: check where, and how far, the claim is not true."""
    return _check(name, values, at_most, at_least, "fails")


def unclear(
    name: str, intervals: Iterable[Interval], *, bound: float = 0.0, equal: float = EQUAL
) -> Check:
    """Check that intervals leave a question open: none excludes ``bound``, none keeps near it.

    Each must hold the bound and reach further than ``equal`` from it. What is checked is by how
    much it does, on the side where it is short of that; the worst interval counts.

    Raises:
        ValueError: no interval.

    Example:
        >>> wide, narrow = Interval(0.01, -0.02, 0.04), Interval(0.0, -0.01, 0.01)
        >>> [unclear("lead", [x]).passed for x in (wide, narrow)]
        [True, False]
    """
    reach = [
        min(bound - x.low, x.high - bound, max(bound - x.low, x.high - bound) - equal)
        for x in intervals
    ]
    return _check(name, reach, None, 0.0, "unclear")


def _check(name, values, at_most, at_least, side) -> Check:
    if np.size(values) == 0:
        raise ValueError(f"{name}: nothing was measured")
    if (at_most is None) == (at_least is None):
        raise ValueError(f"{name}: give at_most or at_least")
    worst = np.max(values) if at_least is None else np.min(values)
    return Check(name, float(worst), at_most, at_least, side)


@dataclass(frozen=True)
class Finding:
    """What a program found.

    Attributes:
        effect: the measurement in words and numbers, for the ledger.
        checks: what must be so for the verdict to stand.
        scope: of a claim on training: what it was seen on.
        verdict: of a claim that has none of its own: what the rules give.
    """

    effect: str
    checks: list[Check]
    scope: tuple[Scope, ...] = ()
    verdict: str = ""


@dataclass(frozen=True)
class Claim:
    """A sentence that a program checks.

    Attributes:
        id: its name on the command line and in the book.
        sentence: what is claimed.
        source: who claims it, and where; or 'this book'.
        verdict: one of ``VERDICTS``, as recorded; empty while the runs that it rests on are still
            made: then the program finds it, by the rules of :mod:`bslutils.experiments.verdicts`.
        program: measures; takes no argument and gives a :class:`Finding`. If the claim does not
            hold, one check at least is of the other side (:func:`fails`); if it is undecided, one
            says so (:func:`unclear`).
        about: which of the paper's three claims it is part of, reads or disputes; 0 for none.
        conditions: under which it holds, or what to know of it.
        records: the sweeps whose records the program reads; without these files it is left out
            when all claims are run.
        long: whether its program trains many models; it is begun first, of claims that are run
            side by side.

    Raises:
        ValueError: an unknown verdict, or a claim of the paper that it does not make.
    """

    id: str
    sentence: str
    source: str
    verdict: str
    program: Callable[[], Finding]
    about: int = 0
    conditions: str = ""
    records: tuple[str, ...] = ()
    long: bool = False

    def __post_init__(self):
        if self.verdict and self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {VERDICTS}, got {self.verdict!r}")
        if self.about not in BLOCKS:
            raise ValueError(f"about must be one of {BLOCKS}, got {self.about!r}")

    @property
    def note(self) -> str:
        """The conditions as a sentence of its own: with a capital, unless it is Greek."""
        first = self.conditions[:1]
        return f"{first.upper() if first.isascii() else first}{self.conditions[1:]}."


def claim(
    id: str,
    sentence: str,
    *,
    source: str,
    verdict: str,
    about: int = 0,
    conditions: str = "",
    records: tuple[str, ...] = (),
    long: bool = False,
) -> Callable[[Callable[[], Finding]], Claim]:
    """Decorator that makes a program a :class:`Claim`, whose attributes are described there."""
    return lambda program: Claim(
        id, sentence, source, verdict, program, about, conditions, records, long
    )


@dataclass(frozen=True)
class Result:
    """A claim and what its program found.

    Attributes:
        claim: which.
        finding: what was found.
        stands: whether the verdict is still what the program finds.
        seconds: that it took.
        missing: whether a run that it rests on is not recorded: nothing was found out.
    """

    claim: Claim
    finding: Finding
    stands: bool
    seconds: float
    missing: bool = False

    @property
    def verdict(self) -> str:
        """The recorded verdict, or what the rules give."""
        return self.claim.verdict or self.finding.verdict


def run_claim(claim: Claim) -> Result:
    """Run one claim's program. A program that raises leaves no verdict standing.

    Raises:
        ValueError: a verdict that no check of the program is of: what does not hold has to fail,
            what is undecided has to be unclear; or a verdict from the program and one recorded.
        ImportError: a package is missing; nothing was found out about the claim.
    """
    start, missing = time.perf_counter(), False
    try:
        finding = claim.program()
    except ImportError:
        raise
    except Exception as error:
        finding = Finding(f"{type(error).__name__}: {error}", [])
        missing = isinstance(error, MissingRun)
    else:
        _fits(claim, finding)
    if claim.verdict:
        stands = bool(finding.checks) and all(check.passed for check in finding.checks)
    else:
        stands = bool(finding.verdict)
    return Result(claim, finding, stands, time.perf_counter() - start, missing)


# The side of a check without which a verdict is not what the program found.
NEEDS = {"does not hold": "fails", "undecided": "unclear"}


def _fits(claim: Claim, finding: Finding) -> None:
    if bool(claim.verdict) == bool(finding.verdict):
        raise ValueError(f"{claim.id}: a verdict is recorded, or found by its program: not both")
    side = NEEDS.get(claim.verdict)
    if side and not any(check.side == side for check in finding.checks):
        raise ValueError(f"{claim.id}: '{claim.verdict}' needs a check by {side}(…)")
