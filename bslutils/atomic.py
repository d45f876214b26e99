"""Files that are there whole, or not at all, whenever the machine stops."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, on the disk and in one piece; one that is there is replaced at once.

    Who reads it at any moment finds what was there before, or the whole of what is new. Killed on
    the way, it leaves a file beside it: :func:`leftovers` finds those.

    Raises:
        OSError: it cannot be written, as on a full disk; ``path`` is as it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(Path(folder) / "a.txt", b"all of it")
        ...     os.listdir(folder), (Path(folder) / "a.txt").read_bytes()
        (['a.txt'], b'all of it')
    """
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}.unfinished")
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # its new name, too, where a folder can be asked for that
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def append_whole(path: Path, line: bytes) -> None:
    """Add a line to a file, on the disk and in one piece, or not at all; its end is added.

    A line that was cut off, by a machine that died, does not swallow the new one. Who may write at
    the same time holds a lock.

    Raises:
        OSError: it cannot be written, as on a full disk; the file is as it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     append_whole(Path(folder) / "a.txt", b"one")
        ...     append_whole(Path(folder) / "a.txt", b"two")
        ...     (Path(folder) / "a.txt").read_bytes()
        b'one\\ntwo\\n'
    """
    path.touch()
    with path.open("r+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        start = b"" if end == 0 or file.read(1) == b"\n" else b"\n"
        line = start + line + b"\n"
        try:
            if file.write(line) != len(line):
                raise OSError(f"no room for a line in {path}")
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def leftovers(folder: Path) -> list[Path]:
    """What :func:`write_whole` left unfinished in a folder when it was killed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     leftovers(Path(folder))
        []
    """
    return sorted(folder.glob(".*.unfinished"))
