"""What a check finds, and what checks share."""

from dataclasses import dataclass
from textwrap import fill

from torch import Tensor

from .called import Called

FEW = 6  # rows, where a few tell as much as all


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: its name.
        grade: ``"fine"``, ``"warning"`` or ``"fault"``.
        measured: what was seen, in words and numbers.
        advice: what to do about it; empty where all is fine.
    """

    check: str
    grade: str
    measured: str
    advice: str = ""

    def __str__(self) -> str:
        """On lines of 80 signs."""
        said = fill(f"{self.grade}: {self.check}: {self.measured}", 80, subsequent_indent="  ")
        advice = fill(self.advice, 80, initial_indent="  → ", subsequent_indent="    ")
        return f"{said}\n{advice}" if self.advice else said


def fine(check: str, measured: str) -> Finding:
    return Finding(check, "fine", measured)


def warning(check: str, measured: str, advice: str) -> Finding:
    return Finding(check, "warning", measured, advice)


def fault(check: str, measured: str, advice: str) -> Finding:
    return Finding(check, "fault", measured, advice)


def pull_and_push(loss: Called, pos: Tensor, neg: Tensor) -> tuple[Tensor, Tensor]:
    """How far a step down the loss moves positives up and negatives down."""
    up, down = loss.gradients(pos, neg).or_zero(pos, neg)
    return -up, down


def differ(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> bool:
    """Whether two values differ by more than rounding; what is no number differs from itself."""
    return not (a - b).abs().item() <= tolerance * max(1.0, a.abs().item(), b.abs().item())
