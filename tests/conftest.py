"""Shared fixtures, the guard that keeps tests on this machine, and skips that count as failures."""

import os
from pathlib import Path

import offline
import pytest
import torch

import bslutils as bsl

collect_ignore = [] if torch.cuda.is_available() else ["test_cuda.py"]

offline.guard()


@pytest.fixture(scope="session", autouse=True)
def attempts(tmp_path_factory) -> Path:
    """The file in which this process and those that it starts write down what they attempt."""
    path = tmp_path_factory.mktemp("offline") / "attempts"
    os.environ[offline.ATTEMPTS] = str(path)
    return path


@pytest.fixture(autouse=True)
def stays_on_this_machine(attempts):
    """A test that reaches beyond this machine fails, even if the error is caught."""
    yield
    tried = attempts.read_text(encoding="utf-8") if attempts.exists() else ""
    attempts.unlink(missing_ok=True)
    assert tried == "", "tests stay on this machine"


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
