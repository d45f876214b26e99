"""What the protocol is worth: more training pairs, and the epoch that test would choose.

Read off the long runs of the sweep ``published``, and off all that were run under the paper
protocol.
"""

from typing import Any, NamedTuple

from .figure1 import HONEST, SETTINGS, long_run
from .records import Records, lacks
from .trial import NO_LOSS


class Protocols(NamedTuple):
    """One setting under two protocols; a metric on test each.

    Attributes:
        honest: trained without the validation pairs, which choose the epoch.
        paper: trained on all of them; test chooses the epoch.
        same_epoch: trained on all of them, at the epoch of the honest run.
    """

    honest: float
    paper: float
    same_epoch: float

    @property
    def whole(self) -> float:
        """What the protocol adds, in parts of the honest figure."""
        return self.paper / self.honest - 1

    @property
    def pairs(self) -> float:
        """The part of it that is more training pairs.

        Example:
            >>> found = Protocols(honest=0.10, paper=0.12, same_epoch=0.11)
            >>> round(found.whole, 3), round(found.pairs, 3)
            (0.2, 0.1)
        """
        return self.same_epoch / self.honest - 1


def protocols(data: str, loss: str, records: Records, *, metric: str = "recall@20") -> Protocols:
    """The two long runs of a loss in the sweep ``published``.

    Raises:
        MissingRun: one is not recorded.
    """
    honest, paper = (long_run(data, loss, name, records) for name in ("honest", "paper"))
    seen = looks(paper, metric)
    return Protocols(
        honest["test"][metric],
        paper["test"][metric],
        seen[honest["best_epoch"]],
    )


def both_ways(records: Records) -> list[tuple[str, str]]:
    """Data and loss of the long runs that are wanted under both protocols.

    Those of Yelp2018 always; those of Gowalla, which the small size does not plan, if they are
    recorded.
    """
    pairs = [(data, loss) for data in SETTINGS for loss in HONEST if loss in SETTINGS[data]]
    return [x for x in pairs if x[0] == "yelp2018" or not lacks(protocols, *x, records)]


def on_test(records: Records) -> list[dict[str, Any]]:
    """The records of all trainings under the paper protocol, of whatever sweep."""
    found = [record for record in records.values() if record["protocol"] == "paper"]
    return [record for record in found if record["loss"] != NO_LOSS]


def looks(record: dict[str, Any], metric: str = "recall@20") -> dict[int, float]:
    """Epoch -> the metric that its validation had, at the epochs at which it was looked.

    Under the paper protocol validation *is* test.

    Example:
        >>> looks({"history": [{"epoch": 1}, {"epoch": 2, "recall@20": 0.1}]})
        {2: 0.1}
    """
    return {entry["epoch"]: entry[metric] for entry in record["history"] if metric in entry}


def over_last(record: dict[str, Any], metric: str = "recall@20") -> float:
    """How far the best epoch of a run is above its last, in parts of the last.

    Example:
        >>> entries = [{"epoch": 5, "recall@20": 0.3}, {"epoch": 10, "recall@20": 0.25}]
        >>> round(over_last({"history": entries}), 3)
        0.2
    """
    seen = looks(record, metric)
    return max(seen.values()) / seen[max(seen)] - 1
