"""Contrastive learning on noisy views of a graph: SimGCL and XSimGCL."""

import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from torch import Tensor

from ..checks import check_not_negative, check_positive, check_sizes, whole
from ..graph import spread
from ..scoring import soft_maximum
from .graph_model import GraphModel
from .tables import generator_of


def info_nce(a: Tensor, b: Tensor, *, tau: float, mask: Tensor | None = None) -> Tensor:
    r"""The contrastive loss of two views of the same nodes: ``(n, d), (n, d) -> ()``.

    .. math:: -\frac1n \sum_v \log
              \frac{e^{\cos(a_v, b_v)/\tau}}{\sum_w e^{\cos(a_v, b_w)/\tau}}

    It is the softmax loss of this book with a node's other view as its positive and everyone's
    other views as the negatives, the positive among them. Of two equal views it is log n at
    most, and only pushes the nodes apart.

    Args:
        a, b: the views, row by row of the same node; any length.
        tau: temperature, ``> 0``.
        mask: ``(n,)`` bool, True where a node counts; at least one must.

    Raises:
        ValueError: shapes that differ or are not ``(n, d)``, a mask that is not ``(n,)``, ``tau``
            not positive and finite.

    Example:
        >>> info_nce(torch.eye(2), torch.eye(2), tau=1.0)  # log(1 + 1/e)
        tensor(0.3133)

    Source: van den Oord, Li and Vinyals, *Representation Learning with Contrastive Predictive
    Coding*, 2018, eq. 4.
    """
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(f"views must be (n, d) both, got {tuple(a.shape)} and {tuple(b.shape)}")
    if mask is None:
        mask = torch.ones(len(a), dtype=torch.bool, device=a.device)
    if mask.shape != a.shape[:1]:
        raise ValueError(f"mask must be ({len(a)},), a node each, got {tuple(mask.shape)}")
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    others = soft_maximum(a, b, tau=tau, mask=mask.expand(len(a), -1))
    return ((others - (a * b).sum(1)) * mask).sum() / mask.sum() / tau


def disturbed(vectors: Tensor, eps: float) -> Tensor:
    """Add noise of length ``eps`` that leaves every coordinate on its side of zero.

    The direction is uniform in the unit cube before it is brought to length 1 and given the
    signs of the vector; it is drawn from torch's global generator.
    """
    noise = F.normalize(torch.rand_like(vectors), dim=-1)
    return vectors + eps * vectors.detach().sign() * noise


def contrast(
    first: Tensor, second: Tensor, users: Tensor, items: Tensor, *, n_users: int, tau: float
) -> Tensor:
    """InfoNCE of the different users of a batch, plus that of its different items.

    The views are ``(n, d)``, users first; ``users`` and ``items`` hold ids, repeated or not.
    """
    n_items, total = len(first) - n_users, 0
    for ids, start, size in ((users, 0, n_users), (items, n_users, n_items)):
        nodes, counts = _distinct(ids.flatten(), size)
        views = (F.embedding(start + nodes, view) for view in (first, second))
        total = total + info_nce(*views, tau=tau, mask=counts)
    return total


