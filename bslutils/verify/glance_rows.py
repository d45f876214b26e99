"""The paper's three claims, as the claims at a glance have them: in theory, measured, advice."""

from dataclasses import dataclass

from ..experiments import judged
from ..experiments.noise import NEGATIVE
from ..intervals import Interval
from . import CLAIMS
from .paper_better import verdict_on_better
from .paper_data import in_unit

# Claim -> what its comparisons on the paper's data are made under, which is not as on small data.
UNDER = {
    1: f"with {100 * judged.NEGATIVES[1]:g} % of the negatives false",
    2: "where SL finds as much on validation, or more",
    3: f"with {100 * judged.POSITIVES[1]:g} % false positives",
}


@dataclass(frozen=True)
class Row:
    """One of the paper's claims.

    Attributes:
        number: 1, 2 or 3.
        title: the claim in a few words.
        theory: name of a claim of the ledger -> what it says, to go on with its verdict.
        training: the claim of the ledger on training that the small data belong to.
        how: the comparison on the small data is made.
        measured: what is compared.
        under: under which noise on the small data, if the noise is not another one in each row.
        beside: goes before what it is compared with, or before when.
        unit: of that: per cent; points, of two changes in per cent; or none.
        advice: what to do.
        rests_on: the claim of the ledger that the advice follows from.
    """

    number: int
    title: str
    theory: dict[str, str]
    training: str
    how: str
    measured: str
    under: str
    beside: str
    unit: str
    advice: str
    rests_on: str

    def text(self, interval: Interval) -> str:
        """An interval in the unit of the claim."""
        return in_unit(self.unit, interval)

    @property
    def axis(self) -> str:
        """What is compared, with its unit."""
        return f"{self.measured} ({self.unit})" if self.unit else self.measured

    @property
    def verdict(self) -> str:
        """Those of the ledger on training, of each part of a claim, with the main condition."""
        verdict = CLAIMS[self.training].verdict
        if self.number == 2:
            verdict = f"{verdict} (it holds against BCE)"
        if self.number == 3:
            better = verdict_on_better()
            verdict = f"robust: {verdict} (tuned at the noise); better without noise: {better}"
        return verdict


ROWS = (
    Row(
        1,
        "Softmax loss (SL) is robust to noisy negatives",
        {
            "dro-penalty": "SL is distributionally robust optimisation over the negatives",
            "dro-false-negatives": "it therefore plays false negatives down",
        },
        "trained-negatives",
        f"with false negatives drawn {NEGATIVE.levels[-1]:g} times as often as others and settings "
        "kept",
        "how much less SL falls",
        f"false negatives at weight {NEGATIVE.levels[-1]:g}",
        "than ",
        "points",
        "If negatives may be false, raise a low τ first, then try another loss; to tune a high τ "
        "again under the noise brought little or nothing on small data; if users meet "
        "popular negatives more often than training does, expect a lower τ, and measure.",
        "trained-temperature",
    ),
    Row(
        2,
        "SL penalises the variance of predictions, and is fairer",
        {
            "variance-second": "SL penalises the variance of predictions",
            "variance-only-sl": "other losses leave variance alone",
            "variance-least": "the predictions of models trained with SL vary least",
        },
        "trained-fairness",
        "at equal validation accuracy (BCE without an intercept)",
        "how much lower the Gini index of SL is",
        "",
        "than that of ",
        "",
        "Choose the loss for its accuracy; compare the fairness of losses at equal accuracy.",
        "trained-fairness",
    ),
    Row(
        3,
        "Bilateral softmax loss (BSL) is robust to noisy positives, and better",
        {
            "bsl-one-line": "BSL is SL with one line of code changed",
            "bsl-optimism": "this line is optimism about the positives",
        },
        "trained-bilateral",
        "with false positives among the candidates, and both losses tuned on the same data but "
        "where it says otherwise",
        "lead of BSL over SL",
        "",
        "with ",
        "%",
        "If positives are noisy, tune τ with the noise in training; then try reweighted SL, and "
        "MSE on inner products; then BSL with 8 to 16 positives of a user in a row and τ₁ = 1, or "
        "with four and 0.3.",
        "trained-optimism",
    ),
)
