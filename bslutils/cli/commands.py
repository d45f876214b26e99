"""How a command of the command line is declared."""

import argparse
from collections.abc import Callable

INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended: 128 + SIGINT


def command(
    commands, name: str, run: Callable[[argparse.Namespace], int | None], what: str
) -> argparse.ArgumentParser:
    """A parser of a command; ``run(args)`` gives the exit status, or ``None`` for 0."""
    # Flags come and go with signatures: an abbreviation would not mean the same for long.
    parser = commands.add_parser(name, help=what, description=what, allow_abbrev=False)
    parser.set_defaults(run=run, parser=parser)
    return parser
