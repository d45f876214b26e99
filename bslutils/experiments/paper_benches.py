"""The benches of noise on the paper's data: losses, levels of noise, data, and training."""

from dataclasses import dataclass, replace

from ..config import TrainConfig
from . import every_loss
from .testbeds import DENSE

MAIN = ("softmax", "bilateral_softmax")
OTHERS = ("bpr", "bce", "mse", "ccl")  # that softmax loss is compared with in the first two claims
LOSSES = (*MAIN, "reweighted_softmax", *OTHERS)
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3)  # of false negatives among those drawn
FRACTIONS = (0.1, 0.2, 0.4)  # false positives, as a fraction of the positives
CLEAN = ("clean", 0.0)  # uniform negatives, which are false now and then, and no false positive
WORST = (("negatives", SHARES[-1]), ("positives", FRACTIONS[-1]))
LEVELS = (
    CLEAN,
    *(("negatives", share) for share in SHARES),
    *(("positives", fraction) for fraction in FRACTIONS),
)
Level = tuple[str, float]


@dataclass(frozen=True)
class Bench:
    """Data that losses are compared on under noise, and how they are trained there.

    Attributes:
        data: name of the data set.
        config: of the training, but for the L2 term; rows of several positives for every loss.
        tuning_epochs: of the trials that tune, on clean data and under noise.
        whole: every level with every seed, tuned at the ends, too; else, where runs are dear, one
            seed but for softmax and bilateral loss at the ends, and only these two tuned there.
    """

    data: str
    config: TrainConfig
    tuning_epochs: int
    whole: bool = True

    @property
    def in_field(self) -> bool:
        """Whether the sweep ``field`` has settings to start from."""
        return self.data in every_loss.TUNING


ROWS = TrainConfig(
    epochs=30,
    batch_size=256,
    positives=4,
    n_negatives=1024,
    optimizer="row-adam",
    lr=1e-2,
    schedule="cosine",
    metric="recall@20",
    eval_every=5,
    patience=None,
)
FULL = replace(ROWS, epochs=16, batch_size=512, lr=5e-3, eval_every=4)
BENCHES = (
    Bench("ml-1m", replace(DENSE, epochs=30, eval_every=5, metric="recall@20"), 30),
    Bench("amazon-electronics", ROWS, 30),
    Bench("yelp2018", FULL, 4, whole=False),
    Bench("gowalla", FULL, 4, whole=False),
)
# Rows of a random batch in the authors' commands, where their loss pools the positives of a user.
POOLED = {"ml-1m": 2048, "yelp2018": 1024}


def bench(data: str) -> Bench:
    """The bench on a data set.

    Raises:
        ValueError: there is none; the message lists them.
    """
    for found in BENCHES:
        if found.data == data:
            return found
    raise ValueError(f"data must be one of {', '.join(b.data for b in BENCHES)}, got {data!r}")
