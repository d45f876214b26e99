"""Claims on training with noise, read off the records of the sweeps."""

from .claim import Claim

CLAIMS: tuple[Claim, ...] = ()
