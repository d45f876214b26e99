"""The losses inside other people's training loops: what their batches look like, made ours.

Nothing of theirs is imported. Where a loop hands over scores of positives ``(B,)`` and of negatives
``(B, N)``, no adapter is needed: in WarpRec ``model.bpr_loss = SoftmaxLoss(tau=0.1)`` will do for a
model that scores several negatives of a row.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .checks import choice, shown, whole
from .losses import PooledSoftmaxLoss, RescaledSoftmaxLoss, ReweightedSoftmaxLoss
from .losses.base import Loss
from .scoring import SCORES, ready, shared_scores

PUBLIC = ("bsl-reweight", "bsl-multi", "ir-benchmark")


class RepeatedBatch(nn.Module):
    """A loss for a batch that comes once for every negative, as in RecBole.

    RecBole draws N negatives for each of B pairs and repeats the whole batch N times, so that its
    losses read N·B scores of positives and as many of negatives: place ``kB + b`` is pair b with
    its k-th negative. Here they are the ``(B,)`` and ``(B, N)`` that a loss wants.

    Args:
        loss: of scores, from :mod:`bslutils.losses` or one alike.
        n_negatives: N, RecBole's ``train_neg_sample_args: {sample_num: N}``.

    Raises:
        ValueError: no module, ``n_negatives`` below 1; when called, scores of another shape, or
            positives that are not the same in all N copies, as where N is not the loader's.

    Example:
        >>> from bslutils.losses import SoftmaxLoss
        >>> loss = RepeatedBatch(SoftmaxLoss(tau=0.1), n_negatives=3)
        >>> loss(torch.tensor([1.0, 0.5] * 3), torch.zeros(6))  # 2 pairs, 3 negatives each
        tensor(-6.4014)

        For a model of RecBole: ``model.loss = RepeatedBatch(…)`` (BPR), ``model.mf_loss = …``
        (LightGCN).

    Source: the layout is that of RecBole 1.2 (Zhao et al., *RecBole: Towards a Unified,
    Comprehensive and Efficient Framework for Recommendation Algorithms*, CIKM 2021).
    """

    def __init__(self, loss: nn.Module, n_negatives: int) -> None:
        super().__init__()
        self.loss = _module(loss)
        self.n_negatives = whole("n_negatives", n_negatives)

    def forward(self, pos: Tensor, neg: Tensor) -> Tensor:
        """The loss of ``pos (N·B,)`` and ``neg (N·B,)``."""
        n = self.n_negatives
        if pos.ndim != 1 or pos.shape != neg.shape or not len(pos) or len(pos) % n:
            raise ValueError(
                f"pos and neg must both be ({n}·B,) for n_negatives={n}, "
                f"got {tuple(pos.shape)} and {tuple(neg.shape)}"
            )
        copies = pos.view(n, -1)  # (N, B)
        if not torch.allclose(copies, copies[:1].expand_as(copies), rtol=1e-3, atol=1e-5):
            raise ValueError(
                f"the positives of the {n} copies of a batch differ: n_negatives must be what the "
                "loader draws, and the model must not drop out at random between the copies"
            )
        return self.loss(copies.mean(0), neg.view(n, -1).T)

    def extra_repr(self) -> str:
        return f"n_negatives={self.n_negatives}"


class SentenceLoss(nn.Module):
    """A loss for sentence-transformers: in-batch negatives, and hard ones where the data has them.

    The first column of the data are anchors, the second their positives, further ones hard
    negatives. Every anchor has its own positive, and all other texts as negatives. With
    ``SoftmaxLoss(tau=1 / scale, pos_in_denominator=True)`` this is that library's
    ``MultipleNegativesRankingLoss``. A positive that stands in a batch twice is a false negative
    of the other anchor: let the sampler avoid that (``BatchSamplers.NO_DUPLICATES``).

    Args:
        model: a ``SentenceTransformer``, or a module from features to ``"sentence_embedding"``.
        loss: of scores, from :mod:`bslutils.losses` or one alike.
        score: ``"cosine"`` or ``"dot"``.

    Raises:
        ValueError: no module, an unknown score; when called, fewer than two columns, or columns of
            different lengths.

    Example:
        >>> from bslutils.losses import SoftmaxLoss
        >>> class Model(nn.Module):
        ...     def forward(self, features):
        ...         return {"sentence_embedding": features["x"]}
        >>> loss = SentenceLoss(Model(), SoftmaxLoss(tau=0.5))
        >>> loss([{"x": torch.eye(2)}, {"x": torch.eye(2)}])
        tensor(-2.)

    Source: Henderson et al., *Efficient Natural Language Response Suggestion for Smart Reply*,
    2017, for the in-batch loss.
    """

    def __init__(self, model: nn.Module, loss: nn.Module, *, score: str = "cosine") -> None:
        super().__init__()
        self.model, self.loss = _module(model, "model"), _module(loss)
        self.score = choice("score", score, SCORES)

    def forward(
        self, sentence_features: Iterable[Mapping[str, Any]], labels: Tensor | None = None
    ) -> Tensor:
        """The loss of a batch; there is nothing to read in ``labels``."""
        columns = [self.model(features)["sentence_embedding"] for features in sentence_features]
        shapes = [tuple(column.shape) for column in columns]
        if len(columns) < 2 or len(set(shapes)) > 1 or len(shapes[0]) != 2:
            raise ValueError(f"there must be two columns or more, all (B, d), got {shapes}")
        anchors = ready(columns[0], self.score)
        texts = ready(torch.cat(columns[1:]), self.score)
        scores = shared_scores(anchors, texts)  # (B, texts)
        own = torch.eye(*scores.shape, dtype=torch.bool, device=scores.device)
        return self.loss(scores.diagonal(), scores, neg_mask=~own)

    def get_config_dict(self) -> dict[str, Any]:
        """What the library writes on a model's card."""
        return {"loss": str(self.loss), "score": self.score}


def public_loss(code: str, t1: float, t2: float) -> Loss:
    r"""The loss that public code computes for its two parameters.

    * ``"bsl-reweight"``, ``"bsl-multi"``: the modes of the code of BSL's authors, which is also
      RePo's for the former, with its ``t1`` and ``t2``;
    * ``"ir-benchmark"``: the pair ``tau1``, ``tau2`` of IR-Benchmark and Talos.

    What these are is in the chapter *One name, several losses*; none is
    :class:`bslutils.losses.BilateralSoftmaxLoss`, which is the paper's.

    Args:
        code: whose.
        t1, t2: as they are called there.

    Raises:
        ValueError: an unknown code; parameters that are not positive and finite.

    Example:
        >>> public_loss("bsl-reweight", 0.11, 1.1)
        ReweightedSoftmaxLoss(tau=0.11, neg_weight=1.1, reduction='mean')

    Source: the authors' public code of Wu et al., *BSL: Understanding and Improving Softmax Loss
    for Recommendation*, ICDE 2024; the public code of Yang et al., *PSL: Rethinking and Improving
    Softmax Loss from Pairwise Perspective for Recommendation*, NeurIPS 2024.
    """
    choice("code", code, PUBLIC)
    if code == "ir-benchmark":
        return RescaledSoftmaxLoss(tau_pos=t1, tau_neg=t2)
    made = ReweightedSoftmaxLoss if code == "bsl-reweight" else PooledSoftmaxLoss
    return made(tau=t1, neg_weight=t2)


def _module(value: nn.Module, name: str = "loss") -> nn.Module:
    if not isinstance(value, nn.Module):
        raise ValueError(f"{name} must be a torch.nn.Module, got {shown(value)}")
    return value
