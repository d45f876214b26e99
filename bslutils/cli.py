"""Command line: ``python -m bslutils {data,train,sweep,results,verify,check}``, or ``bslutils``."""

import argparse
import io
import json
import math
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from . import TrainConfig, __version__, evaluate, fit
from .data import SOURCES, facts
from .flags import EVERY_LOSS, add_data, add_flags, given, read_data
from .losses import make_loss
from .models import MODELS, make_model
from .rank import check_cutoff

# Experiments and claims take long to import: the commands that need them do it themselves.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bslutils",
        description="Train on data sets for recommendation, record experiments, check claims.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    data = _command(commands, "data", _data, "list the data sets, or count one")
    add_data(data, "data", nargs="?")
    data.add_argument(
        "--facts",
        type=Path,
        metavar="FILE",
        help="write what the book says of the large data sets to this file",
    )

    train = _command(commands, "train", _train, "train a model and report on test")
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
    add_flags(train)

    run = _command(commands, "sweep", _sweep, "run and record what experiments are missing")
    run.add_argument(
        "names", nargs="+", metavar="NAME", help="of a sweep; `results status` lists them"
    )
    _add_sweep(run)
    run.add_argument("--only", default="", metavar="TEXT", help="trials with TEXT in the label")
    run.add_argument("--device", default="cpu", help="where to train (default: cpu)")
    run.add_argument("--jobs", type=int, help="trials at a time; all cores, or 1 on a GPU")
    run.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="end by then: no run is begun that would take longer, as far as records tell",
    )
    run.add_argument("--again", action="store_true", help="run what is recorded, too")

    results = commands.add_parser("results", help="show or merge the recorded runs")
    actions = results.add_subparsers(dest="action", required=True)
    show = _command(
        actions, "status", _status, "which trials are recorded; of all sweeps by default"
    )
    show.add_argument("name", nargs="?", help="of the sweep; without it, all are listed")
    _add_sweep(show)
    join = _command(actions, "merge", _merge, "add records that were made on another machine")
    join.add_argument("name", help="of the sweep; `results status` lists them")
    join.add_argument("sources", nargs="+", type=Path, metavar="FILE", help="records to add")
    join.add_argument("--file", type=Path, help="file of the records")

    again = _command(actions, "repeat", _repeat, "run what is recorded again, and compare")
    again.add_argument("ids", nargs="*", metavar="ID", help="of recorded runs")
    again.add_argument("--random", type=int, default=0, metavar="N", help="N more, by chance")
    again.add_argument("--seed", type=int, default=0, help="of the chance (default: 0)")
    again.add_argument("--device", default="cpu", help="where to train (default: cpu)")

    verify = _command(commands, "verify", _verify, "run the programs that check the book's claims")
    verify.add_argument("ids", nargs="*", metavar="ID", help="claims to check; all by default")
    verify.add_argument("--list", action="store_true", help="list the claims, run nothing")
    verify.add_argument("--jobs", type=int, help="claims at a time (default: as many as cores)")
    verify.add_argument(
        "--glance",
        type=Path,
        metavar="FILE",
        help="renew the table of the claims at a glance in FILE, run nothing",
    )

    check = _command(commands, "check", _check, "report on a loss of your own")
    check.add_argument(
        "loss", metavar="FILE:NAME", help="such as my_loss.py:my_loss; a name after a module, too"
    )
    check.add_argument("--no-train", action="store_true", help="do not train with it; seconds")
    check.add_argument("--out", type=Path, metavar="FILE", help="write a page, such as report.html")
    return parser


def _command(
    commands, name: str, run: Callable[[argparse.Namespace], int | None], what: str
) -> argparse.ArgumentParser:
    # Flags come and go with signatures: an abbreviation would not mean the same for long.
    parser = commands.add_parser(name, help=what, description=what, allow_abbrev=False)
    parser.set_defaults(run=run, parser=parser)
    return parser


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", default="small", help="small or full (default: small)")
    parser.add_argument("--file", type=Path, help="file of the records")


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


