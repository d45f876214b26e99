"""Command line: ``python -m bslutils {data,train,sweep,results,verify}``."""

import argparse
import dataclasses
import json
import os
import sys
import time
from pathlib import Path

import torch

from . import __version__
from .data import Interactions
from .datasets import DATASETS, load
from .evaluate import evaluate
from .experiments import SIZES, SWEEPS, merge, outdated, path_of, run_sweep, status, sweep
from .files import load_files
from .losses import LOSSES, VECTOR_LOSSES, loss_parameters, make_loss
from .models import MODELS, make_model, model_parameters
from .scoring import SCORES
from .train import TrainConfig, fit
from .verify import CLAIMS, iter_claims, ledger_line

EVERY_LOSS = (*LOSSES, *VECTOR_LOSSES)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bslutils", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    data = commands.add_parser("data", help="list the data sets, or count one")
    _add_data(data, "data", nargs="?")

    formatter = argparse.ArgumentDefaultsHelpFormatter
    train = commands.add_parser(
        "train", help="train a model and report on test", formatter_class=formatter
    )
    _add_data(train, "--data", required=True)
    train.add_argument(
        "--protocol",
        choices=("honest", "paper"),
        default="honest",
        help="paper: train on the validation pairs too and choose the epoch on test, as the "
        "authors' code does; only for comparison with published figures",
    )
    train.add_argument("--loss", required=True, help=f"one of {', '.join(EVERY_LOSS)}")
    names = dict.fromkeys(name for loss in EVERY_LOSS for name in loss_parameters(loss))
    for name in names:
        users = ", ".join(loss for loss in EVERY_LOSS if name in loss_parameters(loss))
        kind = {"action": "store_true"} if name == "pos_in_denominator" else {"type": float}
        train.add_argument(_flag(name), default=None, help=f"parameter of {users}", **kind)
    train.add_argument("--dim", type=int, default=64, help="length of an embedding")
    train.add_argument("--score", choices=SCORES, default="cosine", help="score function")
    train.add_argument("--model", choices=MODELS, default="MF", help="what is trained")
    train.add_argument("--user-dropout", type=float, help="MF: on user vectors")
    train.add_argument("--n-layers", type=int, help="on a graph: layers")
    train.add_argument("--rank-score", choices=SCORES, help="on a graph: score in ranking")
    train.add_argument(
        "--model-args",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="other parameters of the model, such as eps=0.2 of XSimGCL",
    )
    for spec in dataclasses.fields(TrainConfig):
        if spec.name == "progress":
            continue
        if isinstance(spec.default, bool):
            kind = {"action": argparse.BooleanOptionalAction}
        else:
            kind = {"type": int if spec.name == "patience" else type(spec.default)}
        train.add_argument(_flag(spec.name), default=spec.default, help="training", **kind)
    train.add_argument("--no-progress", action="store_true", help="no progress bar")
    train.add_argument("--ks", type=int, nargs="+", default=[20], help="cut-offs of the metrics")
    train.add_argument("--out", type=Path, help="append the run to this file as a line of JSON")
    run = commands.add_parser("sweep", help="run and record what an experiment is missing")
    run.add_argument("name", help=f"one of {', '.join(SWEEPS)}")
    _add_sweep(run)
    run.add_argument("--only", default="", metavar="TEXT", help="trials with TEXT in the label")
    run.add_argument("--device", default="cpu", help="where to train")
    run.add_argument("--jobs", type=int, help="trials at a time; all cores, or 1 on a GPU")
    run.add_argument("--again", action="store_true", help="run what is recorded, too")
    results = commands.add_parser("results", help="show or merge the recorded runs")
    actions = results.add_subparsers(dest="action", required=True)
    show = actions.add_parser("status", help="which trials are recorded; of all sweeps by default")
    show.add_argument("name", nargs="?", help=f"one of {', '.join(SWEEPS)}")
    _add_sweep(show)
    join = actions.add_parser("merge", help="add records that were made on another machine")
    join.add_argument("name", help=f"one of {', '.join(SWEEPS)}")
    join.add_argument("sources", nargs="+", type=Path, metavar="FILE")
    join.add_argument("--file", type=Path, help="file of the records")
    verify = commands.add_parser("verify", help="run the programs that check the book's claims")
    verify.add_argument("ids", nargs="*", metavar="ID", help="claims to check; all by default")
    verify.add_argument("--list", action="store_true", help="list the claims, run nothing")
    return parser


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", default="small", help=f"one of {', '.join(SIZES)}")
    parser.add_argument("--file", type=Path, help="file of the records")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _add_data(parser: argparse.ArgumentParser, name: str, **options) -> None:
    parser.add_argument(name, help=f"one of {', '.join(DATASETS)}", **options)
    parser.add_argument(
        "--test-file", type=Path, help="pairs to test on; the data is then a file to train on"
    )
    parser.add_argument("--valid-fraction", type=float, default=0.1, help="held out of train")


def _load(args: argparse.Namespace) -> Interactions:
    if args.test_file is not None:
        return load_files(args.data, args.test_file, valid_fraction=args.valid_fraction)
    return load(args.data, valid_fraction=args.valid_fraction)


def _data(args: argparse.Namespace) -> None:
    if args.data is None:
        print("\n".join(DATASETS))
        return
    data = _load(args)
    for name, value in {**data.describe(), "hash": data.hash}.items():
        print(f"{name:24} {value}")


