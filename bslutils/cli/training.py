"""The commands ``data`` and ``train``."""

import argparse
import json
import time
from pathlib import Path

import torch
from filelock import FileLock

from .. import TrainConfig, __version__, evaluate, fit, save_run
from ..atomic import append_whole
from ..checks import check_file
from ..data import SOURCES, Interactions, facts
from ..flags import EVERY_LOSS, add_data, add_flags, given, read_data
from ..losses import make_loss
from ..models import MODELS, make_model
from ..rank import check_cutoff
from ..saved import check_free
from .commands import INTERRUPTED, command


def add_commands(commands) -> None:
    """Declare them."""
    data = command(commands, "data", _data, "list the data sets, or count one")
    add_data(data, "data", nargs="?")
    data.add_argument(
        "--facts",
        type=Path,
        metavar="FILE",
        help="write what the book says of the large data sets to this file",
    )

    train = command(commands, "train", _train, "train a model and report on test")
    add_data(train, "--data", required=True)
    train.add_argument(
        "--protocol",
        choices=("honest", "paper"),
        default="honest",
        help="paper: train on the validation pairs too and choose the epoch on test, as the "
        "authors' code does; only for comparison with published figures (default: honest)",
    )
    train.add_argument("--loss", required=True, help=f"one of {', '.join(EVERY_LOSS)}")
    train.add_argument(
        "--model", choices=MODELS, default="MF", help="what is trained (default: MF)"
    )
    train.add_argument("--no-progress", action="store_true", help="no progress bar")
    train.add_argument(
        "--ks", type=int, nargs="+", default=[20], help="cut-offs of the metrics (default: 20)"
    )
    train.add_argument("--out", type=Path, help="append the run to this file as a line of JSON")
    train.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="keep training in this folder after every epoch; stopped in whatever way, the same "
        "command goes on from there, to the same result",
    )
    train.add_argument(
        "--save",
        type=Path,
        metavar="FOLDER",
        help="keep the model in a new folder, for the command recommend and bslutils.load_run",
    )
    train.add_argument(
        "--overwrite", action="store_true", help="with --save: replace the run in the folder"
    )
    add_flags(train)


def _data(args: argparse.Namespace) -> None:
    if args.facts is not None:
        facts.write(args.facts)
        return
    if args.data is None:
        print("\n".join(SOURCES))
        return
    data = read_data(args, args.data)
    for name, value in {**data.describe(), "hash": data.hash}.items():
        print(f"{name:24} {value}")


def _counts(data: Interactions) -> str:
    """Sizes of the data, and what was left out or will be hard."""
    told = data.describe()
    always = ("users", "items", "train", "valid", "test")
    others = [name for name in told if name.startswith(("dropped", "cold")) and told[name]]
    return "; ".join(f"{told[name]:,} {name}" for name in (*always, *others))


def _train(args: argparse.Namespace) -> int:
    of_loss = given(args, "loss")
    loss = make_loss(args.loss, **of_loss)
    config = TrainConfig(**given(args, "training"), progress=not args.no_progress)
    if args.out is not None:  # known before a training, not after it
        check_file("--out", args.out)
    if args.save is not None:
        check_free("--save", args.save, args.overwrite)

    data = read_data(args, args.data)
    for k in args.ks if data.test.nnz else ():
        check_cutoff(k, data, "--ks")
    if args.protocol == "paper":
        data = data.paper_protocol()
    model = make_model(args.model, data, seed=config.seed, **given(args, "model"))
    start = time.perf_counter()
    run = fit(model, data, loss, config, checkpoint=args.checkpoint)
    interrupted = run.stopped == "interrupted"
    if interrupted and (args.checkpoint is not None or not run.best_epoch):
        if args.checkpoint is not None and run.history:
            print(f"epoch {len(run.history)} is in {args.checkpoint}: the same command goes on")
        raise KeyboardInterrupt  # there is nothing to report, or more to come
    seconds = time.perf_counter() - start
    if args.save is not None:  # before anything else can go wrong
        save_run(run, args.save, overwrite=args.overwrite)
    test = evaluate(run.model, data, split="test", ks=args.ks) if data.test.nnz else {}

    epochs = len(run.history)
    print(f"{data.name}, {args.protocol} protocol, {loss}")
    print(_counts(data))
    print(f"epoch {run.best_epoch} of {epochs} kept, {seconds:.1f} s, stopped by {run.stopped}")
    for name in {config.metric} & run.best.keys():  # none without validation pairs
        print(f"valid {name:13} {run.best[name]:.5f}")
    for name, value in test.items():
        print(f"test {name:14} {value:.5f}")
    if not test:
        print("no test pairs: nothing to report")
    if args.out is not None:
        record = run.record() | {
            "loss": {"name": args.loss, **of_loss},
            "test": test,
            "seconds": seconds,
            "versions": {"bslutils": __version__, "torch": torch.__version__},
        }
        with FileLock(f"{args.out}.lock"):
            append_whole(args.out, json.dumps(record).encode())
    return INTERRUPTED if interrupted else 0
