r"""Recommenders that need no loss over pairs and no training loop: what a loss is held against.

Each is fitted to the training pairs of :class:`bslutils.Interactions` and gives what
:func:`bslutils.evaluate` ranks: a function from users to scores or, for :func:`ials`, a model.
:math:`R` is the table of training pairs, ``(n_users, n_items)``, 1 for a pair and 0 else, and
:math:`r_u` a row of it; :math:`d_u` and :math:`d_i` count the pairs of a user and of an item.
"""

from collections.abc import Callable, Iterator
from numbers import Integral

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import svds
from torch import Tensor, nn

from .checks import check_not_negative, check_sizes, positive, seed_of, switch
from .data import Interactions, check_data
from .graph import degrees
from .models import MatrixFactorization

Scores = Callable[[np.ndarray], np.ndarray | sparse.sparray]  # users (C,) -> (C, n_items)

BLOCK = 1 << 22  # numbers that are held at a time beside what is fitted
MEMORY = 8e9  # bytes that EASE may take unless it is told otherwise


def popularity(data: Interactions) -> Scores:
    r"""The items with the most training pairs, for everybody: :math:`f(u, i) = d_i`.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> int(popularity(data)(np.array([3])).argmax() - data.item_degree.argmax())
        0
    """
    check_data(data)
    return lambda users: np.tile(data.item_degree.astype(float), (len(users), 1))


def item_knn(
    data: Interactions,
    *,
    neighbours: int = 100,
    shrink: float = 0.0,
    of_candidate: bool = False,
) -> Scores:
    r"""Items like those that a user has, by the cosine of their columns.

    .. math:: f(u, j) = \sum_{i:\, R_{ui} = 1,\; j \in N(i)} s_{ij}, \qquad
              s_{ij} = \frac{R_{:i}^\top R_{:j}}{\sqrt{d_i d_j} + h}

    :math:`N(i)` are the items with the largest :math:`s_{ij} > 0`, without i itself; of equals
    those of the lowest ids. With ``of_candidate`` the neighbours are those of the item that is
    scored, :math:`i \in N(j)` in place of :math:`j \in N(i)`. A popular item is a neighbour of
    many others, and these need not be its neighbours: so it gets fewer terms that way.

    Args:
        data: the interactions.
        neighbours: how many items are in :math:`N(i)`, at most.
        shrink: h, at least 0; it holds back what rests on few pairs.
        of_candidate: whether the neighbours are those of the scored item, and not of a user's.

    Raises:
        ValueError: ``neighbours`` below 1, ``shrink`` negative or not finite, or ``of_candidate``
            not a bool.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> like, popular = (bsl.evaluate(f(data), data)["ndcg@20"] for f in (item_knn, popularity))
        >>> like > popular
        True

    Source: Deshpande and Karypis, *Item-Based Top-N Recommendation Algorithms*, TOIS 2004, who take
    the neighbours of a user's items, and also scale the rows of R and the similarities of an item,
    which is not done here. Those of the candidate are in Sarwar, Karypis, Konstan and Riedl,
    *Item-Based Collaborative Filtering Recommendation Algorithms*, WWW 2001. The shrinkage is that
    of Bell and Koren, *Improved Neighborhood-Based Collaborative Filtering*, KDD Cup 2007.
    """
    check_data(data)
    check_sizes(neighbours=neighbours)
    check_not_negative(shrink=shrink)
    switch("of_candidate", of_candidate)
    train = data.train.astype(np.float64)
    columns, length = train.T.tocsr(), np.sqrt(data.item_degree)
    rows = []
    for items in _blocks(data.n_items, data.n_items):
        both = columns[items] @ train  # pairs of items that share a user
        both.sort_indices()
        both = both.tocoo()
        value = both.data / (length[items][both.row] * length[both.col] + shrink)
        value[both.col == both.row + items.start] = 0  # an item is no neighbour of itself
        kept = _largest(value, both.row, neighbours)
        like = value[kept], (both.row[kept], both.col[kept])
        rows.append(sparse.csr_array(like, shape=both.shape))
    similarity = sparse.vstack(rows, format="csr")
    if of_candidate:
        similarity = similarity.T.tocsr()
    return lambda users: train[users] @ similarity