def _distinct(ids: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Ids below ``size`` among which are the given ones, and a mask that counts these once.

    The list without its repetitions would be shorter, but a GPU would have to wait for its length.
    """
    if len(ids) >= size:
        present = torch.zeros(size, dtype=torch.bool, device=ids.device)
        return torch.arange(size, device=ids.device), present.scatter_(0, ids, True)
    ids = ids.sort().values
    first = torch.ones_like(ids, dtype=torch.bool)
    first[1:] = ids[1:] != ids[:-1]
    return ids, first


class SimGCL(GraphModel):
    r"""LightGCN without its layer 0, and with a contrast of two noisy views of the graph.

    .. math:: E = \frac1L \sum_{l=1}^{L} \hat A^l E_0, \qquad
              E' = \frac1L \sum_{l=1}^{L} E'_l, \quad
              E'_l = \hat A E'_{l-1} + \varepsilon \Delta_l, \quad E'_0 = E_0

    E is scored and ranked; a node without a training pair has the vector 0. The noise
    :math:`\Delta_l` has rows of length 1 with the signs of what it is added to. The auxiliary
    term of a batch is the weight times :func:`info_nce` of two such views, E′ and E″ with noise
    of their own, over the users of the batch, plus the same over its positive items; each
    counts once.

    Args:
        train, dim, score, rank_score: as in :class:`bslutils.models.LightGCN`.
        n_layers: layers L, at least 1.
        weight: of the auxiliary term, at least 0.
        eps: length ε of the noise in a layer, at least 0.
        temperature: of the auxiliary term, ``> 0``.
        seed: seeds the Xavier-uniform start; noise is drawn from torch's global generator,
            which :func:`bslutils.fit` seeds.

    Raises:
        ValueError: no training pair, a size below 1, an unknown score, a negative ``weight`` or
            ``eps``, a ``temperature`` that is not positive and finite.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = SimGCL(data.train, dim=8)
        >>> model.auxiliary(torch.tensor([0, 1]), torch.tensor([[2], [3]])).shape
        torch.Size([])

    Source: Yu et al., *Are Graph Augmentations Necessary? Simple Graph Contrastive Learning for
    Recommendation*, SIGIR 2022; that layer 0 is left out, and the defaults, are those of its
    public code.
    """

    waits = False

    def __init__(
        self,
        train: csr_array,
        *,
        dim: int = 64,
        n_layers: int = 2,
        weight: float = 0.5,
        eps: float = 0.1,
        temperature: float = 0.2,
        score: str = "cosine",
        rank_score: str | None = None,
        seed: int = 0,
    ):
        check_not_negative(weight=weight, eps=eps)
        check_positive(temperature=temperature)
        super().__init__(
            train,
            dim=dim,
            n_layers=n_layers,
            score=score,
            rank_score=rank_score,
            generator=generator_of(seed),
        )
        self.weight, self.eps, self.temperature = weight, eps, temperature

    def propagate(self, training: bool = False) -> Tensor:
        """Vectors of all users and all items, ``(n, d)``."""
        layer, total = self.start(), 0
        for _ in range(self.n_layers):
            layer = spread(self.adjacency, layer)
            total = total + layer
        return total / self.n_layers

    def auxiliary(self, users: Tensor, items: Tensor) -> Tensor:
        """The weighted contrast of two noisy views, over a batch."""
        first = spread(self.adjacency, self.start())  # the noise of both views comes after it
        views = (self._view(first), self._view(first))
        sizes = {"n_users": len(self.user_table), "tau": self.temperature}
        return self.weight * contrast(*views, users, items, **sizes)

    def _view(self, first: Tensor) -> Tensor:
        layer = total = disturbed(first, self.eps)
        for _ in range(self.n_layers - 1):
            layer = disturbed(spread(self.adjacency, layer), self.eps)
            total = total + layer
        return total / self.n_layers

    def extra_repr(self) -> str:
        own = f"weight={self.weight}, eps={self.eps}, temperature={self.temperature}"
        return f"{super().extra_repr()}, {own}"


class XSimGCL(GraphModel):
    r"""SimGCL in a single pass: what is scored in training is noisy, and is its own other view.

    .. math:: E' = \frac1L \sum_{l=1}^{L} E'_l, \qquad
              E'_l = \hat A E'_{l-1} + \varepsilon \Delta_l, \quad E'_0 = E_0

    with the noise of :class:`SimGCL`. E′ is scored in training; without noise it is ranked. The
    auxiliary term of a batch contrasts E′ with a layer of the same pass,
    :math:`E'_{l^\ast}`, as SimGCL contrasts its two views.

    ``model(users, items)`` in training mode keeps the two views until ``model.auxiliary`` takes
    them, so a step spreads over the graph L times, like LightGCN.

    Args:
        train, dim, n_layers, weight, eps, temperature, score, rank_score, seed: as in
            :class:`SimGCL`.
        contrast_layer: layer l*, from 0 (the tables) to L.

    Raises:
        ValueError: no training pair, a size below 1, an unknown score, a layer that is not
            there, a negative ``weight`` or ``eps``, a ``temperature`` that is not positive and
            finite.
        RuntimeError: ``auxiliary`` without ``model(users, items)`` in training mode before it.

    Example:
        >>> import bslutils as bsl
        >>> data = bsl.load("synthetic")
        >>> model = XSimGCL(data.train, dim=8)
        >>> users, items = torch.tensor([0, 1]), torch.tensor([[2], [3]])
        >>> vectors = model(users, items)
        >>> model.auxiliary(users, items).shape
        torch.Size([])

    Source: Yu et al., *XSimGCL: Towards Extremely Simple Graph Contrastive Learning for
    Recommendation*, TKDE 2023; defaults of its public code for Yelp2018.
    """

    waits = False

    def __init__(
        self,
        train: csr_array,
        *,
        dim: int = 64,
        n_layers: int = 2,
        contrast_layer: int = 1,
        weight: float = 0.2,
        eps: float = 0.2,
        temperature: float = 0.15,
        score: str = "cosine",
        rank_score: str | None = None,
        seed: int = 0,
    ):
        check_sizes(n_layers=n_layers)
        whole("contrast_layer", contrast_layer, least=0)
        if contrast_layer > n_layers:
            raise ValueError(
                f"contrast_layer must lie in 0 to n_layers={n_layers}, got {contrast_layer}"
            )
        check_not_negative(weight=weight, eps=eps)
        check_positive(temperature=temperature)
        super().__init__(
            train,
            dim=dim,
            n_layers=n_layers,
            score=score,
            rank_score=rank_score,
            generator=generator_of(seed),
        )
        self.contrast_layer = contrast_layer
        self.weight, self.eps, self.temperature = weight, eps, temperature
        self._views = None

    def propagate(self, training: bool = False) -> Tensor:
        """Vectors of all users and all items, ``(n, d)``; in training noisy, and kept."""
        layers = [self.start()]
        for _ in range(self.n_layers):
            layer = spread(self.adjacency, layers[-1])
            layers.append(disturbed(layer, self.eps) if training else layer)
        final = sum(layers[1:]) / self.n_layers
        if training:
            self._views = (final, layers[self.contrast_layer])
        return final

    def auxiliary(self, users: Tensor, items: Tensor) -> Tensor:
        """The weighted contrast, over a batch, of the two views that the last pass has left."""
        views, self._views = self._views, None
        if views is None:
            raise RuntimeError("call model(users, items) in training mode before auxiliary")
        sizes = {"n_users": len(self.user_table), "tau": self.temperature}
        return self.weight * contrast(*views, users, items, **sizes)

    def extra_repr(self) -> str:
        own = f"weight={self.weight}, eps={self.eps}, temperature={self.temperature}"
        return f"{super().extra_repr()}, contrast_layer={self.contrast_layer}, {own}"
