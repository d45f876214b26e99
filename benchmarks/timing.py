"""Measuring: several ways of doing one thing, in turns; and one thing in a process of its own."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch


def compare(
    ways: dict[str, Callable[[], object]], *, rounds: int = 5, calls: int | dict[str, int] = 1
) -> dict[str, float]:
    """Median seconds of a call of each way; every round runs all ways, so a slow spell hits all.

    Args:
        ways: what to call, by name.
        rounds: how often to go round, after one round that is not counted.
        calls: how many calls make one measurement, of every way or by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            n = calls if isinstance(calls, int) else calls[name]
            start = time.perf_counter()
            for _ in range(n):
                way()
            if turn:
                seconds[name].append((time.perf_counter() - start) / n)
    return {name: statistics.median(values) for name, values in seconds.items()}


def product_rate(m: int = 4096, k: int = 4096, n: int = 4096, dtype=torch.float32) -> float:
    """Floating-point operations a second of the product ``(m, k) @ (k, n)``: the best of five."""
    a, b = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
    a @ b
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * m * k * n / best


def memory(*, peak: bool = False) -> int:
    """Bytes of memory that this process holds now, or has held at most (Linux)."""
    # Not getrusage: its peak is inherited from the process that started this one.
    name = "VmHWM" if peak else "VmRSS"
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status does not say {name}")


def in_own_process(table: str, row: dict) -> dict:
    """Run ``python -m benchmarks.rows TABLE ROW`` and read the row it prints."""
    command = [sys.executable, "-m", "benchmarks.rows", table, json.dumps(row)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{table} {row} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
