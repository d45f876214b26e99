"""Where a measurement comes from: code, versions and hardware, ready for JSON."""

import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import scipy
import torch

from .version import __version__

ROOT = Path(__file__).resolve().parent.parent


def provenance(device: str = "cpu") -> dict[str, str | int | dict[str, str]]:
    """Commit, versions and hardware of the program that is running.

    ``commit`` ends in ``+`` where tracked files differ from it, and is ``"unknown"`` outside a
    source checkout.

    Args:
        device: the one that the measurement was made on, as torch calls it.

    Example:
        >>> sorted(provenance())
        ['commit', 'hardware', 'threads', 'versions']
    """
    return {
        "commit": _commit(),
        "versions": {
            "bslutils": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "hardware": hardware(device),
        "threads": torch.get_num_threads(),
    }


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != ROOT:
            return "unknown"  # an installed copy inside somebody else's repository
        dirty = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if dirty else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def device_kind(hardware: str) -> str:
    """The kind of device that a record's ``hardware`` names: ``"CPU"``, or that of a GPU.

    Runs of different kinds draw other batches from the same seed, so they are never paired.

    Example:
        >>> device_kind("AMD EPYC, 2 cores"), device_kind("NVIDIA H200")
        ('CPU', 'NVIDIA H200')
    """
    return "CPU" if hardware.endswith(" cores") else hardware


def hardware(device: str = "cpu") -> str:
    """The name of a device: the processor and its number of cores, or the GPU."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(torch.device(device))
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass  # not Linux
    return f"{name}, {os.cpu_count()} cores"
