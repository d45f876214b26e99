"""The commands ``sweep`` and ``results``."""

import argparse
import math
import random
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch

from .. import TrainConfig
from .commands import command

# Experiments take long to import: the commands that need them do it themselves.


def add_commands(commands) -> None:
    """Declare them."""
    run = command(commands, "sweep", _sweep, "run and record what experiments are missing")
    run.add_argument(
        "names", nargs="+", metavar="NAME", help="of a sweep; `results status` lists them"
    )
    _add_sweep(run)
    run.add_argument("--only", default="", metavar="TEXT", help="trials with TEXT in the label")
    run.add_argument("--device", default="cpu", help="where to train (default: cpu)")
    run.add_argument(
        "--jobs", type=int, help="trials at a time; as many as cores or workers, or 1 on a GPU"
    )
    run.add_argument(
        "--minutes",
        type=float,
        default=math.inf,
        help="end by then: no run is begun that would take longer, as far as records tell",
    )
    run.add_argument(
        "--executor",
        default="processes",
        metavar="ADDRESS",
        help="where to run: processes of this machine, tcp://HOST:PORT of a Dask scheduler, or "
        "MODULE:NAME of a function that gives an executor (default: processes)",
    )
    run.add_argument("--again", action="store_true", help="run what is recorded, too")

    results = commands.add_parser("results", help="show or merge the recorded runs")
    actions = results.add_subparsers(dest="action", required=True)
    show = command(
        actions, "status", _status, "which trials are recorded; of all sweeps by default"
    )
    show.add_argument("name", nargs="?", help="of the sweep; without it, all are listed")
    _add_sweep(show)
    join = command(actions, "merge", _merge, "add records that were made on another machine")
    join.add_argument("name", help="of the sweep; `results status` lists them")
    join.add_argument("sources", nargs="+", type=Path, metavar="FILE", help="records to add")
    join.add_argument("--file", type=Path, help="file of the records")

    again = command(actions, "repeat", _repeat, "run what is recorded again, and compare")
    again.add_argument("ids", nargs="*", metavar="ID", help="of recorded runs")
    again.add_argument("--random", type=int, default=0, metavar="N", help="N more, by chance")
    again.add_argument("--seed", type=int, default=0, help="of the chance (default: 0)")
    again.add_argument("--device", default="cpu", help="where to train (default: cpu)")


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", default="small", help="small or full (default: small)")
    parser.add_argument("--file", type=Path, help="file of the records")


def _sweep(args: argparse.Namespace) -> None:
    from ..experiments import run_sweep, sweep

    sweeps = [sweep(name) for name in args.names]
    TrainConfig(device=args.device)  # one that is not there is refused before anything is opened
    if args.file is not None and len(sweeps) > 1:
        raise ValueError("--file takes the records of one sweep, not of several")
    if not args.minutes > 0:
        raise ValueError(f"--minutes must be positive, got {args.minutes}")
    jobs = args.jobs
    if jobs is None and torch.device(args.device).type != "cpu":
        jobs = 1  # on a GPU
    end = time.monotonic() + 60 * args.minutes
    total = 0
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
            executor=args.executor,
            again=args.again,
            minutes=minutes,
        ):
            made += 1
            left = (time.perf_counter() - start) / made * (wanted - done)
            count = f"{done} of {wanted}, {left / 60:.0f} min left"
            print(f"{_result_line(record['label'], record)}  {count}", flush=True)
        if not made and args.minutes == math.inf:
            print(_told(chosen, *_left(chosen, args)))
        total += made
    if args.minutes < math.inf:
        states = [_left(chosen, args) for chosen in sweeps]
        if not total and any(left for left, _ in states):
            said = f"none is missing that would end within {args.minutes:g} min"
            print(f"no run was made: {said}, as far as is known")
        for chosen, state in zip(sweeps, states, strict=True):
            print(_told(chosen, *state))


def _left(chosen, args: argparse.Namespace) -> tuple[list, dict]:
    """What is missing of a sweep here, with expected seconds, and how much of it elsewhere."""
    from ..experiments import to_do

    how = {"size": args.size, "path": args.file, "only": args.only, "device": args.device}
    return to_do(chosen, **how)


def _told(chosen, left: list, elsewhere: dict) -> str:
    lines = [f"{chosen.name}: nothing is missing{' that goes on here' if elsewhere else ''}"]
    if left:
        trial, seconds = left[0]
        total = sum(seconds or 0 for _, seconds in left) / 60
        expected = "of unknown length" if seconds is None else f"about {seconds / 60:.1f} min"
        lines = [
            f"{chosen.name}: {len(left)} runs are missing so far, about {total:.0f} min of one at "
            f"a time; next is {trial.label}, seed {trial.config.seed}, {expected}"
        ]
    for (data, kind), many in elsewhere.items():
        runs = "1 run on {} is" if many == 1 else f"{many} runs on {{}} are"
        lines.append(
            f"{chosen.name}: {runs.format(data)} left to the kind of device that it was "
            f"begun on, {kind}: runs of different kinds are not paired (--again --only {data} "
            "makes all of them here)"
        )
    return "\n".join(lines)


def _status(args: argparse.Namespace) -> None:
    from ..experiments import SWEEPS, outdated, path_of, status, sweep

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
    from ..experiments import merge, path_of, sweep

    target = args.file or path_of(sweep(args.name).name)
    added, conflicts = merge(target, args.sources)
    print(f"{added} added to {target}")
    for id in conflicts:
        print(f"{id} is recorded with other results: kept as it was")


def _repeat(args: argparse.Namespace) -> None:
    from ..experiments import known_records, path_of, repeat

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
