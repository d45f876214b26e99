"""LightGCN, and what became of it."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor

from ..checks import finite
from ..graph import degrees, spread
from .graph_model import GraphModel
from .tables import generator_of


class LightGCN(GraphModel):
    r"""Embeddings averaged over the neighbourhoods of users and items, without weights.

    .. math:: E = \frac{1}{L+1} \sum_{l=0}^{L} \hat A^l E_0, \qquad
              f(u, i) = \cos(e_u, e_i) \quad\text{or}\quad e_u^\top e_i

    with the normalised adjacency :math:`\hat A` of :func:`bslutils.graph.normalised_adjacency`.

    Args:
        train: training pairs, ``(n_users, n_items)``: the graph.
        dim: length of a vector, d.
        n_layers: layers L, at least 1 (0 would be matrix factorisation).
        score: ``"cosine"`` or ``"dot"`` in training.
        rank_score: ``"cosine"`` or ``"dot"`` in ranking; ``None`` is as in training. The authors
            of BSL train with cosine and, but for MovieLens-1M, rank by inner product.
        seed: seeds the Xavier-uniform start.

    Raises:
        ValueError: no training pair, a size below 1, an unknown score.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = LightGCN(data.train, dim=8, n_layers=2)
        >>> [tuple(vectors.shape) for vectors in model.embed()]
        [(500, 8), (800, 8)]

    Source: He et al., *LightGCN: Simplifying and Powering Graph Convolution Network for
    Recommendation*, SIGIR 2020, eq. 8 with equal weights. Timed in the chapter *Speed and
    memory*.
    """

    def __init__(
        self,
        train: csr_array,
        *,
        dim: int = 64,
        n_layers: int = 3,
        score: str = "cosine",
        rank_score: str | None = None,
        seed: int = 0,
    ):
        super().__init__(
            train,
            dim=dim,
            n_layers=n_layers,
            score=score,
            rank_score=rank_score,
            generator=generator_of(seed),
        )

    def propagate(self, training: bool = False) -> Tensor:
        """Vectors of all users and all items, ``(n, d)``."""
        layer = total = self.start()
        for _ in range(self.n_layers):
            layer = spread(self.adjacency, layer)
            total = total + layer
        return total / (self.n_layers + 1)


class LightGCNPlusPlus(GraphModel):
    r"""LightGCN with an asymmetric weight of neighbours, blind to their length.

    .. math:: e_u^{(l)} = \frac{1}{d_u^\alpha} \sum_{i \in N_u}
              \frac{1}{d_i^\beta} \frac{e_i^{(l-1)}}{\|e_i^{(l-1)}\|}, \qquad
              e_u = \gamma\, e_u^{(0)} + \frac{1-\gamma}{L} \sum_{l=1}^{L} e_u^{(l)}

    and the same for items; :math:`d` is a degree, :math:`N_u` the items of a user. α says how
    a vector grows with its own degree, β how much a neighbour of high degree counts.

    The product is that of LightGCN: with :math:`\hat A = D^{-1/2} A D^{-1/2}`,
    :math:`D^{-\alpha} A D^{-\beta} = D^{1/2-\alpha} \hat A D^{1/2-\beta}`, so the matrix that
    is stored stays symmetric, and no transposed copy is needed for the gradient.

    Args:
        train, dim, score, rank_score: as in :class:`LightGCN`.
        n_layers: layers L, at least 1.
        alpha, beta: exponents of the two degrees, any finite numbers; 1/2 and 1/2 is the
            normalisation of LightGCN.
        gamma: weight of layer 0, in [0, 1].
        seed: seeds the start: normal with standard deviation 0.1 as in the authors' code, since
            γ weighs vectors of this length against layers whose length the degrees set.

    Raises:
        ValueError: no training pair, a size below 1, an unknown score, an exponent that is not
            finite, ``gamma`` outside [0, 1].

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> [tuple(vectors.shape) for vectors in LightGCNPlusPlus(data.train, dim=8).embed()]
        [(500, 8), (800, 8)]

    Source: Lee et al., *Revisiting LightGCN: Unexpected Inflexibility, Inconsistency, and
    A Remedy Towards Improved Recommendation*, RecSys 2024; defaults of its public code.
    """

    def __init__(
        self,
        train: csr_array,
        *,
        dim: int = 64,
        n_layers: int = 2,
        alpha: float = 0.6,
        beta: float = -0.1,
        gamma: float = 0.2,
        score: str = "cosine",
        rank_score: str | None = None,
        seed: int = 0,
    ):
        for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
            finite(name, value)
        if not 0 <= gamma <= 1:
            raise ValueError(f"gamma must lie in [0, 1], got {gamma!r}")
        super().__init__(
            train,
            dim=dim,
            n_layers=n_layers,
            score=score,
            rank_score=rank_score,
            generator=generator_of(seed),
            std=0.1,
        )
        self.alpha, self.beta, self.gamma = alpha, beta, gamma
        degree = degrees(train).clip(min=1)  # (n,); a node without a pair has no neighbours
        for name, power in (("inward", alpha), ("outward", beta)):
            with np.errstate(over="ignore"):
                scale = torch.tensor(degree ** (0.5 - power), dtype=torch.float32).unsqueeze(1)
            if not scale.isfinite().all():
                exponent = {"inward": "alpha", "outward": "beta"}[name]
                raise ValueError(
                    f"{exponent} must leave weights of neighbours finite, got {power!r}"
                )
            self.register_buffer(name, scale, persistent=False)  # (n, 1)

    def propagate(self, training: bool = False) -> Tensor:
        """Vectors of all users and all items, ``(n, d)``."""
        layer, total = self.start(), 0
        for _ in range(self.n_layers):
            directions = F.normalize(layer, dim=1)
            layer = self.inward * spread(self.adjacency, self.outward * directions)
            total = total + layer
        return self.gamma * self.start() + (1 - self.gamma) / self.n_layers * total

    def extra_repr(self) -> str:
        own = f"alpha={self.alpha}, beta={self.beta}, gamma={self.gamma}"
        return f"{super().extra_repr()}, {own}"
