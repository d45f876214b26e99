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


def leftovers(folder: Path) -> list[Path]:
    """What :func:`write_whole` left unfinished in a folder when it was killed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     leftovers(Path(folder))
        []
    """
    return sorted(folder.glob(".*.unfinished"))