def _train(args: argparse.Namespace) -> None:
    of_loss = given(args, "loss")
    loss = make_loss(args.loss, **of_loss)
    config = TrainConfig(**given(args, "training"), progress=not args.no_progress)
    if args.out is not None and not args.out.resolve().parent.is_dir():
        raise ValueError(f"--out: the folder {args.out.resolve().parent} does not exist")
    if args.out is not None and args.out.is_dir():
        raise ValueError(f"--out: {args.out} is a folder, and a run is appended to a file")

    data = read_data(args, args.data)
    for k in args.ks:
        check_cutoff(k, data, "--ks")
    if args.protocol == "paper":
        data = data.paper_protocol()
    model = make_model(args.model, data, seed=config.seed, **given(args, "model"))
    start = time.perf_counter()
    run = fit(model, data, loss, config)
    if not run.best_epoch:  # stopped by Ctrl-C before there was anything to keep
        raise KeyboardInterrupt
    seconds = time.perf_counter() - start
    test = evaluate(run.model, data, split="test", ks=args.ks)

    epochs = len(run.history)
    print(f"{data.name}, {args.protocol} protocol, {loss}")
    print(f"epoch {run.best_epoch} of {epochs} kept, {seconds:.1f} s, stopped by {run.stopped}")
    for name, value in test.items():
        print(f"test {name:14} {value:.5f}")
    if args.out is not None:
        record = run.record() | {
            "loss": {"name": args.loss, **of_loss},
            "test": test,
            "seconds": seconds,
            "versions": {"bslutils": __version__, "torch": torch.__version__},
        }
        with args.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _sweep(args: argparse.Namespace) -> None:
    from .experiments import run_sweep, sweep

    sweeps = [sweep(name) for name in args.names]
    TrainConfig(device=args.device)  # one that is not there is refused before anything is opened
    if args.file is not None and len(sweeps) > 1:
        raise ValueError("--file takes the records of one sweep, not of several")
    if not args.minutes > 0:
        raise ValueError(f"--minutes must be positive, got {args.minutes}")
    jobs = args.jobs
    if jobs is None:
        jobs = (os.cpu_count() or 1) if torch.device(args.device).type == "cpu" else 1
    end = time.monotonic() + 60 * args.minutes
    for chosen in sweeps:
        minutes = (end - time.monotonic()) / 60
        if minutes <= 0:
            break
        start, made = time.perf_counter(), 0
        for record, done, wanted in run_sweep(
            chosen,
            size=args.size,
            path=args.file,
            only=args.only,
            device=args.device,
            jobs=jobs,
            again=args.again,
            minutes=minutes,
        ):
            made += 1
            left = (time.perf_counter() - start) / made * (wanted - done)
            count = f"{done} of {wanted}, {left / 60:.0f} min left"
            print(f"{_result_line(record['label'], record)}  {count}", flush=True)
        if not made and args.minutes == math.inf:
            print(f"{chosen.name}: nothing is missing")
    if args.minutes < math.inf:
        for chosen in sweeps:
            print(_what_is_left(chosen, args))


def _what_is_left(chosen, args: argparse.Namespace) -> str:
    from .experiments import to_do

    left = to_do(chosen, size=args.size, path=args.file, only=args.only, device=args.device)
    if not left:
        return f"{chosen.name}: nothing is missing"
    trial, seconds = left[0]
    total = sum(seconds or 0 for _, seconds in left) / 60
    expected = "of unknown length" if seconds is None else f"about {seconds / 60:.1f} min"
    return (
        f"{chosen.name}: {len(left)} runs are missing so far, about {total:.0f} min of one at a "
        f"time; next is {trial.label}, seed {trial.config.seed}, {expected}"
    )


def _status(args: argparse.Namespace) -> None:
    from .experiments import SWEEPS, outdated, path_of, status, sweep

    if args.name is not None:
        found = status(sweep(args.name), size=args.size, path=args.file)
        for trial, recorded in found:
            print(_result_line(trial.label, recorded))
        print("\n" + _by_level(found) + "\n")
        print(_hours(recorded for _, recorded in found))
        return
    every = {}
    for chosen in SWEEPS.values():
        path = args.file or path_of(chosen.name)
        found = status(chosen, size=args.size, path=path)
        every |= {trial.id: recorded for trial, recorded in found}
        done, old = sum(recorded is not None for _, recorded in found), len(outdated(path))
        count = f"{done} of {len(found)} recorded" + (f", {old} outdated" if old else "")
        print(f"{chosen.name:20} {count:28} {chosen.what}")
    print(_hours(every.values()))


