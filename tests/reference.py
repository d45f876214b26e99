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


def bce(pos, neg, *, tau=1.0, neg_weight=1.0, intercept=0.0):
    attract = _mean(_softplus(-(f / tau + intercept)) for f in pos)
    return attract + neg_weight * _mean(_softplus(f / tau + intercept) for f in neg)


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


def _psl(pos, neg, tau, surrogate):
    def one(i):
        return _log_sum_exp([2 / tau * math.log(max(surrogate((j - i) / 2), 1e-6)) for j in neg])

    return _mean(one(i) for i in pos)


def psl_tanh(pos, neg, *, tau):
    return _psl(pos, neg, tau, lambda x: 1 + math.tanh(x))


def psl_atan(pos, neg, *, tau):
    return _psl(pos, neg, tau, lambda x: 1 + math.atan(x))


def psl_relu(pos, neg, *, tau):
    return _psl(pos, neg, tau, lambda x: max(0.0, 1 + x))


def slatk(pos, neg, *, tau, tau_weight, n_items, k=20):
    # The highest score that at least a share k / n_items of the sample reaches, or the best.
    reached = [s for s in neg if sum(j >= s for j in neg) * n_items >= k * len(neg)]
    threshold = max(reached)

    def one(i):
        weight = 1 / (1 + math.exp((threshold - i) / tau_weight))
        return weight * softmax([i], neg, tau=tau)

    return _mean(one(i) for i in pos)


def _upper_share(scores, share):
    """Pairs of score and weight: fill up a mass of one from the top, 1 / (share n) a score."""
    left, pairs = 1.0, []
    for score in sorted(scores, reverse=True):
        weight = min(left, 1 / (share * len(scores)))
        pairs.append((score, weight))
        left -= weight
    return pairs


def llpauc(pos, neg, *, beta, alpha=1.0):
    return math.fsum(
        a * b * (1 - (i - j) / 2) ** 2
        for i, a in _upper_share(pos, alpha)
        for j, b in _upper_share(neg, beta)
    )


def cvar(pos, neg, *, level):
    return math.fsum(w * j for j, w in _upper_share(neg, level)) - _mean(pos)


def chi2(pos, neg, *, tau):
    """The dual, min over λ of λ - tau/2 + E(f - λ + tau)₊²/(2 tau), by halvings of its slope."""
    n, low, high = len(neg), min(neg) - 1 - tau * len(neg), max(neg) + tau
    for _ in range(200):
        middle = (low + high) / 2
        falls = _mean(max(0.0, j - middle + tau) for j in neg) > tau
        low, high = (middle, high) if falls else (low, middle)
    value = low - tau / 2 + math.fsum(max(0.0, j - low + tau) ** 2 for j in neg) / (2 * tau * n)
    return value - _mean(pos)


def _least(function, low, high):
    """The least value of a convex function, by golden sections."""
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(200):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if function(a) <= function(b) else (a, high)
    return function((low + high) / 2)


def _kl_ball(values, radius):
    """The dual, min over ν of ν radius + ν log E exp(values/ν), on a grid of log ν first."""

    def dual(x):
        nu = math.exp(x)
        return nu * (radius + _log_sum_exp([v / nu for v in values]) - math.log(len(values)))

    best = min((dual(x / 4), x / 4) for x in range(-100, 60))[1]
    return min(max(values), _least(dual, best - 0.5, best + 0.5))


def renyi(pos, neg, *, radius, order):
    if order == 1:
        return _kl_ball(neg, radius) - _mean(pos)
    power = order / (order - 1)
    top = max(neg)

    def dual(x):  # the threshold at a distance of exp(x) from the best score
        far = math.exp(x)
        norm = _mean(max(0.0, 1 - (top - j) / far) ** power for j in neg) ** (1 / power)
        return top + far * (math.exp(radius / power) * norm - 1)

    best = min((dual(x / 4), x / 4) for x in range(-100, 60))[1]
    return min(top, _least(dual, best - 0.5, best + 0.5)) - _mean(pos)


def advinfonce(pos, neg, *, tau, radius, neg_weight=1.0):
    worst = _kl_ball([math.exp(j / tau) for j in neg], radius)
    return _mean(math.log1p(neg_weight * len(neg) * worst * math.exp(-i / tau)) for i in pos)


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
    "psl_tanh": psl_tanh,
    "psl_atan": psl_atan,
    "psl_relu": psl_relu,
    "slatk": slatk,
    "llpauc": llpauc,
    "advinfonce": advinfonce,
    "chi2": chi2,
    "cvar": cvar,
    "renyi": renyi,
}


def pessimistic_order(scores, relevant, masked):
    """Items of one user, best first; among equal scores the relevant ones last."""
    items = [i for i in range(len(scores)) if not masked[i]]
    return sorted(items, key=lambda i: (-scores[i], relevant[i], i))
