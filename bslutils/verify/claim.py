"""What a claim is, how it is written above its program, and what running the program gives."""

import time
from collections.abc import Callable
from dataclasses import dataclass

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
class Finding:
    """What a program measured.

    Attributes:
        effect: the measurement in words and numbers, for the ledger.
        deviation: how far the claim is from true where it should be true, at most
            ``Claim.tolerance``.
        counter: how far it is from true where it should fail, at least ``Claim.least``.
    """

    effect: str
    deviation: float = 0.0
    counter: float = float("inf")


@dataclass(frozen=True)
class Claim:
    """A sentence that a program checks.

    Attributes:
        id: its name on the command line and in the book.
        sentence: what is claimed.
        source: who claims it, and where; or 'this book'.
        verdict: one of ``VERDICTS``, as recorded.
        program: measures; takes no argument and gives a :class:`Finding`.
        tolerance: largest deviation with which the verdict stands.
        least: smallest counter-evidence with which the verdict stands: for a claim that does
            not hold, or the other side of a condition.
        conditions: under which it holds, or what to know of it.
        records: the sweeps whose records the program reads; without these files it is left out
            when all claims are run.

    Raises:
        ValueError: an unknown verdict, or a refuted claim without ``least``.
    """

    id: str
    sentence: str
    source: str
    verdict: str
    program: Callable[[], Finding]
    tolerance: float = 0.0
    least: float = 0.0
    conditions: str = ""
    records: tuple[str, ...] = ()

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {VERDICTS}, got {self.verdict!r}")
        if self.verdict == "does not hold" and not self.least > 0:
            raise ValueError(f"{self.id}: a claim that does not hold needs least > 0")


def claim(
    id: str,
    sentence: str,
    *,
    source: str,
    verdict: str,
    tolerance: float = 0.0,
    least: float = 0.0,
    conditions: str = "",
    records: tuple[str, ...] = (),
) -> Callable[[Callable[[], Finding]], Claim]:
    """Decorator that makes a program a :class:`Claim`, whose attributes are described there."""

    def of(program: Callable[[], Finding]) -> Claim:
        return Claim(id, sentence, source, verdict, program, tolerance, least, conditions, records)

    return of


@dataclass(frozen=True)
class Result:
    """A claim, what its program found, and whether the recorded verdict stands."""

    claim: Claim
    finding: Finding
    stands: bool
    seconds: float


def check(claim: Claim) -> Result:
    """Run one claim's program. A program that raises leaves no verdict standing."""
    start = time.perf_counter()
    try:
        finding = claim.program()
    except ImportError:
        raise  # a package is missing: nothing was found out about the claim
    except Exception as error:
        finding = Finding(f"{type(error).__name__}: {error}", float("nan"), float("nan"))
    stands = finding.deviation <= claim.tolerance and finding.counter >= claim.least
    return Result(claim, finding, bool(stands), time.perf_counter() - start)
