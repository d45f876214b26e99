"""The commands ``verify`` and ``check``."""

import argparse
import os
import sys
import time
from pathlib import Path

from .commands import command

# Claims take long to import: the commands that need them do it themselves.


def add_commands(commands) -> None:
    """Declare them."""
    verify = command(commands, "verify", _verify, "run the programs that check the book's claims")
    verify.add_argument("ids", nargs="*", metavar="ID", help="claims to check; all by default")
    verify.add_argument("--list", action="store_true", help="list the claims, run nothing")
    verify.add_argument("--jobs", type=int, help="claims at a time (default: as many as cores)")
    verify.add_argument(
        "--glance",
        type=Path,
        metavar="FILE",
        help="renew the table of the claims at a glance in FILE, run nothing",
    )

    check = command(commands, "check", _check, "report on a loss of your own")
    check.add_argument(
        "loss", metavar="FILE:NAME", help="such as my_loss.py:my_loss; a name after a module, too"
    )
    check.add_argument("--no-train", action="store_true", help="do not train with it; seconds")
    check.add_argument("--out", type=Path, metavar="FILE", help="write a page, such as report.html")


def _verify(args: argparse.Namespace) -> int:
    from ..verify import CLAIMS, iter_claims, ledger_line

    if args.glance:
        from ..verify.glance import renew

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
    from ..examine import check_loss
    from ..examine.found import find_loss, page_to_write

    page = None if args.out is None else page_to_write(args.out)
    report = check_loss(find_loss(args.loss), train=not args.no_train)
    print(report)
    if page is not None:
        report.save(page)
    return 0 if report.ok else 1
