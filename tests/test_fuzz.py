"""Thousands of bad settings and arguments: documented errors, soon, and within a gigabyte."""

import contextlib
import inspect
import io
import json
import math
import random
import resource
import signal
import time
import warnings
from dataclasses import asdict, fields
from decimal import Decimal
from fractions import Fraction
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fuzzed_functions import functions, is_right

import bslutils as bsl
from bslutils import Run, TrainConfig, cli, flags
from bslutils.data import SOURCES, from_pairs
from bslutils.flags import EVERY_LOSS
from bslutils.losses import loss_parameters, make_loss
from bslutils.models import MODELS, make_model, model_parameters

SECONDS = 5  # of a call
ROOM = 2**30  # of memory, beyond what there is before
COUNTS = {"config": 6000, "loss": 4000, "model": 1500, "pairs": 2500, "evaluate": 1000,
          "recommend": 1000, "function": 6000, "command": 500}  # fmt: skip


class Hangs(BaseException):
    """A call took too long."""


def data():
    rng = np.random.default_rng(0)
    kind = rng.choice(3, size=(9, 30), p=[0.6, 0.3, 0.1])
    names = {"user_names": list("abcdefghi"), "n_users": 9, "n_items": 30}
    return from_pairs(np.argwhere(kind == 1), np.argwhere(kind == 2), **names)


DATA = data()
MODEL = make_model("MF", DATA, dim=4)
FIXED = (
    *(None, True, False, np.bool_(True), 0, -1, 1, 2, 20, 0.5, 1.0, -0.5, -0.0, math.nan, math.inf),
    *(10**30, -(10**30), 10**5000, 2**31, 2**63, 2**64, 1e-320, 1e-39, 1e39, 1e308, -math.inf, 1j),
    *(np.float32(0.5), np.float16(np.nan), np.int8(-3), np.uint64(2**64 - 1), np.float64(1e300)),
    *("", "x", "20", "ndcg@5", "ndcg@0", "nan", "\0", "\ud800", "x" * 9999, "cpu", "cuda", "meta"),
    *("shared", "full", "in-batch", "adam", "dot", "test", "train", "a", "id", "name", b"x"),
    *([], [1], [[1]], [[0, 1]], [[0, 1], [2]], (), (5,), {}, {"a": 1}, set(), range(10**9)),
    *(object(), int, len, slice(None), ..., Fraction(1, 3), Decimal("0.5"), torch.device("meta")),
    *(
        torch.tensor(0.5),
        torch.ones(2),
        torch.tensor(True),
        torch.tensor(math.nan),
        torch.ones(2, 2),
    ),
    *(
        np.array(3),
        np.arange(3),
        np.array(["a"]),
        np.zeros((0, 2)),
        np.array([[-1, 2]]),
        DATA,
        MODEL,
    ),
)


def value(rng):
    """Any value at all: often one that has a name for trouble, else a number of any size."""
    kind = rng.random()
    if kind < 0.6:
        return rng.choice(FIXED)
    if kind < 0.8:
        return rng.choice((-1, 1)) * int(10 ** rng.uniform(0, 25))
    if kind < 0.95:
        return rng.choice((-1, 1)) * 10 ** rng.uniform(-40, 40)
    return "".join(chr(rng.randrange(32, 0x3000)) for _ in range(rng.randrange(9)))


def some(rng, names, most=3):
    names = list(names)
    return {name: value(rng) for name in rng.sample(names, min(len(names), rng.randint(1, most)))}


def config(rng):
    made = TrainConfig(**some(rng, [field.name for field in fields(TrainConfig)]))
    json.dumps(asdict(made), allow_nan=False)


def loss(rng):
    name = rng.choice(list(EVERY_LOSS)) if rng.random() < 0.9 else value(rng)
    known = list(loss_parameters(name)) if name in list(EVERY_LOSS) else []
    given = dict.fromkeys(known, 0.5) | some(
        rng, [*known, "other"][: None if known else 0] or ["x"]
    )
    if rng.random() < 0.95:
        given.pop("other", None)
    made = make_loss(name, **given)
    numbers = {k: v for k, v in made.params.items() if not isinstance(v, torch.Tensor)}
    json.dumps(numbers, allow_nan=False)


def model(rng):
    name = rng.choice(list(MODELS)) if rng.random() < 0.95 else value(rng)
    known = list(model_parameters(name)) if name in list(MODELS) else ["x"]
    make_model(name, DATA if rng.random() < 0.9 else value(rng), **some(rng, known))


def pairs(rng):
    given = {"train": [[0, 0], [0, 1], [1, 2]], "test": [[0, 2]]}
    from_pairs(**given | some(rng, set(inspect.signature(from_pairs).parameters) - {"truth"}))


def scorer(rng):
    kind = rng.random()
    if kind < 0.7:
        return MODEL
    found = value(rng)
    return (lambda users: found) if kind < 0.9 or callable(found) else found


def evaluate(rng):
    given = {"ks": (5,)} | some(rng, ["split", "ks", "groups", "per_user", "chunk"], most=2)
    bsl.evaluate(scorer(rng), DATA if rng.random() < 0.9 else value(rng), **given)


def recommend(rng):
    given = some(rng, ["users", "k", "leave_out", "by"], most=2)
    bsl.recommend(scorer(rng), DATA if rng.random() < 0.9 else value(rng), **given)


FUNCTIONS = functions(DATA)


def function(rng):
    called, given = FUNCTIONS[rng.choice(list(FUNCTIONS))]
    spoilt = some(rng, inspect.signature(called).parameters, most=2)
    assert is_right(called(**given | spoilt))


