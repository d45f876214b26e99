"""Runs of a sweep made elsewhere: each once, the same as here, whoever dies on the way."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import bslutils as bsl
from bslutils.experiments import Sweep, Trial, read_records, run_sweep
from bslutils.experiments.executors import process_pool, workers

CONFIG = bsl.TrainConfig(epochs=3, n_negatives=64, lr=0.01, progress=False, patience=None)
TAUS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45)
TIMES = ("seconds", "train_seconds", "date", "threads")


def plan(size, records):
    return [Trial("synthetic", "softmax", {"tau": tau}, CONFIG) for tau in TAUS]


GRID = Sweep("grid", "a test", plan)


def without_times(record):
    kept = {name: value for name, value in record.items() if name not in TIMES}
    return kept | {"history": [entry | {"seconds": 0} for entry in record["history"]]}


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for id, record in ours.items():
        assert without_times(record) == without_times(theirs[id])


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    path = tmp_path_factory.mktemp("local") / "grid.jsonl"
    for _ in run_sweep(GRID, path=path):
        pass
    records = read_records(path)
    assert len(records) == len(TAUS)
    return records


def lines(path):
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


# Addresses of the form MODULE:NAME name these.


def threads():
    return ThreadPoolExecutor(3)


def processes():
    return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))


def no_executor():
    return "mine"


class Job:
    """As submitit's: it is asked, and tells nobody."""

    def __init__(self, function, *args):
        self.found, self.over = None, threading.Event()
        threading.Thread(target=self._run, args=(function, *args), daemon=True).start()

    def _run(self, function, *args):
        self.found = function(*args)
        self.over.set()

    def done(self):
        return self.over.is_set()

    def result(self):
        self.over.wait()
        return self.found

    def cancel(self):
        pass


class Jobs:
    def submit(self, function, *args):
        return Job(function, *args)


@pytest.mark.parametrize(
    "name", ["threads", pytest.param("processes", marks=pytest.mark.slow), "Jobs"]
)
def test_an_executor_of_your_own_makes_the_same_records(local, tmp_path, name):
    """Threads too: two runs at once in a process would draw from the same random numbers."""
    path = tmp_path / "grid.jsonl"
    made = [r["id"] for r, *_ in run_sweep(GRID, path=path, jobs=3, executor=f"{__name__}:{name}")]
    assert sorted(made) == sorted(lines(path)) == sorted(local)
    same(read_records(path), local)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "executor must be processes, tcp://HOST:PORT or MODULE:NAME, got ''"),
        ("cluster", "executor must be"),
        ("a b:c d", "executor must be"),
        ("no_such_module:name", "no_such_module:name cannot be made: No module named"),
        (f"{__name__}:nothing", "cannot be made: .* has no attribute 'nothing'"),
        (f"{__name__}:no_executor", "must give an executor, which has submit, got str"),
    ],
)
def test_what_is_no_executor_is_named_and_nothing_is_run(tmp_path, address, message):
    with pytest.raises(ValueError, match=message):
        next(run_sweep(GRID, path=tmp_path / "grid.jsonl", executor=address))
    assert lines(tmp_path / "grid.jsonl") == []


def test_workers_end_with_the_block_at_once():
    with process_pool(2, 1) as pool:
        pids = {pool.submit(os.getpid).result() for _ in range(4)}
        running = [pool.submit(time.sleep, 600) for _ in range(2)]
        time.sleep(0.5)
        assert not any(run.done() for run in running)
        start = time.monotonic()
    assert time.monotonic() - start < 20
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_that_is_killed_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("bslutils.experiments.runner.perform", die)
    with pytest.raises(ChildProcessError, match="was killed, as where memory runs out"):
        next(run_sweep(GRID, path=tmp_path / "grid.jsonl", jobs=2))


def die(trial, **options):
    os.kill(os.getpid(), signal.SIGKILL)


# The sweep of the program below: long runs, so that an interrupt meets some of them.
PROGRAM = """
import signal, sys, time
from pathlib import Path
from bslutils.experiments import Sweep, run_sweep
import test_executors as ours
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have turned it off
    try:
        for record, *_ in run_sweep(ours.GRID, path=Path(sys.argv[1]), jobs=2):
            print(record["id"], flush=True)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize(
    "to_group",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["program", "terminal"],
)
def test_an_interrupt_keeps_what_is_through_and_stops_the_rest(local, tmp_path, to_group):
    """Ctrl-C in a terminal reaches the workers, too."""
    program, path = tmp_path / "program.py", tmp_path / "grid.jsonl"
    program.write_text(PROGRAM, encoding="utf-8")
    tests = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"}
    running = subprocess.Popen(
        [sys.executable, program, path],
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,
        encoding="utf-8",
    )
    with running:
        first = running.stdout.readline().strip()
        start = time.monotonic()
        (os.killpg if to_group else os.kill)(running.pid, signal.SIGINT)
        others = running.stdout.read().split()
    assert running.returncode == 130 and time.monotonic() - start < 20
    kept = lines(path)
    assert len(kept) == len(set(kept)) and {first, *others} <= set(kept) < set(local)
    with pytest.raises(ProcessLookupError):  # nobody is left
        while time.monotonic() - start < 30:  # what keeps track of resources goes last
            os.killpg(running.pid, 0)
            time.sleep(0.1)
    same(read_records(path), {id: local[id] for id in kept})


MANY = """
import sys
from pathlib import Path
from bslutils import TrainConfig
from bslutils.experiments import Sweep, Trial, run_sweep
CONFIG = TrainConfig(epochs=1, n_negatives=16, lr=0.01, progress=False)
def plan(size, records):
    taus = range(1, int(sys.argv[2]) + 1)
    return [Trial("synthetic", "softmax", {"tau": tau / 100}, CONFIG) for tau in taus]
