"""What a claim on training was seen on: data, users, backbone, seeds, and the level of models."""

from dataclasses import dataclass

from ..data import SOURCES
from ..experiments.facts import facts_of
from ..experiments.verdicts import LEVEL


@dataclass(frozen=True)
class Scope:
    """One data set that a claim was seen on, with one backbone.

    Attributes:
        data: name of the data set.
        backbone: of the models.
        seeds: runs of each setting; 0 while nothing is recorded.
        level: NDCG@20 of softmax loss on test in this experiment, without noise, or of the best
            loss where the experiment is about that; 0 if unknown.
        best: that of the best record of any loss on this data, with the same model and by the
            same protocol; 0 if there is none to compare with.
        unsettled: why the models have not converged
            (:attr:`bslutils.experiments.convergence.State.preliminary`); empty if they have, or
            if it was not looked at.
        by_level: whether the rule of the claim asks how near to the best record models are.

    Example:
        >>> print(Scope("movielens-small", "MF", 5, 0.24))
        MovieLens (small), 659 users, 2,078 items, MF, 5 seeds; level 0.240
        >>> print(Scope("synthetic", "MF", 0))
        planted preferences, 500 users, 800 items, MF: not run
    """

    data: str
    backbone: str
    seeds: int
    level: float = 0.0
    best: float = 0.0
    unsettled: str = ""
    by_level: bool = True

    @property
    def preliminary(self) -> bool:
        """Whether models have not converged, or are too far below the best that is recorded."""
        below = self.by_level and 0 < self.level < LEVEL * self.best
        return bool(self.unsettled) or below

    def __str__(self) -> str:
        counts = facts_of(self.data)
        size = f"{counts['users']:,} users, {counts['items']:,} items"
        where = f"{SOURCES[self.data].title}, {size}, {self.backbone}"
        if not self.seeds:
            return f"{where}: not run"
        many = "1 seed" if self.seeds == 1 else f"{self.seeds} seeds"
        level = f"level {self.level:.3f}" if self.level else "level not known"
        if self.level and self.best:
            level += f", {100 * self.level / self.best:.1f} % of the best recorded"
        if self.preliminary:
            level += f" (preliminary{f': {self.unsettled}' if self.unsettled else ''})"
        return f"{where}, {many}; {level}"
