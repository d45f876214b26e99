"""The logQ correction of in-batch negatives, with the positive left alone."""

import math

import torch
from scipy.sparse import csr_array
from torch import Tensor

from .checks import check_positive


class LogQ:
    r"""What to take off the score of an item that a batch brings along as a negative.

    A batch is b of the n training pairs, an epoch being a random order of all; item j has n_j of
    them. A row meets item j, not its own, as a negative

    .. math:: c_j = (b - 1) \frac{n_j}{n - 1}

    times on average. With :math:`\tau \log c_j` taken off the score, the sum of
    :math:`e^{f_j/\tau}` over the negatives of the row is on average that over all items but its
    own, each once. Its own item, which is always there, is not corrected.

    Args:
        train: training pairs, ``(n_users, n_items)``.
        device: where the batches live.

    Example:
        >>> import numpy as np
        >>> log_q = LogQ(csr_array(np.array([[1, 1], [1, 0]])))
        >>> log_q.taken_off(torch.tensor([0, 1]), 3, tau=1.0).exp()  # the whole data: every pair
        tensor([2., 1.])

    Source: Yi et al., *Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
    Recommendations*, RecSys 2019; that the positive is present with probability one, and must not
    be corrected, Khrylchenko et al., *Correcting the LogQ Correction*, RecSys 2025. Derived in
    the chapter *How many negatives, and how drawn*.
    """

    def __init__(self, train: csr_array, device: torch.device | str = "cpu"):
        degree = torch.bincount(torch.tensor(train.indices).long(), minlength=train.shape[1])
        self.log_share = (degree / max(train.nnz - 1, 1)).log().to(device)  # (n_items,)

    def taken_off(
        self, items: Tensor, rows: int, *, tau: float | Tensor, live: Tensor | None = None
    ) -> Tensor:
        """In score units, for the items ``(N,)`` of a batch of so many rows.

        With ``live``, the mask of the negatives ``(B, N)``, for a loss that takes a mean over them:
        the mean is then on average the sum over all items, divided by their number.

        Raises:
            ValueError: a temperature that is not a positive finite number.
        """
        if not isinstance(tau, Tensor):  # one that is learned is looked at by the loss
            check_positive(tau=tau)
        log_count = self.log_share[items] + math.log(max(rows - 1, 1))  # (N,)
        if live is not None:
            met = live.sum(1, keepdim=True).clamp(min=1)  # (B, 1)
            log_count = log_count + (len(self.log_share) / met).log()
        return tau * log_count
