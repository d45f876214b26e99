"""Data: interactions, files of pairs, splits, planted preferences, and the data sets by name."""

from .files import load_files
from .interactions import Interactions, from_pairs
from .sources import SOURCES, Source, load

__all__ = ["SOURCES", "Interactions", "Source", "from_pairs", "load", "load_files"]
