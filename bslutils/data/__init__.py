"""Data: interactions, files of pairs, splits, planted preferences, and the data sets by name."""

from .interactions import Interactions, check_data, from_pairs
from .own import LAYOUTS, SPLITTINGS, load_files
from .sources import SOURCES, Source, load

__all__ = [
    "LAYOUTS",
    "SOURCES",
    "SPLITTINGS",
    "Interactions",
    "Source",
    "check_data",
    "from_pairs",
    "load",
    "load_files",
]
