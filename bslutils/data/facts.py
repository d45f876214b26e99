"""What the book says of data sets that are too large to come with it, in a small file.

``results/datasets.json`` is made by ``python -m bslutils data --facts results/datasets.json`` and
checked against the data by a test.
"""

import json
from pathlib import Path
from typing import Any

from ..sampling import expected_partners, ratio_of_share
from .interactions import Interactions
from .sources import SOURCES, load

BATCHES = (1024, 2048)  # as in the commands of BSL's authors
COUNTS = (  # of what describe() tells
    "name",
    "protocol",
    "users",
    "items",
    "train",
    "valid",
    "test",
    "density",
    "median pairs of a user",
)
SHARES = (0.05, 0.1, 0.2, 0.3)  # of false negatives, which experiments on noise go through


def facts(data: Interactions) -> dict[str, Any]:
    """Counts of a data set, ready for JSON.

    The first of :meth:`Interactions.describe` and the hash, and of the training pairs: how many
    there are with those of validation; the mean of a user; the share of false negatives among
    uniform draws, in the row of an average pair; the ratio that noise has to have for other shares
    (:func:`bslutils.sampling.ratio_of_share`); and the other positives of the same user that a pair
    meets in a random batch, by its size, where validation is trained on, too
    (:func:`bslutils.sampling.expected_partners`).

    Example:
        >>> found = facts(load("synthetic"))
        >>> found["users"], round(found["mean training pairs of a user"], 1)
        (500, 28.4)
    """
    described = data.describe()
    degree, whole = data.user_degree, data.paper_protocol().train
    return {
        **{name: described[name] for name in COUNTS},
        "hash": data.hash,
        "train and valid": int(whole.nnz),
        "mean training pairs of a user": float(degree.mean()),
        "share of false negatives": float((degree**2).sum() / degree.sum() / data.n_items),
        "ratio of a share": {str(s): ratio_of_share(data.train, s) for s in SHARES},
        "other positives in a batch": {str(b): expected_partners(whole, b) for b in BATCHES},
    }


def write(path: Path) -> None:
    """Write the facts of every data set that is downloaded, by name.

    Raises:
        ValueError, ConnectionError, ImportError: as :func:`bslutils.load`; nothing is written.
    """
    found = {name: facts(load(name)) for name, source in SOURCES.items() if source.files}
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