def _largest(values: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Which are the k largest of each row, of equals the first.

    ``values (n,)`` stand in the order of their ``rows (n,)``; the result is ``(n,)`` bool.
    """
    order = np.lexsort((-values, rows))  # stable, so equals stay in order
    start = np.searchsorted(rows, rows)  # where each row begins, in either order
    kept = np.empty(len(values), dtype=bool)
    kept[order] = np.arange(len(values)) - start < k
    return kept


def ease(
    data: Interactions, *, l2: float = 500.0, dtype: type | None = None, memory: float = MEMORY
) -> Scores:
    r"""The best linear model of every item on all the others, in closed form.

    .. math:: f(u, \cdot) = r_u B, \qquad
              B = \arg\min_{\operatorname{diag} B = 0} \|R - R B\|_F^2 + \lambda \|B\|_F^2, \qquad
              B_{ij} = -\frac{P_{ij}}{P_{jj}}\ (i \ne j), \quad P = (R^\top R + \lambda I)^{-1}

    Args:
        data: the interactions.
        l2: λ, positive.
        dtype: ``np.float64``, or ``np.float32``; by default the first, if ``memory`` is enough.
        memory: bytes that the table of items by items may take.

    Raises:
        ValueError: ``l2`` not positive and finite or too small for the type, another type, or a
            catalogue whose table needs more than ``memory``.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> ease(data)(np.array([3, 5])).shape == (2, data.n_items)
        True

    Source: Steck, *Embarrassingly Shallow Autoencoders for Sparse Data*, WWW 2019, eq. 8.
    """
    check_data(data)
    l2, memory = positive("l2", l2), positive("memory", memory)
    n = data.n_items
    if dtype is None:
        dtype = np.float64 if 8 * n * n <= memory else np.float32
    if not isinstance(dtype, type | np.dtype) or dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be np.float32 or np.float64, got {dtype!r}")
    need = n * n * np.dtype(dtype).itemsize
    if need > memory:
        raise ValueError(
            f"EASE on {data.name} needs {need / 1e9:.1f} GB for a table of {n:,} by {n:,} items, "
            f"memory is {memory / 1e9:g} GB: give it more (memory=), or use item_knn, ials or "
            "gf_cf, which make no such table"
        )
    train = data.train.astype(dtype)
    columns = train.T.tocsr()
    table = np.empty((n, n), dtype=dtype)  # RᵀR, then P, then B: there is room for one
    for items in _blocks(n, n):
        (columns[items] @ train).toarray(out=table[items])
    diagonal = np.diag_indices(n)
    table[diagonal] += l2
    # In place, and by torch: the OpenBLAS that scipy brings writes beyond its buffers when several
    # threads factorise a table of some 38,000 rows, which ends the process.
    whole = torch.from_numpy(table).T
    _, info = torch.linalg.cholesky_ex(whole, out=(whole, torch.empty(0, dtype=torch.int32)))
    if info:
        raise ValueError(f"l2={l2} is too small for {np.dtype(dtype)}: EASE is singular")
    torch.cholesky_inverse(whole, out=whole)
    table /= -table[diagonal]
    table[diagonal] = 0
    return lambda users: train[users] @ table


def ials(
    data: Interactions,
    *,
    dim: int = 64,
    unobserved: float = 0.1,
    l2: float = 0.003,
    frequency: float = 1.0,
    epochs: int = 16,
    seed: int = 0,
) -> nn.Module:
    r"""Matrix factorisation by alternating least squares, all items negatives at a low weight.

    .. math:: \sum_{R_{ui} = 1} (1 - p_u^\top q_i)^2 + \alpha_0 \sum_{u, i} (p_u^\top q_i)^2
              + \lambda \sum_u (d_u + \alpha_0 M)^\nu \|p_u\|^2
              + \lambda \sum_i (d_i + \alpha_0 U)^\nu \|q_i\|^2

    for U users and M items. In turn every :math:`p_u` and every :math:`q_i` is set to the minimum,
    given the others.

    Args:
        data: the interactions.
        dim: length of a vector.
        unobserved: α₀, positive.
        l2: λ, positive.
        frequency: ν; with 0 all vectors are held back alike, with 1 as their pairs are many.
        epochs: times that all vectors are set.
        seed: of the start.

    Raises:
        ValueError: ``dim`` or ``epochs`` below 1, ``unobserved`` or ``l2`` not positive and finite
            or too small, ``frequency`` negative or not finite.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> [x.shape[1] for x in ials(data, dim=8, epochs=2).embed()]
        [8, 8]

    Source: Hu, Koren and Volinsky, *Collaborative Filtering for Implicit Feedback Datasets*, ICDM
    2008; in the form and with the start of Rendle, Krichene, Zhang and Koren, *Revisiting the
    Performance of iALS on Item Recommendation Benchmarks*, RecSys 2022.
    """
    check_data(data)
    check_sizes(epochs=epochs)
    unobserved, l2 = positive("unobserved", unobserved), positive("l2", l2)
    check_not_negative(frequency=frequency)
    model = MatrixFactorization(data.n_users, data.n_items, dim=dim, score="dot")
    generator = torch.Generator().manual_seed(seed_of("seed", seed))
    users, items = (x.detach() for x in (model.user_table, model.item_table))
    for table in (users, items):
        nn.init.normal_(table, std=0.1 / dim**0.5, generator=generator)
    of_users, of_items = data.train, data.train.T.tocsr()
    for _ in range(epochs):
        for table, others, pairs in ((users, items, of_users), (items, users, of_items)):
            held = l2 * (np.diff(pairs.indptr) + unobserved * len(others)) ** frequency
            try:
                solve_rows(table, others, pairs, unobserved=unobserved, held=held)
            except torch.linalg.LinAlgError:
                small = f"l2={l2} or unobserved={unobserved}"
                raise ValueError(f"{small} is too small: iALS is singular") from None
    return model.eval()


def solve_rows(
    table: Tensor, others: Tensor, pairs: sparse.csr_array, *, unobserved: float, held: np.ndarray
) -> None:
    r"""Set every row of ``table (n, d)`` to its minimum, given the ``others (m, d)``, in place.

    .. math:: p = \Bigl(\sum_{i \in I} q_i q_i^\top + \alpha_0 \sum_i q_i q_i^\top
              + h\, \mathrm{I}\Bigr)^{-1} \sum_{i \in I} q_i

    Args:
        pairs: ``(n, m)``, whose row says which of the others are in I.
        unobserved: α₀.
        held: h of every row, ``(n,)``.

    Example:
        >>> table, others = torch.zeros(1, 1), torch.tensor([[1.0], [2.0]])
        >>> pairs = sparse.csr_array([[0, 1]])
        >>> solve_rows(table, others, pairs, unobserved=0.0, held=np.array([1.0]))
        >>> table  # 2 / (2² + 1)
        tensor([[0.4000]])
    """
    (m, dim), degree = others.shape, np.diff(pairs.indptr)
    everywhere = unobserved * others.T @ others
    padded = torch.cat([others, others.new_zeros(1, dim)])  # a row beyond the others adds nothing
    order = np.argsort(degree, kind="stable")  # rows of like length pad each other little
    start = 0
    while start < len(order):
        # As many rows as fit: the longest is the last.
        widths = np.maximum(degree[order[start:]], dim)
        fit = np.arange(1, len(widths) + 1) * widths * dim <= BLOCK
        rows = order[start : start + max(1, int(fit.sum()))]
        start += len(rows)
        ids = np.full((len(rows), max(1, degree[rows].max())), m)
        filled = np.arange(ids.shape[1]) < degree[rows, None]
        ids[filled] = pairs[rows].indices
        own = padded[torch.as_tensor(ids)]  # (C, L, d)
        left = own.mT @ own + everywhere
        left.diagonal(dim1=1, dim2=2).add_(torch.as_tensor(held[rows, None]).to(left))
        factor = torch.linalg.cholesky(left)
        table[rows] = torch.cholesky_solve(own.sum(1).unsqueeze(2), factor).squeeze(2)


def gf_cf(data: Interactions, *, rank: int = 256, weight: float = 0.3) -> Scores:
    r"""A low-pass filter over the graph of items, and one that passes the lowest frequencies only.

    .. math:: f(u, \cdot) = r_u \bigl(\tilde R^\top \tilde R
              + w\, D^{-1/2} V V^\top D^{1/2}\bigr), \qquad
              \tilde R_{ui} = \frac{R_{ui}}{\sqrt{d_u d_i}}

    V are the right singular vectors of :math:`\tilde R` that belong to its largest singular
    values, D is diagonal with :math:`d_i`.

    Args:
        data: the interactions.
        rank: how many singular vectors; 0 leaves the first filter alone, which has nothing to set.
        weight: w, at least 0.

    Raises:
        ValueError: ``rank`` not whole, negative or not below the numbers of users and of items,
            ``weight`` negative or not finite.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> gf_cf(data, rank=32)(np.array([3, 5])).shape == (2, data.n_items)
        True

    Source: Shen, Wu, Zhang, Shan, Zhang, Letaief and Li, *How Powerful is Graph Convolution for
    Recommendation?*, CIKM 2021.
    """
    check_data(data)
    limit = min(data.train.shape)
    if not isinstance(rank, Integral) or isinstance(rank, bool) or not 0 <= rank < limit:
        raise ValueError(f"rank must be a whole number from 0 to below {limit}, got {rank!r}")
    check_not_negative(weight=weight)
    train = data.train.astype(np.float64)
    root = np.sqrt(degrees(data.train))
    inverse = np.divide(1, root, out=np.zeros_like(root), where=root > 0)
    (of_users, by_items), (_, items) = (np.split(x, [data.n_users]) for x in (inverse, root))
    scaled = train.multiply(by_items).tocsr()  # R D^(-1/2)
    normal = scaled.multiply(of_users[:, None]).tocsr()
    # All scores are one long product: numbers of half the size halve its time.
    rows, there = train.astype(np.float32), normal.astype(np.float32)
    back_again = there.T.tocsr()

    def smooth(users: np.ndarray) -> np.ndarray:
        return (back_again @ (there @ rows[users].T.tocsr()).toarray()).T

    if rank == 0 or weight == 0:
        return smooth
    # A start that is not drawn, so that equal data give equal vectors.
    start = np.full(limit, limit**-0.5)
    _, _, vectors = svds(normal, k=rank, v0=start, return_singular_vectors="vh")
    into, out = vectors.T.astype(np.float32), (weight * vectors * items).astype(np.float32)
    scaled = scaled.astype(np.float32)
    return lambda users: smooth(users) + (scaled[users] @ into) @ out


def _blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Rows of a table, as many at a time as ``BLOCK`` numbers hold."""
    step = max(1, BLOCK // width)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


BASELINES: dict[str, Callable] = {
    "popularity": popularity,
    "item_knn": item_knn,
    "ease": ease,
    "ials": ials,
    "gf_cf": gf_cf,
}