def _by_level(found: list[tuple]) -> str:
    """How many of the wanted runs are recorded, by data, model and loss, and by noise."""
    done, wanted = Counter(), Counter()
    for trial, recorded in found:
        place = f"{trial.data} {trial.backbone} {trial.loss}", trial.noise
        wanted[place] += 1
        done[place] += recorded is not None
    rows, levels = (list(dict.fromkeys(place[k] for place in wanted)) for k in (0, 1))
    width = max(map(len, rows), default=0)
    lines = [" " * width + "".join(f"{level:>10}" for level in levels)]
    for row in rows:
        cells = (f"{done[row, x]}/{wanted[row, x]}" if wanted[row, x] else "" for x in levels)
        lines.append(f"{row:{width}}" + "".join(f"{cell:>10}" for cell in cells))
    return "\n".join(lines)


def _hours(records: Iterable[dict | None]) -> str:
    """Hours of the runs, by device."""
    hours = Counter()
    for record in records:
        if record is not None:
            hours[record["hardware"]] += record.get("seconds", 0) / 3600
    return "; ".join(f"{name}: {time:.1f} h of runs" for name, time in hours.items())


def _merge(args: argparse.Namespace) -> None:
    from .experiments import merge, path_of, sweep

    target = args.file or path_of(sweep(args.name).name)
    added, conflicts = merge(target, args.sources)
    print(f"{added} added to {target}")
    for id in conflicts:
        print(f"{id} is recorded with other results: kept as it was")


def _repeat(args: argparse.Namespace) -> None:
    from .experiments import known_records, path_of, repeat

    TrainConfig(device=args.device)
    known = sorted(known_records(path_of("")))
    if args.random < 0 or args.random > len(known):
        raise ValueError(f"--random must be between 0 and {len(known)}, got {args.random}")
    ids = args.ids + random.Random(args.seed).sample(known, args.random)
    if not ids:
        raise ValueError("name an id, or --random N")
    for id in ids:
        found = repeat(id, device=args.device)
        same = "equal to the digit" if found.equal else "not equal to the digit"
        if not found.same_device:
            same += ", on another kind of device, whose seeds are others"
        changes = "  ".join(f"{x} {found.change(x):+.1e}" for x in ("recall@20", "ndcg@20"))
        print(f"{id}  {found.record['label']}\n  {changes}  {same}", flush=True)
        print(f"  recorded on {found.record['hardware']}, now {found.again['hardware']}")


def _result_line(label: str, record: dict | None) -> str:
    if record is None:
        return f"{label:40} missing"
    test, minutes = record["test"], record["train_seconds"] / 60
    figures = f"Recall@20 {test['recall@20']:.4f}  NDCG@20 {test['ndcg@20']:.4f}"
    return f"{label:40} {figures}  {minutes:5.1f} min"


def _verify(args: argparse.Namespace) -> int:
    from .verify import CLAIMS, iter_claims, ledger_line

    if args.glance:
        from .verify.glance import renew

        text = renew(args.glance.read_text(encoding="utf-8"))
        args.glance.write_text(text, encoding="utf-8")
        return 0
    if args.list:
        for claim in CLAIMS.values():
            print(f"{claim.id:22} {claim.verdict or 'by the rules':26} {claim.sentence}")
        return 0
    results, start = [], time.perf_counter()
    for result in iter_claims(args.ids or None, jobs=args.jobs or os.cpu_count() or 1):
        print(ledger_line(result) + "\n", flush=True)
        results.append(result)
    fallen = [result.claim.id for result in results if not result.stands]
    seconds = time.perf_counter() - start
    print(f"{len(results) - len(fallen)} of {len(results)} verdicts stand ({seconds:.0f} s)")
    if fallen:
        print(f"no longer as recorded: {', '.join(fallen)}", file=sys.stderr)
    return 1 if fallen else 0


def _check(args: argparse.Namespace) -> int:
    from .examine import check_loss
    from .examine.found import find_loss, page_to_write

    page = None if args.out is None else page_to_write(args.out)
    report = check_loss(find_loss(args.loss), train=not args.no_train)
    print(report)
    if page is not None:
        report.save(page)
    return 0 if report.ok else 1


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit status.

    1 is for a fallen claim or a loss with a fault, 2 for bad input, 130 for Ctrl-C before there was
    a result.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # τ, where a terminal has no Greek
    args, unknown = _parser().parse_known_args(argv)
    if unknown:  # the command lists its flags, where argparse would list the commands
        args.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return args.run(args) or 0
    except (ValueError, FloatingPointError, ImportError, MemoryError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
