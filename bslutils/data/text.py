"""Text from a file that may be anything: compressed, in another encoding, or no text at all."""

import gzip
import io
import os
import re
import zlib
from pathlib import Path

# Python ends a line at several of these and would not say so; a NUL ends a name in numpy; the
# last three are not seen. None belongs in a table.
STRANGE = re.compile("[\0-\x08\x0b-\x1f\x7f\x85\u200b\u2028\u2029\ufeff]")
_NO_TEXT = {
    b"PK\x03\x04": "a zip archive (or a workbook): unpack it, or save it as CSV",
    b"BZh": "a bzip2 archive: unpack it",
    b"\xfd7zXZ": "an xz archive: unpack it",
    b"(\xb5/\xfd": "a zstd archive: unpack it",
    b"PAR1": "a Parquet file: give load_files pandas.read_parquet(…) of it",
    b"\x93NUMPY": "a numpy file: give bslutils.data.from_pairs numpy.load(…) of it",
    b"SQLite format": "an SQLite database: give load_files pandas.read_sql(…) of it",
    b"%PDF": "a PDF file: save the table as CSV",
}
_SMALL, _RATIO = 2**26, 100  # more than 64 MB of text from less than a hundredth is no table


def read_text(path: str | os.PathLike, encoding: str = "utf-8") -> str:
    r"""The text of a file, gzip undone, without a byte-order mark; lines end in ``\n``.

    Args:
        path: of a regular file; gzip is known by its first bytes.
        encoding: any that Python knows.

    Raises:
        ValueError: a file that is missing, no regular file, a damaged or monstrous archive, or
            not text in ``encoding``; an unknown encoding; a character that would break lines or
            names. The message names the file, the line where there is one, and what to do.
    """
    try:
        if not Path(path).is_file():  # reading a device or a pipe may never end
            why = "not a file" if Path(path).exists() else "No such file or directory"
            raise ValueError(f"{path}: cannot be read ({why})")
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    if content.startswith(b"\x1f\x8b"):
        content = _unzipped(path, content)
    for magic, what in _NO_TEXT.items():
        if content.startswith(magic):
            raise ValueError(f"{path}: this is {what}")
    return checked(_decoded(path, content, encoding), str(path))


def checked(text: str, source: str) -> str:
    r"""The text with ``\n`` at the end of lines, if it has nothing strange in it.

    Raises:
        ValueError: a control character, or one that is not seen; source and line are named.
    """
    text = text.replace("\r\n", "\n")
    found = STRANGE.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        what = f"{source}, line {line}: the character {found[0]!a} has no place in a table"
        if found[0] == "\r":
            what += "; lines end in \\n or \\r\\n"
        raise ValueError(what)
    return text


def _unzipped(path: str | os.PathLike, content: bytes) -> bytes:
    parts, size = [], 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            while part := file.read(2**20):
                parts.append(part)
                size += len(part)
                if size > max(_SMALL, _RATIO * len(content)):
                    raise ValueError(
                        f"{path}: unpacks to more than {_RATIO} times its size, which no table does"
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: a damaged gzip archive ({error}); fetch it again") from error
    return b"".join(parts)


def _decoded(path: str | os.PathLike, content: bytes, encoding: str) -> str:
    if not isinstance(encoding, str):
        raise ValueError(f"encoding must be a name such as 'utf-8', got {encoding!r}")
    plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    if plain and content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{path}: not a text file in UTF-8; if it is UTF-16: encoding='utf-16'")
    try:
        return content.decode("utf-8-sig" if plain else encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start : error.start + 1]
        raise ValueError(
            f"{path}: not a text file in {encoding.upper()} (line {line}, {byte!r}: "
            f"{error.reason}); name what it is in, such as encoding='latin-1'"
        ) from error
    except (LookupError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: cannot be read in the encoding {encoding!r} ({error})"
        ) from error
