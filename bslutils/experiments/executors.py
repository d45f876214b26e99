"""Where the runs of a sweep are made: processes of this machine, or a cluster, by its address.

===================  =============================================================================
``processes``        of this machine; one run at a time is made in the program itself
``tcp://HOST:PORT``  a Dask cluster, by its scheduler (``tls://`` alike; extra ``cluster``)
``MODULE:NAME``      a function of yours that gives an executor: one of ``concurrent.futures``, or
                     of submitit, whose jobs SLURM runs
===================  =============================================================================

A worker needs this package and the data, and no access to the records: a run goes there as its
settings and comes back as its record.
"""

import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from tqdm import tqdm

from .perform import Late

PROCESSES = "processes"
POLL = 0.2  # seconds between two looks at a job that tells nobody when it is through

# A run draws from torch's global random numbers: two at once in a process would share them.
ONE_AT_A_TIME = threading.Lock()


@contextmanager
def workers(address: str, jobs: int | None) -> Iterator[tuple[Callable[..., Future], int]]:
    """A function that begins a call at an address, and how many calls it takes at a time.

    At the end nothing that was begun runs on, as far as the executor can stop it.

    Raises:
        ValueError: an address of no known form.
        ImportError: the package that it needs is missing; the message says how to install it.
        OSError: nobody answers there.
    """
    kind, colon, rest = address.partition(":")
    if address == PROCESSES:
        jobs = (os.cpu_count() or 1) if jobs is None else jobs
        found = _in_this_program() if jobs == 1 else _processes(jobs)
    elif kind in ("tcp", "tls"):
        found = _dask(address)
    elif colon and rest.isidentifier():
        found = _other(kind, rest)
    else:
        raise ValueError(
            f"executor must be {PROCESSES}, tcp://HOST:PORT or MODULE:NAME, got {address!r}"
        )
    with found as (submit, places):
        yield submit, places if jobs is None else jobs


@contextmanager
def _in_this_program() -> Iterator[tuple[Callable[..., Future], int]]:
    def submit(function: Callable, *args, **options) -> Future:
        """The call, done."""
        call = Future()
        try:
            call.set_result(function(*args, **options))
        except Late as error:
            call.set_exception(error)
        return call

    yield submit, 1


@contextmanager
def _processes(jobs: int) -> Iterator[tuple[Callable[..., Future], int]]:
    with process_pool(jobs, max(1, (os.cpu_count() or 1) // jobs)) as pool:
        yield pool.submit, jobs


@contextmanager
def process_pool(jobs: int, threads: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of ``threads`` threads each, that end at once with the block or the program.

    Ctrl-C reaches the program alone; a killed program cannot stop its workers, and they would
    work on for nobody: so they wait for the end of a pipe whose other end only it holds.
    """
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(threads, theirs))
    try:
        yield pool
    finally:
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _begin(threads: int, until_closed) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    tqdm.set_lock(threading.RLock())  # its own is among processes, and would be left behind

    def end_with_the_program() -> None:
        try:
            until_closed.recv()
        except EOFError:
            os._exit(1)

    threading.Thread(target=end_with_the_program, daemon=True).start()


@contextmanager
def _dask(address: str) -> Iterator[tuple[Callable[..., Future], int]]:
    try:
        from distributed import Client
    except ImportError:
        raise ImportError(
            f"the executor {address} needs Dask: pip install 'bslutils[cluster]'"
        ) from None
    with Client(address, timeout=10) as client:
        places = len(client.ncores())  # a run at a time in each worker
        if not places:
            raise ValueError(f"the executor {address} has no worker yet: start some")
        executor = client.get_executor(pure=False)
        running: list[Future] = []

        def submit(function: Callable, *args, **options) -> Future:
            running.append(executor.submit(_alone, partial(function, *args, **options)))
            return running[-1]

        try:
            yield submit, places
        finally:
            for run in running:
                run.cancel()


@contextmanager
def _other(module: str, name: str) -> Iterator[tuple[Callable[..., Future], int]]:
    try:
        executor = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"the executor {module}:{name} cannot be made: {error}") from None
    if not callable(getattr(executor, "submit", None)):
        raise ValueError(
            f"{module}:{name} must give an executor, which has submit, got "
            f"{type(executor).__name__}"
        )
    begun: list[Any] = []

    def submit(function: Callable, *args, **options) -> Future:
        begun.append(executor.submit(_alone, partial(function, *args, **options)))
        return begun[-1] if isinstance(begun[-1], Future) else _watched(begun[-1])

    try:
        yield submit, 1
    finally:
        for run in begun:
            if not run.done():
                run.cancel()
        if isinstance(executor, Executor):
            executor.shutdown(wait=False)


def _watched(job: Any) -> Future:
    """A job of submitit as a future: it tells nobody when it is through."""
    call = Future()

    def watch() -> None:
        while not job.done():
            time.sleep(POLL)
        try:
            call.set_result(job.result())
        except BaseException as error:  # for who asks for the result
            call.set_exception(error)

    threading.Thread(target=watch, daemon=True).start()
    return call


def _alone(call: Callable[[], Any]) -> Any:
    """A call, by itself in its process, whatever number of threads takes calls there."""
    with ONE_AT_A_TIME:
        return call()
