"""Neural graph collaborative filtering."""

import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor, nn

from ..checks import check_dropout
from ..graph import spread
from .graph_model import GraphModel
from .tables import empty, generator_of

SLOPE = 0.2  # of LeakyReLU below zero, as in the authors' code; the paper leaves it open


class NGCF(GraphModel):
    r"""Layers with weights, and with the product of a node and its neighbours.

    .. math:: E_l = \mathrm{LeakyReLU}\big( (\hat A + I) E_{l-1} W_1^{(l)}
              + (\hat A E_{l-1} \odot E_{l-1}) W_2^{(l)} \big), \qquad
              E = \big[ E_0,\ \bar E_1,\ \dots,\ \bar E_L \big]

    with the normalised adjacency :math:`\hat A` of :func:`bslutils.graph.normalised_adjacency`
    and rows :math:`\bar E_l` of length 1. A vector that is scored has (L + 1) d coordinates.

    The formula is the paper's; that the layers are normalised before they are put side by side,
    and not on their way to the next layer, is only in the authors' code. That code departs from
    the paper elsewhere: it normalises each row of A + I by its sum, adds biases, and adds up one
    LeakyReLU for each of the two terms.

    Args:
        train, dim, score, rank_score: as in :class:`bslutils.models.LightGCN`.
        n_layers: layers L, at least 1.
        message_dropout: chance in [0, 1) that a coordinate of a layer is dropped in a training
            step, before it is normalised and before it goes on to the next layer.
        seed: seeds the Xavier-uniform start of tables and weights.

    Raises:
        ValueError: no training pair, a size below 1, an unknown score, a dropout outside [0, 1).

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = NGCF(data.train, dim=8, n_layers=2)
        >>> [tuple(vectors.shape) for vectors in model.embed()]
        [(500, 24), (800, 24)]

    Source: Wang et al., *Neural Graph Collaborative Filtering*, SIGIR 2019, eq. 7 and 9.
    """

    def __init__(
        self,
        train: csr_array,
        *,
        dim: int = 64,
        n_layers: int = 3,
        message_dropout: float = 0.1,
        score: str = "cosine",
        rank_score: str | None = None,
        seed: int = 0,
    ):
        check_dropout(message_dropout=message_dropout)
        generator = generator_of(seed)
        super().__init__(
            train,
            dim=dim,
            n_layers=n_layers,
            score=score,
            rank_score=rank_score,
            generator=generator,
        )
        self.message_dropout = message_dropout
        self.weights = empty(n_layers, 2, dim, dim)
        for matrix in self.weights.detach().flatten(0, 1):
            nn.init.xavier_uniform_(matrix, generator=generator)

    def propagate(self, training: bool = False) -> Tensor:
        """Vectors of all users and all items, ``(n, (L + 1) d)``."""
        layer = self.start()
        parts = [layer]
        for w1, w2 in self.weights:
            around = spread(self.adjacency, layer)
            layer = F.leaky_relu((around + layer) @ w1 + (around * layer) @ w2, SLOPE)
            layer = F.dropout(layer, self.message_dropout, training)
            parts.append(F.normalize(layer, dim=1))
        return torch.cat(parts, dim=1)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, message_dropout={self.message_dropout}"
