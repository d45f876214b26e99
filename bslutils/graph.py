"""The graph of users and items, and the product that spreads embeddings over it."""

import warnings

import numpy as np
import torch
from scipy.sparse import block_array, csr_array
from torch import Tensor


def degrees(train: csr_array) -> np.ndarray:
    """How many training pairs each node has: users first, ``(n,)`` float64.

    Example:
        >>> degrees(csr_array(np.array([[1, 1]])))
        array([2., 1., 1.])
    """
    pairs = train.astype(np.float64)
    return np.concatenate([pairs.sum(axis=axis) for axis in (1, 0)])


def normalised_adjacency(train: csr_array) -> Tensor:
    r"""The symmetric, normalised adjacency of users and items, sparse CSR ``(n, n)``.

    .. math:: \hat A = D^{-1/2} \begin{pmatrix} 0 & R \\ R^\top & 0 \end{pmatrix} D^{-1/2}

    R holds the training pairs, D the degrees; users come first, n = users + items. A node
    without a pair has a row of zeros.

    Raises:
        ValueError: no training pair.

    Example:
        >>> normalised_adjacency(csr_array(np.array([[1, 1]]))).to_dense()
        tensor([[0.0000, 0.7071, 0.7071],
                [0.7071, 0.0000, 0.0000],
                [0.7071, 0.0000, 0.0000]])

    Source: Wang et al., *Neural Graph Collaborative Filtering*, SIGIR 2019, eq. 8.
    """
    if train.nnz == 0:
        raise ValueError("there is no training pair to build a graph from")
    pairs = train.astype(np.float64)
    scale = 1 / np.sqrt(np.maximum(degrees(train), 1))
    users, items = np.split(scale, [train.shape[0]])
    pairs = pairs.multiply(users[:, None]).multiply(items[None, :]).tocsr()
    adjacency = block_array([[None, pairs], [pairs.T, None]], format="csr")
    adjacency.sort_indices()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        # Said by torch 2.11 even where the invariants are checked, as here.
        warnings.filterwarnings("ignore", message="Sparse invariant checks are implicitly")
        return torch.sparse_csr_tensor(
            torch.tensor(adjacency.indptr, dtype=torch.int32),
            torch.tensor(adjacency.indices, dtype=torch.int32),
            torch.tensor(adjacency.data, dtype=torch.float32),
            size=adjacency.shape,
            check_invariants=True,
        )


def spread(adjacency: Tensor, vectors: Tensor) -> Tensor:
    """``adjacency @ vectors``, ``(n, n), (n, d) -> (n, d)``, for a *symmetric* matrix.

    The gradient with respect to the vectors is the same product once more, so neither a
    transposed copy of the matrix nor a gradient with respect to it is ever made.

    Example:
        >>> adjacency = normalised_adjacency(csr_array(np.array([[1]])))
        >>> spread(adjacency, torch.tensor([[1.0], [2.0]])).flatten()
        tensor([2., 1.])
    """
    return _SymmetricProduct.apply(adjacency, vectors)


class _SymmetricProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx, matrix: Tensor, vectors: Tensor) -> Tensor:
        ctx.matrix = matrix
        return matrix @ vectors

    @staticmethod
    def backward(ctx, grad: Tensor):
        return None, _SymmetricProduct.apply(ctx.matrix, grad.contiguous())
