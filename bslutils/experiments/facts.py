"""Counts of a data set by its name: of those that are downloaded as recorded, of others as made."""

import json
from functools import cache
from typing import Any

from ..data import SOURCES, load
from ..data.facts import facts
from .records import file_of


@cache
def facts_of(data: str) -> dict[str, Any]:
    """What :func:`bslutils.data.facts.facts` counts, without a download.

    Raises:
        ValueError: an unknown data set; the message lists them.

    Example:
        >>> facts_of("ml-1m")["users"], facts_of("synthetic")["users"]
        (6022, 500)
    """
    if data not in SOURCES:
        raise ValueError(f"data must be one of {', '.join(SOURCES)}, got {data!r}")
    if not SOURCES[data].files:
        return facts(load(data))
    return json.loads(file_of("results/datasets.json").read_text(encoding="utf-8"))[data]
