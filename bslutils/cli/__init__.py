"""Command line: ``python -m bslutils COMMAND``, or ``bslutils COMMAND``."""

import argparse
import io
import sys

from .. import __version__
from . import claims, listing, results, training
from .commands import INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bslutils",
        description="Train on data sets for recommendation, record experiments, check claims.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    for group in (training, listing, results, claims):
        group.add_commands(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit status.

    1 is for a fallen claim or a loss with a fault, 2 for bad input, 130 for Ctrl-C.
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
        return INTERRUPTED
