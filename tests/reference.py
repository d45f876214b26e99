"""Slow references in float64: plain loops over numbers, one definition a function.

They share nothing with the package but the formulas.
"""

import math


def _softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def _log_sum_exp(values):
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def mse(pos, neg, *, neg_weight=1.0):
    return _mean((1 - f) ** 2 for f in pos) + neg_weight * _mean(f**2 for f in neg)


def bce(pos, neg, *, tau=1.0, neg_weight=1.0):
    attract = _mean(_softplus(-f / tau) for f in pos)
    return attract + neg_weight * _mean(_softplus(f / tau) for f in neg)


def bpr(pos, neg, *, tau=1.0):
    return _mean(_softplus((j - i) / tau) for i in pos for j in neg)


def ccl(pos, neg, *, margin=0.5, neg_weight=1.0):
    return _mean(1 - f for f in pos) + neg_weight * _mean(max(0.0, f - margin) for f in neg)


def softmax(pos, neg, *, tau, pos_in_denominator=False):
    def one(i):
        columns = [j / tau for j in neg] + ([i / tau] if pos_in_denominator else [])
        return _log_sum_exp(columns) - i / tau

    return _mean(one(i) for i in pos)


def softmax_risk(pos, neg, *, tau):
    return tau * (_log_sum_exp([j / tau for j in neg]) - math.log(len(neg))) - _mean(pos)


def bilateral_softmax(pos, neg, *, tau_pos, tau_neg):
    gain = tau_pos * (_log_sum_exp([i / tau_pos for i in pos]) - math.log(len(pos)))
    return tau_neg * (_log_sum_exp([j / tau_neg for j in neg]) - math.log(len(neg))) - gain


def reweighted_softmax(pos, neg, *, tau, neg_weight):
    return neg_weight * _log_sum_exp([j / tau for j in neg]) - _mean(i / tau for i in pos)


def pessimistic_bilateral_softmax(pos, neg, *, tau_pos, tau_neg):
    return bilateral_softmax([0.0], neg, tau_pos=1.0, tau_neg=tau_neg) + tau_pos * (
        _log_sum_exp([-i / tau_pos for i in pos]) - math.log(len(pos))
    )


def pooled_softmax(pos, neg, *, tau, neg_weight):
    gain = math.log(_mean(math.exp(i / tau) for i in pos))
    return neg_weight * math.log(_mean(math.exp(j / tau) for j in neg)) - gain


def rescaled_softmax(pos, neg, *, tau_pos, tau_neg):
    risk = tau_neg / tau_pos * _log_sum_exp([j / tau_neg for j in neg])
    return risk - _mean(i / tau_pos for i in pos)


LOSSES = {
    "mse": mse,
    "bce": bce,
    "bpr": bpr,
    "ccl": ccl,
    "softmax": softmax,
    "softmax_risk": softmax_risk,
    "bilateral_softmax": bilateral_softmax,
    "pessimistic_bilateral_softmax": pessimistic_bilateral_softmax,
    "reweighted_softmax": reweighted_softmax,
    "pooled_softmax": pooled_softmax,
    "rescaled_softmax": rescaled_softmax,
}


def pessimistic_order(scores, relevant, masked):
    """Items of one user, best first; among equal scores the relevant ones last."""
    items = [i for i in range(len(scores)) if not masked[i]]
    return sorted(items, key=lambda i: (-scores[i], relevant[i], i))
