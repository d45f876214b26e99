"""``python -m benchmarks TABLE …``: measure a table and write ``results/benchmarks/TABLE.json``."""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from bslutils.provenance import provenance

from .tables import TABLES

FOLDER = Path(__file__).resolve().parent.parent / "results" / "benchmarks"


def main(argv: list[str] | None = None) -> int:
    """Measure the tables asked for, one after the other."""
    what = {name: table.__doc__.splitlines()[0] for name, table in TABLES.items()}
    lines = "\n".join(f"  {name:12} {line}" for name, line in what.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"tables:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="what to measure")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to")
    args = parser.parse_args(argv)
    unknown = [name for name in args.tables if name not in TABLES]
    if unknown:
        parser.error(f"unknown table {unknown[0]!r}; choose among {', '.join(TABLES)}")
    if not args.tables:
        parser.print_help()
        return 0
    if "gpu" in args.tables and not torch.cuda.is_available():
        parser.error("the table gpu needs a GPU, and torch sees none")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.tables:
        found = TABLES[name]()
        # A table that takes long gives what it has so far, time and again.
        for part in found if isinstance(found, Iterator) else [found]:
            record = {
                "what": what[name],
                "made_by": shlex.join(["python", "-m", "benchmarks", name]),
                **provenance("cuda" if name == "gpu" else "cpu"),
                **part,
            }
            path = args.out / f"{name}.json"
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"{path}:")
        for row in record["rows"]:
            print("  " + json.dumps(row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