def _model_parameters(args: argparse.Namespace) -> dict[str, int | float | str]:
    """The parameters of the model that were given, by flags and by ``--model-args``."""
    known = model_parameters(args.model)
    flags = ("dim", "score", "seed", "user_dropout", "n_layers", "rank_score")
    given = {name: getattr(args, name) for name in flags if getattr(args, name) is not None}
    for text in args.model_args:
        name, _, value = text.partition("=")
        default = known[name].default if name in known else None
        kind = str if default is None else type(default)
        try:
            given[name] = kind(value)
        except ValueError:
            raise ValueError(
                f"--model-args: {name} must be a value of type {kind.__name__}, got {value!r}"
            ) from None
    return given


def _train(args: argparse.Namespace) -> None:
    chosen = loss_parameters(args.loss)
    every = {name for loss in EVERY_LOSS for name in loss_parameters(loss)}
    given = {name: getattr(args, name) for name in every if getattr(args, name) is not None}
    loss = make_loss(args.loss, **given)
    given_model = _model_parameters(args)
    names = [spec.name for spec in dataclasses.fields(TrainConfig) if spec.name != "progress"]
    progress = not args.no_progress
    config = TrainConfig(**{name: getattr(args, name) for name in names}, progress=progress)
    if args.out is not None and not args.out.resolve().parent.is_dir():
        raise ValueError(f"--out: the folder {args.out.resolve().parent} does not exist")
    if min(args.ks) < 1:
        raise ValueError(f"--ks must be at least 1, got {min(args.ks)}")

    data = _load(args)
    if args.protocol == "paper":
        data = data.paper_protocol()
    model = make_model(args.model, data, **given_model)
    start = time.perf_counter()
    run = fit(model, data, loss, config)
    seconds = time.perf_counter() - start
    test = evaluate(run.model, data, split="test", ks=args.ks)

    epochs = len(run.history)
    print(f"{data.name}, {args.protocol} protocol, {loss}")
    print(f"epoch {run.best_epoch} of {epochs} kept, {seconds:.1f} s, stopped by {run.stopped}")
    for name, value in test.items():
        print(f"test {name:14} {value:.5f}")
    if args.out is not None:
        record = run.record() | {
            "loss": {"name": args.loss, **{k: v for k, v in given.items() if k in chosen}},
            "test": test,
            "seconds": seconds,
            "versions": {"bslutils": __version__, "torch": torch.__version__},
        }
        with args.out.open("a") as file:
            file.write(json.dumps(record) + "\n")


def _sweep(args: argparse.Namespace) -> None:
    chosen = sweep(args.name)
    jobs = args.jobs
    if jobs is None:
        jobs = (os.cpu_count() or 1) if torch.device(args.device).type == "cpu" else 1
    start, made = time.perf_counter(), 0
    runs = run_sweep(
        chosen,
        size=args.size,
        path=args.file,
        only=args.only,
        device=args.device,
        jobs=jobs,
        again=args.again,
    )
    for record, done, wanted in runs:
        made += 1
        left = (time.perf_counter() - start) / made * (wanted - done)
        count = f"{done} of {wanted}, {left / 60:.0f} min left"
        print(f"{_result_line(record['label'], record)}  {count}", flush=True)
    if not made:
        print(f"{args.name}: nothing is missing")


def _results(args: argparse.Namespace) -> None:
    if args.action == "merge":
        target = args.file or path_of(sweep(args.name).name)
        added, conflicts = merge(target, args.sources)
        print(f"{added} added to {target}")
        for id in conflicts:
            print(f"{id} is recorded with other results: kept as it was")
        return
    if args.name is None:
        for chosen in SWEEPS.values():
            path = args.file or path_of(chosen.name)
            found = status(chosen, size=args.size, path=path)
            done, old = sum(recorded is not None for _, recorded in found), len(outdated(path))
            count = f"{done} of {len(found)} recorded" + (f", {old} outdated" if old else "")
            print(f"{chosen.name:20} {count:28} {chosen.what}")
        return
    for trial, recorded in status(sweep(args.name), size=args.size, path=args.file):
        print(_result_line(trial.label, recorded))


def _result_line(label: str, record: dict | None) -> str:
    if record is None:
        return f"{label:40} missing"
    test, minutes = record["test"], record["train_seconds"] / 60
    figures = f"Recall@20 {test['recall@20']:.4f}  NDCG@20 {test['ndcg@20']:.4f}"
    return f"{label:40} {figures}  {minutes:5.1f} min"


def _verify(args: argparse.Namespace) -> int:
    if args.list:
        for claim in CLAIMS.values():
            print(f"{claim.id:22} {claim.verdict:26} {claim.sentence}")
        return 0
    results = []
    for result in iter_claims(args.ids or None):
        print(ledger_line(result) + "\n", flush=True)
        results.append(result)
    fallen = [result.claim.id for result in results if not result.stands]
    seconds = sum(result.seconds for result in results)
    print(f"{len(results) - len(fallen)} of {len(results)} verdicts stand ({seconds:.0f} s)")
    if fallen:
        print(f"no longer as recorded: {', '.join(fallen)}", file=sys.stderr)
    return 1 if fallen else 0


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit status: 1 for a fallen claim, 2 for bad input."""
    args = _parser().parse_args(argv)
    try:
        run = {
            "data": _data,
            "train": _train,
            "sweep": _sweep,
            "results": _results,
            "verify": _verify,
        }[args.command]
        return run(args) or 0
    except (ValueError, FloatingPointError, ImportError, MemoryError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