WORDS = ("0", "-1", "1", "1.5", "x", "", "nan", "inf", "-inf", "1e400", "1e-400", "9" * 30,
         "9" * 5000, "None", "True", "gpu", "cuda", "meta", "cpu:9", "dot", "full", "ndcg@0",
         "\0", "é", "-", "--", "--x", "٣", "1_0")  # fmt: skip


@cache
def known_flags(command):
    """The flags of a command, from its help."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        cli.main([*command, "--help"])
    found = {
        word.strip(",[]") for word in text.getvalue().split() if word.startswith(("--", "[--"))
    }
    return sorted(found - {"--help", "--facts", "--out", "--file", "--glance", "--test-file"})


TRAIN = ["train", "--data", "synthetic", "--loss", "softmax", "--tau", "0.2", "--no-progress"]
OTHERS = (["data"], ["sweep"], ["results", "status"], ["results", "repeat"], ["verify"])


def command(rng):
    if rng.random() < 0.85:
        line, of = list(TRAIN), ("train",)
    else:
        line = [*rng.choice(OTHERS), "no-such-thing"]
        of = tuple(line[:-1])
    for _ in range(rng.randint(1, 3)):
        line += [rng.choice(known_flags(of)), *rng.sample(WORDS, rng.choice((0, 1, 1, 1, 2)))]
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            status = cli.main(line)
        except SystemExit as end:
            status = end.code
    assert status in (0, 1, 2), f"{line} ended with {status!r}"
    assert status == 0 or "error" in text.getvalue(), f"{line} says nothing"


TARGETS = {name: globals()[name] for name in COUNTS}
ROOMY = dict.fromkeys(("model", "pairs", "function"), (ValueError, MemoryError))
ALLOWED = {**ROOMY, "command": ()}


def memory(name):
    """What Linux says of the memory of this process, in bytes."""
    with open("/proc/self/status", encoding="utf-8") as file:
        [line] = [line for line in file if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def within_bounds():
    """No more memory than a gigabyte on top, so that a call that asks for more fails.

    What was really used at most, on top, is ``peak`` of what it gives, at the end.
    """
    used, resident, taken = memory("VmSize"), memory("VmRSS"), SimpleNamespace(peak=None)
    with open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")  # the peak is that from here on
    before = resource.getrlimit(resource.RLIMIT_AS)

    def too_long(*_):
        raise Hangs

    old = signal.signal(signal.SIGALRM, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, before[1]))
    try:
        yield taken
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
        resource.setrlimit(resource.RLIMIT_AS, before)
        taken.peak = memory("VmHWM") - resident


def attack(name, count, seed):
    """Calls by outcome, and what went wrong: the seed of the call, and the error."""
    outcomes, wrong = {"error": 0, "made": 0}, []
    for number in range(count):
        rng = random.Random(f"{name} {seed} {number}")
        start = time.perf_counter()
        signal.alarm(SECONDS + 1)
        try:
            TARGETS[name](rng)
            outcomes["made"] += 1
        except ALLOWED.get(name, (ValueError,)):
            outcomes["error"] += 1
        except (Exception, Hangs) as error:
            wrong.append((name, seed, number, f"{type(error).__name__}: {error}"[:300]))
        signal.alarm(0)
        if time.perf_counter() - start > SECONDS:
            wrong.append((name, seed, number, "took too long"))
    return outcomes, wrong


def attack_all(monkeypatch, folder, share, seed):
    monkeypatch.chdir(folder)  # a word may name a file that a command writes
    loaded = {name: bsl.load(name) for name in ("synthetic",)}

    def load(name, **options):  # once, and never the data of other people
        if name not in loaded and name in SOURCES:
            raise ValueError(f"{name} is not here")
        return bsl.load(name, **options) if options.get("valid_fraction") != 0.1 else loaded[name]

    def fit(model, data, loss, config, checkpoint=None):
        return Run(model, config, {}, [{"epoch": 1}], best_epoch=1)

    monkeypatch.setattr(flags, "load", load)
    monkeypatch.setattr("bslutils.cli.training.fit", fit)
    total = 0
    with within_bounds() as taken, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, count in COUNTS.items():
            outcomes, wrong = attack(name, max(1, int(count * share)), seed)
            assert wrong == []
            total += sum(outcomes.values())
            if share == 1 and name != "command":  # the generator still does both
                assert min(outcomes.values()) > 0, (name, outcomes)
    assert taken.peak < ROOM
    print(f"{total} calls, at most {taken.peak / 2**20:.0f} MB more")
    return total


def test_some_bad_arguments(monkeypatch, tmp_path):
    assert attack_all(monkeypatch, tmp_path, 1 / 20, seed=0) > 500


@pytest.mark.slow
def test_thousands_of_bad_arguments(monkeypatch, tmp_path):
    assert attack_all(monkeypatch, tmp_path, 1, seed=1) >= 20_000


def test_the_attack_sees_what_it_is_for(monkeypatch):
    def bad(rng):
        raise StopIteration

    monkeypatch.setitem(TARGETS, "config", bad)
    outcomes, wrong = attack("config", 2, seed=0)
    assert len(wrong) == 2 and wrong[0][3].startswith("StopIteration")
    monkeypatch.setitem(TARGETS, "config", lambda rng: bytearray(2 * ROOM))
    monkeypatch.setattr("test_fuzz.SECONDS", 0)
    with within_bounds() as taken:
        assert attack("config", 1, seed=0)[1][0][3].startswith("MemoryError")
        np.ones(2**25)
    assert 2**27 < taken.peak < ROOM
    monkeypatch.setitem(TARGETS, "config", lambda rng: time.sleep(9))
    with within_bounds():
        assert attack("config", 1, seed=0)[1][0][3].startswith("Hangs")
