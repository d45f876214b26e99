"""Files of records: a line of JSON for every run, appended in one piece and never rewritten."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..atomic import append_whole
from ..provenance import ROOT
from .record_line import check_record, content_of, is_current, line_of
from .trial import Trial

# Of a source checkout, or else below the working directory: runs are recorded here.
FOLDER = (ROOT if (ROOT / "pyproject.toml").exists() else Path()) / "results"
# Of an installed package, which brings the records of its book: they are read only.
SHIPPED = Path(__file__).parent.parent / "results"
SUPERSEDED = "superseded.jsonl"

Records = dict[str, dict[str, Any]]


class MissingRun(LookupError):
    """What is asked rests on a run that has no record; the message says which."""


def recorded(trials: Iterable[Trial], records: Records) -> list[dict[str, Any]]:
    """The record of each trial.

    Raises:
        MissingRun: a trial has no record, or there is no trial, since what chooses it has none.

    Example:
        >>> from bslutils import TrainConfig
        >>> recorded([Trial("ml-1m", "bpr", {"tau": 1.0}, TrainConfig(seed=3))], {})
        Traceback (most recent call last):
        bslutils.experiments.records.MissingRun: a run is missing: ml-1m/honest/MF/bpr tau=1, seed 3
    """
    found = []
    for trial in trials:
        if (record := records.get(trial.id)) is None:
            raise MissingRun(f"a run is missing: {trial.label}, seed {trial.config.seed}")
        found.append(record)
    if not found:
        raise MissingRun("a run is missing: which one, its tuning has yet to say")
    return found


def lacks(read: Callable, *args, **kwargs) -> bool:
    """Whether a run is missing for ``read(*args, **kwargs)``."""
    try:
        read(*args, **kwargs)
    except MissingRun:
        return True
    return False


def path_of(name: str) -> Path:
    """The file of the records of the sweep called ``name``."""
    return FOLDER / f"{name}.jsonl"


def file_of(name: str) -> Path:
    """An existing file by its path in the repository: the own one, or else the package's.

    Raises:
        FileNotFoundError: there is none; the message says what to do.

    Example:
        >>> file_of("results/datasets.json").name
        'datasets.json'
    """
    below = Path(name).relative_to("results")
    for folder in (FOLDER, SHIPPED):
        if (folder / below).is_file():
            return folder / below
    raise FileNotFoundError(
        f"there is no file {FOLDER / below}, and this bslutils was installed without records: "
        "install it from a complete checkout (pip install '.[notebooks]' at its root)"
    )


def record_files() -> list[Path]:
    """All files of records that count, by name; the package's after those of its user."""
    return [
        file
        for folder in (FOLDER, SHIPPED)
        for file in sorted(folder.glob("*.jsonl"))
        if file.name != SUPERSEDED
    ]


def read_records(path: Path) -> Records:
    """Records by id, of this version of the code and of the data; the last of an id counts.

    A line that is not a record is warned of by its number, and left out: the others are usable.
    So are records of other code or data (:func:`outdated`), without a warning: they are no
    longer runs of anything, and stay in the file as history.

    Example:
        >>> read_records(Path("no such file"))
        {}
    """
    return {record["id"]: record for record in _lines(path) if is_current(record)}


def known_records(path: Path) -> Records:
    """The records of a file and of those beside it: a trial that two sweeps want is run once.

    Of a trial that is recorded in several files, the file's own record counts; else one that keeps
    users, which is what was asked for last; and else that of the first by name. Beside the files
    of this folder's sweeps are those that the package brings.
    """
    if path.parent == FOLDER:
        beside = record_files()
    else:
        beside = sorted(set(path.parent.glob("*.jsonl")) - {path.with_name(SUPERSEDED)})
    own, known = read_records(path), {}
    for file in beside:
        found = read_records(file)
        fuller = {id for id in found.keys() & known.keys() if "users" not in known[id]}
        known |= {
            id: record
            for id, record in found.items()
            if id not in known or (id in fuller and "users" in record)
        }
    return known | own


def superseded() -> list[dict[str, Any]]:
    """The records that no sweep asks for any more, since its plan was another one when they were
    made: each has the name of its sweep and the reason under ``superseded``.
    """
    try:
        path = file_of(f"results/{SUPERSEDED}")
    except FileNotFoundError:
        return []
    return [content_of(line) for line in path.read_text(encoding="utf-8").splitlines()]


def outdated(path: Path) -> list[dict[str, Any]]:
    """Records made by another version of the code or on other data: kept, never used."""
    return [record for record in _lines(path) if not is_current(record)]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    seen = path.stat()
    records, complaints = _parsed(path, (seen.st_ino, seen.st_mtime_ns, seen.st_size))
    for complaint in complaints:
        warnings.warn(complaint, stacklevel=3)
    yield from records


@lru_cache(64)  # a process asks for the same files again and again; records are never changed
def _parsed(path: Path, version: tuple[int, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    """The records of a version of a file, and what is to be said of its other lines."""
    records, complaints = [], []
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = content_of(line)
            check_record(record)
        except ValueError as error:
            complaints.append(f"line {number} of {path} is not a record and is left out: {error}")
            continue
        records.append(record)
    return records, complaints


@contextmanager
def writer(path: Path) -> Iterator["Writer"]:
    """Hold a file of records for appending; one program at a time.

    Raises:
        ValueError: another program holds the file.
        OSError: the folder or the file cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"another program is adding to {path}: wait for it, or stop it") from None
    try:
        yield Writer(path)
    finally:
        lock.release()


class Writer:
    """Appends records to a file that this program holds."""

    def __init__(self, path: Path):
        self.path = path
        path.touch()

    def append(self, record: dict[str, Any]) -> None:
        """Add a record: all of it, on the disk, or nothing.

        Raises:
            OSError: it could not be written, as on a full disk; the file is as it was.
        """
        append_whole(self.path, line_of(record).encode())


def merge(path: Path, sources: list[Path]) -> tuple[int, list[str]]:
    """Add the records of other files that a file lacks, as from another machine.

    So are those of equal runs that keep users, where its own do not.

    Returns:
        How many were added, and the ids that are in both with other results; of these the file
        keeps its own.

    Raises:
        ValueError: a source that does not exist, or a file that another program holds.
    """
    for source in sources:
        if not source.is_file():
            raise ValueError(f"there is no file {source}")
    added, conflicts = 0, []
    with writer(path) as file:
        known = {record["id"]: record for record in _lines(path)}
        for source in sources:
            for record in _lines(source):
                mine = known.get(record["id"])
                if mine and mine["test"] != record["test"]:
                    conflicts.append(record["id"])
                elif mine is None or ("users" in record and "users" not in mine):
                    known[record["id"]] = record
                    file.append(record)
                    added += 1
    return added, conflicts
