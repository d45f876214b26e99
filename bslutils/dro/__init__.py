"""Distributionally robust optimisation over scores, and what it says of softmax loss.

NumPy and SciPy only. ``scores`` are ``(n,)``, or ``(…, n)`` where a row is a user; ``weights`` is
the reference distribution ``P``, uniform by default, zero for an item that takes no part.

Example:
    >>> scores = [0.1, 0.3, 0.2, 0.9]
    >>> round(radius_of_tau(scores, tau=0.2), 4)  # how far the adversary may go at this price
    0.9936
    >>> round(robust_value(scores, radius=0.9936), 4), round(robust_value(scores, tau=0.2), 4)
    (0.8402, 0.6415)
"""

from .balls import BALLS, divergence, robust_value, worst_case_weights
from .calibration import covering_radius, covers
from .joint import joint_radius_of_tau, joint_robust_value, joint_tau_of_radius
from .kl import largest_radius, radius_of_tau, slack_of_tau, small_radius_tau, tau_of_radius
from .variance import (
    COEFFICIENTS,
    Expansion,
    Moments,
    expansion,
    hoeffding_bound,
    penalised_variance,
    sampling_bias,
    tilt_of_identity,
    tilted_moments,
    variance_coefficient,
)

__all__ = [
    "BALLS",
    "COEFFICIENTS",
    "Expansion",
    "Moments",
    "covering_radius",
    "covers",
    "divergence",
    "expansion",
    "hoeffding_bound",
    "joint_radius_of_tau",
    "joint_robust_value",
    "joint_tau_of_radius",
    "largest_radius",
    "penalised_variance",
    "radius_of_tau",
    "robust_value",
    "sampling_bias",
    "slack_of_tau",
    "small_radius_tau",
    "tau_of_radius",
    "tilt_of_identity",
    "tilted_moments",
    "variance_coefficient",
    "worst_case_weights",
]
