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
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

VERDICTS = (
    "holds exactly",
    "holds to the stated order",
    "holds under conditions",
    "does not hold",
)


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
LLPAUC = "Shi et al. (LLPAUC), WWW 2024"
PSL = "Yang et al. (PSL), NeurIPS 2024"
ROCKAFELLAR = "Rockafellar and Uryasev, 2000"
SLATK = "Yang et al. (SL@K), KDD 2025"


@dataclass(frozen=True)
class Check:
    """One condition of a verdict; :func:`holds` and :func:`fails` make it.

    Attributes:
        name: what was measured.
        value: the number.
        at_most: its upper bound, or None.
        at_least: its lower bound, or None.
        counter: whether it says where the claim is not true.
    """

    name: str
    value: float
    at_most: float | None
    at_least: float | None
    counter: bool

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
    return _check(name, values, at_most, at_least, counter=False)


def fails(
    name: str, values: ArrayLike, *, at_most: float | None = None, at_least: float | None = None
) -> Check:
    """As :func:`holds`, but of the other side: check where, and how far, the claim is not true."""
    return _check(name, values, at_most, at_least, counter=True)


def _check(name, values, at_most, at_least, counter) -> Check:
    if np.size(values) == 0:
        raise ValueError(f"{name}: nothing was measured")
    if (at_most is None) == (at_least is None):
        raise ValueError(f"{name}: give at_most or at_least")
    worst = np.max(values) if at_least is None else np.min(values)
    return Check(name, float(worst), at_most, at_least, counter)


@dataclass(frozen=True)
class Finding:
    """What a program found.

    Attributes:
        effect: the measurement in words and numbers, for the ledger.
        checks: what must be so for the verdict to stand.
    """

    effect: str
    checks: list[Check]


@dataclass(frozen=True)
class Claim:
    """A sentence that a program checks.

    Attributes:
        id: its name on the command line and in the book.
        sentence: what is claimed.
        source: who claims it, and where; or 'this book'.
        verdict: one of ``VERDICTS``, as recorded.
        program: measures; takes no argument and gives a :class:`Finding`. If the claim does not
            hold, one check at least is of the other side (:func:`fails`).
        conditions: under which it holds, or what to know of it.
        records: the sweeps whose records the program reads; without these files it is left out
            when all claims are run.
        long: whether its program trains many models; it is begun first, of claims that are run
            side by side.

    Raises:
        ValueError: an unknown verdict.
    """

    id: str
    sentence: str
    source: str
    verdict: str
    program: Callable[[], Finding]
    conditions: str = ""
    records: tuple[str, ...] = ()
    long: bool = False

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {VERDICTS}, got {self.verdict!r}")


def claim(
    id: str,
    sentence: str,
    *,
    source: str,
    verdict: str,
    conditions: str = "",
    records: tuple[str, ...] = (),
    long: bool = False,
) -> Callable[[Callable[[], Finding]], Claim]:
    """Decorator that makes a program a :class:`Claim`, whose attributes are described there."""
    return lambda program: Claim(id, sentence, source, verdict, program, conditions, records, long)


@dataclass(frozen=True)
class Result:
    """A claim, what its program found, and whether the recorded verdict stands."""

    claim: Claim
    finding: Finding
    stands: bool
    seconds: float


def run_claim(claim: Claim) -> Result:
    """Run one claim's program. A program that raises leaves no verdict standing.

    Raises:
        ValueError: the claim does not hold, and its program has no check of the other side.
        ImportError: a package is missing; nothing was found out about the claim.
    """
    start = time.perf_counter()
    try:
        finding = claim.program()
    except ImportError:
        raise
    except Exception as error:
        finding = Finding(f"{type(error).__name__}: {error}", [])
    else:
        if claim.verdict == "does not hold" and not any(check.counter for check in finding.checks):
            raise ValueError(f"{claim.id}: a claim that does not hold needs a check by fails(…)")
    stands = bool(finding.checks) and all(check.passed for check in finding.checks)
    return Result(claim, finding, stands, time.perf_counter() - start)
