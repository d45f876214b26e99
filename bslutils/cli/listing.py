"""The command ``recommend``."""

import argparse
import csv
import io
import sys
import warnings
from pathlib import Path

from .. import load_run, recommend
from ..atomic import write_whole
from ..checks import check_file, shown
from ..data import Interactions
from ..data.interactions import SPLITS
from ..flags import add_data, read_data
from .commands import command


def add_commands(commands) -> None:
    """Declare it."""
    parser = command(
        commands,
        "recommend",
        _recommend,
        "list what a saved model recommends, as CSV: user, rank, item, score",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what train --save wrote")
    add_data(parser, "--data", required=True)
    parser.add_argument(
        "--users", nargs="+", metavar="USER", help="by name, or by id where there is none (all)"
    )
    parser.add_argument("--k", type=int, default=10, help="length of a list (10)")
    parser.add_argument(
        "--leave-out",
        nargs="*",
        choices=SPLITS,
        default=list(SPLITS),
        metavar="SPLIT",
        help="what of the data a user has already and is not recommended (train valid test)",
    )
    parser.add_argument("--out", type=Path, help="the file to write, in place of the terminal")


def _recommend(args: argparse.Namespace) -> None:
    if args.out is not None:
        check_file("--out", args.out)
    data = read_data(args, args.data)
    run = load_run(args.folder, data)
    users = None if args.users is None else [_name(user, data) for user in args.users]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = recommend(run.model, data, users, args.k, leave_out=args.leave_out)
    for warning in said:
        print(f"warning: {warning.message}", file=sys.stderr)
    columns, text = found.columns(), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))
    if args.out is None:
        print(text.getvalue(), end="")
    else:
        write_whole(args.out, text.getvalue().encode())


def _name(user: str, data: Interactions) -> str | int:
    """A user as the data calls it: what is typed is text, and names may be numbers."""
    if data.user_names is not None and data.user_names.dtype.kind not in "iu":
        return user
    if not user.isascii() or not user.isdigit():
        raise ValueError(f"--users: users of {data.name} are whole numbers, got {shown(user)}")
    return int(user)
