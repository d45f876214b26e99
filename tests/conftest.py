"""Shared fixtures, and the switch that turns skipped tests into failures."""

import os
from pathlib import Path

import pytest
import torch

import bslutils as bsl

collect_ignore = [] if torch.cuda.is_available() else ["test_cuda.py"]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the upstream archives; tests that need it are skipped without it."""
    folder = os.environ.get("BSLUTILS_DATA")
    if not folder:
        pytest.skip("BSLUTILS_DATA is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def synthetic() -> bsl.Interactions:
    return bsl.load("synthetic")


@pytest.fixture(scope="session")
def movielens() -> bsl.Interactions:
    return bsl.load("movielens-small")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With BSLUTILS_TEST_NO_SKIP=1 (as in CI) a skipped test is a failed one."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("BSLUTILS_TEST_NO_SKIP") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
