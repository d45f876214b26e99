"""Experiments: declared runs, their records, and sweeps that make what is missing."""

from .catalog import SWEEPS, sweep
from .records import known_records, merge, outdated, path_of, read_records
from .sweeps import SIZES, Sweep, best, origin, run_sweep, status, with_seeds
from .trial import CODE, HASHES, Trial, perform

__all__ = [
    "CODE",
    "HASHES",
    "SIZES",
    "SWEEPS",
    "Sweep",
    "Trial",
    "best",
    "known_records",
    "merge",
    "origin",
    "outdated",
    "path_of",
    "perform",
    "read_records",
    "run_sweep",
    "status",
    "sweep",
    "with_seeds",
]