if __name__ == "__main__":
    jobs = int(sys.argv[3])
    for record, *_ in run_sweep(Sweep("many", "", plan), path=Path(sys.argv[1]), jobs=jobs):
        print(record["id"], flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kills", [12])
def test_a_sweep_of_two_workers_survives_kills(tmp_path, kills):
    """kill -9: no record lost, none twice, no worker left, and all as if nothing had been."""
    program, path, whole = (
        tmp_path / "program.py",
        tmp_path / "many.jsonl",
        tmp_path / "whole" / "many.jsonl",
    )
    program.write_text(MANY, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    runs, killed, seen, rng = 5 * kills, 0, set(), random.Random(kills)
    options = {"env": environment, "stdout": subprocess.PIPE, "start_new_session": True}
    while True:
        command = [sys.executable, program, path, str(runs), "2"]
        with subprocess.Popen(command, **options) as running:
            told = {running.stdout.readline().decode().strip()}
            if killed < kills:
                time.sleep(rng.uniform(0, 0.3))
                running.kill()
            told |= {line.decode().strip() for line in running.stdout}
        killed += running.returncode != 0
        kept = lines(path)
        assert len(kept) == len(set(kept)) and seen | told - {""} <= set(kept)
        seen = set(kept)
        if running.returncode == 0:
            break
    assert killed == kills and len(seen) == runs
    subprocess.run([sys.executable, program, whole, str(runs), "1"], check=True, env=environment)
    same(read_records(path), read_records(whole))


@contextmanager
def dask(tmp_path, *workers):
    """A scheduler and workers on loopback, each with options; gives its address and the workers."""
    distributed = pytest.importorskip("distributed")
    assert distributed
    python = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    file = tmp_path / "scheduler.json"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    options = [
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--scheduler-file",
        str(file),
    ]
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        begin = {"env": environment, "stdout": log, "stderr": log, "start_new_session": True}
        made = [subprocess.Popen([*python, *options], **begin)]
        try:
            deadline = time.monotonic() + 60
            while not file.exists():
                assert time.monotonic() < deadline and made[0].poll() is None
                time.sleep(0.1)
            address = json.loads(file.read_text(encoding="utf-8"))["address"]
            python[-1] = "distributed.cli.dask_worker"
            folder = ["--local-directory", str(tmp_path), "--no-dashboard", "--no-nanny"]
            folder += ["--host", "127.0.0.1"]
            made += [
                subprocess.Popen([*python, address, *folder, "--nthreads", "1", *more], **begin)
                for more in workers
            ]
            from distributed import Client

            with Client(address) as client:
                client.wait_for_workers(len(workers), timeout=90)
            yield address, made[1:]
        finally:
            for process in made:
                process.kill()
                process.wait()


@pytest.mark.slow
def test_a_cluster_makes_the_same_records_though_a_worker_dies_and_one_is_slow(local, tmp_path):
    path = tmp_path / "grid.jsonl"
    with dask(tmp_path, [], [], []) as (address, (dying, slow, _)):
        made = []
        for record, *_ in run_sweep(GRID, path=path, jobs=None, executor=address):
            made.append(record["id"])
            if len(made) == 1:
                os.kill(slow.pid, signal.SIGSTOP)
                threading.Timer(4, os.kill, (slow.pid, signal.SIGCONT)).start()
                dying.kill()
        assert dying.poll() is not None
    assert sorted(made) == sorted(lines(path)) == sorted(local)
    same(read_records(path), local)


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_told():
    pytest.importorskip("distributed")
    with pytest.raises(OSError, match="127.0.0.1"), workers("tcp://127.0.0.1:9", None):
        pass


def test_a_cluster_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ImportError, match=r"pip install 'bslutils\[cluster\]'"),
        workers("tcp://127.0.0.1:9", None),
    ):
        pass


@pytest.mark.slow
def test_jobs_of_submitit_make_the_same_records(local, tmp_path, monkeypatch):
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(
        f"{__name__}.jobs_here",
        lambda: submitit.AutoExecutor(tmp_path / "logs", cluster="local"),
        raising=False,
    )
    path = tmp_path / "grid.jsonl"
    made = [
        r["id"] for r, *_ in run_sweep(GRID, path=path, jobs=2, executor=f"{__name__}:jobs_here")
    ]
    assert sorted(made) == sorted(lines(path))
    same(read_records(path), local)
