"""Files of other people's repositories: found, downloaded, verified, unpacked."""

import hashlib
import os
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO

from filelock import FileLock

LARGEST = 2**29  # bytes of a file in an archive: far more than any data set here has
SMALL, RATIO = 2**20, 100  # bytes that are always taken, and else those of the archive, so often
# RuntimeError: a member is encrypted; NotImplementedError: packed in a way that Python cannot.
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError)
_DAMAGED += (RuntimeError, NotImplementedError, UnicodeError, OverflowError)


@dataclass(frozen=True)
class Remote:
    """A file of somebody else's repository, pinned by commit and hash."""

    path: str  # below BSLUTILS_DATA, and below the cache
    url: str
    sha256: str


def locate(remote: Remote) -> Path:
    """The local copy of a file: from ``BSLUTILS_DATA``, the cache, or a download to the cache."""
    folder = os.environ.get("BSLUTILS_DATA")
    if folder:
        if not Path(folder).is_dir():
            raise ValueError(f"BSLUTILS_DATA is {folder!r}, which is not a folder")
        path = Path(folder, remote.path)
        if path.exists():
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != remote.sha256:
                raise ValueError(f"{path} has SHA-256 {found}, expected {remote.sha256}")
            return path
    return _download(remote)


def _download(remote: Remote) -> Path:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"downloading {remote.path} needs pooch: pip install 'bslutils[data]', "
            "or put the file into the folder that BSLUTILS_DATA names"
        ) from error
    cache = Path(pooch.os_cache("bslutils"))
    target = cache / remote.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # pooch downloads to a temporary file beside the target, checks its hash, and only then
        # moves it into place; a file that fails is removed. Of several programs one downloads,
        # and the others find the file.
        with FileLock(f"{target}.lock"):
            pooch.retrieve(
                remote.url,
                known_hash=f"sha256:{remote.sha256}",
                fname=target.name,
                path=target.parent,
                progressbar=True,
            )
    except ValueError as error:
        raise ValueError(f"{remote.path}: the download was refused: {error}") from error
    except PermissionError as error:
        raise ValueError(f"the cache folder {target.parent} cannot be written to") from error
    except OSError as error:
        # requests' errors are OSErrors too: tell the disk from the network by the folder.
        if not target.parent.is_dir():
            raise ValueError(f"the cache folder {target.parent} cannot be made") from error
        raise ConnectionError(
            f"{remote.path} could not be downloaded from {remote.url} ({type(error).__name__}); "
            f"fetch it by other means and put it at {target}, or below the folder that "
            "BSLUTILS_DATA names"
        ) from error
    return target


def members(path: Path, names: tuple[str, ...]) -> list[bytes]:
    """Read files out of a tar or zip archive, in memory.

    Raises:
        ValueError: an archive that cannot be read, that lacks a file or has a folder of its name,
            that has a member which leaves its folder (absolute, with ``..``, or a link), or one
            that is larger than a data set is.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
                links = [e.filename for e in entries if stat.S_ISLNK(e.external_attr >> 16)]
                _check_members(path, [entry.filename for entry in entries], links)
                for name in names:
                    _check_size(path, name, archive.getinfo(name).file_size)
                return [_content(path, name, archive.open(name)) for name in names]
        with tarfile.open(path) as archive:
            entries = archive.getmembers()
            links = [entry.name for entry in entries if not (entry.isfile() or entry.isdir())]
            _check_members(path, [entry.name for entry in entries], links)
            for name in names:
                _check_size(path, name, archive.getmember(name).size)
            return [_content(path, name, archive.extractfile(name)) for name in names]
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]}") from error
    except _DAMAGED as error:
        raise ValueError(f"{path} is not a readable archive: {error}") from error


def _content(path: Path, name: str, file: IO[bytes] | None) -> bytes:
    if file is None or name.endswith("/"):
        raise ValueError(f"{path}: {name!r} is a folder, not a file")
    with file:
        # What is unpacked counts, too, since a header may say anything.
        content = file.read(_most(path) + 1)
    _check_size(path, name, len(content))
    return content


def _most(path: Path) -> int:
    """The bytes of a file in an archive, at most: pairs of numbers do not pack as zeros do."""
    return min(LARGEST, max(SMALL, RATIO * path.stat().st_size))


def _check_size(path: Path, name: str, size: int) -> None:
    if size > _most(path):
        raise ValueError(f"{path}: {name!r} has more than {_most(path):,} bytes; refused")


def _check_members(path: Path, names: list[str], links: list[str]) -> None:
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        drive = ":" in "".join(parts.parts[:1])  # "./" has no parts at all
        if parts.is_absolute() or ".." in parts.parts or drive:
            raise ValueError(f"{path} holds {name!r}, which leaves its folder; refused")
    if links:
        raise ValueError(f"{path} holds {links[0]!r}, which is not a plain file; refused")
