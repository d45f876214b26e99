"""Robust values: closed forms, an independent convex solver, properties, limits, bad input."""

import math
import warnings

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import rel_entr

import bslutils as bsl
from bslutils import dro

FAMILY = [("kl", None), ("chi2", None), ("cvar", None), ("tv", None), ("renyi", 0.5), ("renyi", 3)]
TAUS = np.geomspace(1e-3, 1e3, 25)


@pytest.fixture(scope="module")
def trained(movielens):
    """Scores of 40 real users of a trained model, and a uniform ``P`` over their negatives."""
    model = bsl.models.MatrixFactorization(movielens.n_users, movielens.n_items, dim=32)
    config = bsl.TrainConfig(epochs=4, lr=1e-2, n_negatives=256)
    bsl.fit(model, movielens, bsl.losses.SoftmaxLoss(tau=0.2), config)
    users, items = (table.detach().double().numpy() for table in model.embed())
    chosen = np.arange(0, movielens.n_users, movielens.n_users // 40)[:40]
    free = 1.0 - movielens.train[chosen].toarray()
    return users[chosen] @ items.T, free / free.sum(1, keepdims=True)


def problem(seed):
    """A random problem: from 2 to 500 scores; ties, point masses and zeros in turn."""
    rng = np.random.default_rng(seed)
    n = int(np.exp(rng.uniform(np.log(2), np.log(500.99))))
    f = rng.uniform(-1, 1, n) if seed % 2 else rng.normal(0, 0.3, n)
    p = rng.dirichlet(np.full(n, rng.choice([0.3, 1.0, 10.0])))
    if seed % 4 == 1:
        f = f.round(1)  # ties
    if seed % 5 == 2:
        p[rng.integers(n)] += 20  # nearly a point mass
    if seed % 5 == 3:
        p[rng.random(n) < 0.3] = 0
        p[rng.integers(n)] = 1.0
    p = np.where(p < 1e-8, 0, p)
    return f, p / p.sum(), float(np.exp(rng.uniform(np.log(0.02), np.log(5))))


def solve(objective, constraints):
    task = cp.Problem(cp.Maximize(objective), constraints)
    with warnings.catch_warnings():  # a gap between 1e-9 and 1e-8 is called inaccurate
        warnings.simplefilter("ignore", UserWarning)
        for settings in ({}, {"equilibrate_enable": False}, {"max_step_fraction": 0.9}):
            try:
                task.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, **settings)
                break
            except cp.SolverError:  # it got stuck: another path
                continue
    assert task.status in ("optimal", "optimal_inaccurate")
    return task.value


@pytest.mark.parametrize("seed", range(200))
def test_the_penalty_agrees_with_a_convex_solver(seed):
    f, p, tau = problem(seed)
    g, w = f[p > 0], p[p > 0]
    q = cp.Variable(len(g), nonneg=True)
    # In units of tau, so that the solver's tolerance is that of the exponential cone.
    got = tau * solve((g / tau) @ q - cp.sum(cp.rel_entr(q, w)), [cp.sum(q) == 1])
    assert dro.robust_value(f, tau=tau, weights=p) == pytest.approx(got, abs=1e-6)


@pytest.mark.parametrize(("name", "order"), FAMILY)
@pytest.mark.parametrize("seed", range(24))
def test_the_ball_agrees_with_a_convex_solver(seed, name, order):
    f, p, _ = problem(seed)
    p = np.where(p < 1e-3, 0, p)  # the solver is in trouble where P spans many orders
    g, w = f[p > 0], p[p > 0] / p.sum()
    share = np.random.default_rng(seed).choice([0.01, 0.1, 0.4])
    radius = share * dro.BALLS[name].largest(w[g == g.max()].sum())
    if name == "chi2":  # nearly all of that range is one distribution
        radius = math.expm1(share * math.log1p(radius / share))
    h = cp.Variable(len(g), nonneg=True)  # Q/P
    ball = {
        "kl": lambda: cp.sum(cp.rel_entr(cp.multiply(w, h), w)) <= radius,
        "chi2": lambda: cp.norm2(cp.multiply(np.sqrt(w), h - 1)) <= math.sqrt(radius),
        "cvar": lambda: h <= math.exp(radius),
        "tv": lambda: w @ cp.abs(h - 1) <= 2 * radius,
        "renyi": lambda: (
            cp.pnorm(cp.multiply(w ** (1 / order), h), order)
            <= math.exp(radius * (order - 1) / order)
            if order > 1
            else w @ cp.power(h, order) >= math.exp(-(1 - order) * radius)
        ),
    }[name]()
    got = solve((w * g) @ h, [w @ h == 1, ball])
    ask = {"radius": radius, "weights": w, "divergence": name, "order": order}
    assert dro.robust_value(g, **ask) == pytest.approx(got, abs=1e-6)
    worst = dro.worst_case_weights(g, **ask)
    spent = dro.divergence(worst, w, divergence=name, order=order)
    assert spent <= radius * (1 + 1e-8) + 1e-12
    if np.ptp(g) > 0 and name not in ("tv", "cvar"):
        assert spent == pytest.approx(radius, rel=1e-7)  # a smooth ball is used up


@pytest.mark.parametrize("order", [1.01, 5, 10, 20, 50, 300, 1e4])
@pytest.mark.parametrize("seed", range(12))
def test_renyi_agrees_with_its_dual(seed, order):
    """At high orders the weight of the score next to the threshold rises steeply with it."""
    f, p, _ = problem(seed)
    largest = -math.log(p[f == f[p > 0].max()].sum())
    conjugate = order / (order - 1)
    for share in (0.02, 0.2, 0.7):
        radius = share * largest

        def dual(level, radius=radius):
            above = np.maximum(f - level, 0)
            top = above.max() or 1.0  # powers of numbers of at most 1
            mean = p @ (above / top) ** conjugate
            return level + math.exp(radius / conjugate) * top * mean ** (1 / conjugate)

        low, high = f.max() - 10 * np.ptp(f) * order / (order - 1), f[p > 0].max()
        for _ in range(200):  # it is convex
            a, b = low + (high - low) / 3, high - (high - low) / 3
            low, high = (low, b) if dual(a) < dual(b) else (a, high)
        ask = {"radius": radius, "weights": p, "divergence": "renyi", "order": order}
        assert dro.robust_value(f, **ask) == pytest.approx(dual(low), abs=1e-9)
        spent = dro.divergence(dro.worst_case_weights(f, **ask), p, divergence="renyi", order=order)
        assert spent == pytest.approx(radius, rel=1e-7)


def test_chi2_a_rounding_below_the_largest_radius():
    for n in range(2, 400):
        q = dro.worst_case_weights(
            np.arange(n) / n, radius=np.nextafter(n - 1, 0), divergence="chi2"
        )
        assert q[-1] == pytest.approx(1, abs=1e-6), n


@pytest.mark.parametrize(("name", "order"), FAMILY)
def test_balls_on_real_scores(trained, name, order):
    every = 5 if name == "chi2" else 1  # whose search goes through the scores one by one
    for f, p in zip(*(x[::every] for x in trained), strict=True):
        values = []
        largest = dro.BALLS[name].largest(p[np.argmax(np.where(p > 0, f, -9))])
        for radius in np.array([0, 1e-4, 1e-2, 0.1, 0.5, 1, 2]) * largest:
            q = dro.worst_case_weights(f, radius=radius, weights=p, divergence=name, order=order)
            assert (q >= 0).all() and q.sum() == pytest.approx(1) and (q[p == 0] == 0).all()
            values.append(
                dro.robust_value(f, radius=radius, weights=p, divergence=name, order=order)
            )
            assert values[-1] == pytest.approx(q @ f, abs=1e-12)
        assert (np.diff(values) >= -1e-12).all()
        assert values[0] == pytest.approx(p @ f) and values[-1] == f[p > 0].max()


scores = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=1, max_size=30)
taus = st.floats(0.02, 5)


@settings(deadline=None, max_examples=200)
@given(scores, taus, st.floats(-3, 3))
def test_penalty_properties(f, tau, shift):
    f = np.array(f)
    value = dro.robust_value(f, tau=tau)
    assert f.mean() - 1e-12 <= value <= f.max() + 1e-12
    assert dro.robust_value(f, tau=1.1 * tau) <= value + 1e-12
    assert dro.robust_value(f + shift, tau=tau) == pytest.approx(value + shift, abs=1e-12)
    assert dro.robust_value(f * 2, tau=2 * tau) == pytest.approx(2 * value, abs=1e-12)
    q = dro.worst_case_weights(f, tau=tau)
    assert q.sum() == pytest.approx(1) and (q >= 0).all()
    assert (np.diff(q[np.argsort(f)]) >= -1e-15).all()  # a higher score never weighs less
    assert q @ f - tau * rel_entr(q, 1 / len(f)).sum() == pytest.approx(value, abs=1e-10)
    assert dro.radius_of_tau(f, tau=tau) == pytest.approx(rel_entr(q, 1 / len(f)).sum(), abs=1e-12)


@settings(deadline=None, max_examples=100)
@given(scores, st.floats(1e-6, 3), st.floats(1e-6, 3), st.sampled_from(FAMILY))
def test_ball_properties(f, one, two, which):
    name, order = which
    f = np.array(f)
    ask = {"divergence": name, "order": order}
    value = lambda r: dro.robust_value(f, radius=r, **ask)  # noqa: E731
    low, high = sorted((one, two))
    assert f.mean() - 1e-9 <= value(low) <= value(high) + 1e-9 <= f.max() + 1e-8
    if name in ("kl", "tv"):  # a joint convex divergence itself: concave in the radius
        assert value((low + high) / 2) >= (value(low) + value(high)) / 2 - 1e-9
    assert dro.robust_value(f + 0.7, radius=one, **ask) == pytest.approx(value(one) + 0.7)
    q = dro.worst_case_weights(f, radius=one, **ask)
    assert q.sum() == pytest.approx(1) and (q >= 0).all()


@settings(deadline=None, max_examples=100)
@given(scores, scores, taus, st.floats(0, 1))
def test_the_value_is_convex_in_the_scores(f, g, tau, t):
    n = min(len(f), len(g))
    f, g = np.array(f[:n]), np.array(g[:n])
    mixed = dro.robust_value(t * f + (1 - t) * g, tau=tau)
    apart = t * dro.robust_value(f, tau=tau) + (1 - t) * dro.robust_value(g, tau=tau)
    assert mixed <= apart + 1e-12


def test_closed_forms():
    two = np.array([0.0, 1.0])
    for tau in (0.02, 0.3, 7.0):
        q = 1 / (1 + math.exp(-1 / tau))
        assert dro.worst_case_weights(two, tau=tau)[1] == pytest.approx(q, rel=1e-14)
        assert dro.robust_value(two, tau=tau) == pytest.approx(
            tau * math.log((1 + math.exp(1 / tau)) / 2)
        )
        eta = math.log(2) + q * math.log(q) + (1 - q) * math.log(1 - q) if q < 1 else math.log(2)
        assert dro.radius_of_tau(two, tau=tau) == pytest.approx(eta, rel=1e-9)
    # chi2 on two points: mean plus radius times standard deviation, until a weight is zero
    assert dro.robust_value(two, radius=0.04, divergence="chi2") == pytest.approx(0.6)
    ask = {"radius": math.log(4), "divergence": "cvar"}
    assert dro.robust_value([4.0, 1, 2, 3, 0, 0, 0, 0], **ask) == pytest.approx(3.5)
    assert dro.robust_value([4.0, 0, 0, 0], radius=0.5, divergence="tv") == pytest.approx(3.0)


def test_limits_and_degenerate_ends():
    f, p = [0.3, -0.2, 0.9, 0.9], [0.25, 0.25, 0.0, 0.5]
    assert dro.robust_value(f, tau=0, weights=p) == 0.9
    assert dro.robust_value(f, tau=math.inf, weights=p) == pytest.approx(0.475)
    assert dro.robust_value(f, tau=1e-12, weights=p) == pytest.approx(0.9, abs=1e-11)
    assert dro.robust_value([1e6, 0.0], tau=1e-3) == pytest.approx(1e6)
    assert dro.largest_radius(f, weights=p) == pytest.approx(math.log(2))
    assert dro.tau_of_radius(f, radius=0.7, weights=p) == 0.0
    assert dro.tau_of_radius(f, radius=math.inf, weights=p) == 0.0
    assert dro.tau_of_radius(f, radius=0, weights=p) == math.inf
    assert dro.tau_of_radius(f, slack=0, weights=p) == 0.0
    assert dro.tau_of_radius(f, slack=5, weights=p) == math.inf
    assert dro.robust_value(f, radius=0.7, weights=p) == 0.9
    equal = [0.4] * 3
    assert dro.tau_of_radius(equal, radius=0.1) == 0.0
    assert dro.tau_of_radius(equal, radius=0) == math.inf
    assert dro.radius_of_tau(equal, tau=0.1) == 0.0
    assert dro.slack_of_tau(f, tau=math.inf, weights=p) == pytest.approx(math.log(2))
    assert dro.slack_of_tau(f, tau=0, weights=p) == 0
    assert dro.robust_value([0.4], radius=1) == dro.robust_value([0.4], tau=1) == 0.4
    for name, order in FAMILY:
        assert dro.divergence([1, 0], [0.5, 0.5], divergence=name, order=order) > 0
        expected = math.inf
        assert dro.divergence([0.5, 0.5], [1, 0], divergence=name, order=order) == expected


def test_the_family_meets_in_its_limits(trained):
    f, p = trained[0][3], trained[1][3]
    value = lambda **ask: dro.robust_value(f, radius=0.5, weights=p, **ask)  # noqa: E731
    near = [value(divergence="renyi", order=order) for order in (0.9999, 1.0001)]
    assert near == pytest.approx([value()] * 2, rel=1e-3)
    assert value(divergence="renyi", order=200) == pytest.approx(value(divergence="cvar"), rel=5e-3)
    chi2 = dro.robust_value(f, radius=math.expm1(0.5), weights=p, divergence="chi2")
    assert value(divergence="renyi", order=2) == pytest.approx(chi2, rel=1e-9)
    # A larger order is a larger divergence, hence a smaller ball.
    orders = [0.2, 0.5, 0.9, 1.5, 2, 5, 50]
    values = [value(divergence="renyi", order=order) for order in orders]
    assert (np.diff(values) < 0).all() and values[2] > value() > values[3]


def test_tau_and_radius_are_inverse(trained):
    """To 1e-8 over six orders of magnitude: by the radius where it determines tau, by its slack
    where a float has no room for the difference."""
    cases = [(f, p) for f, p in zip(*trained, strict=True)][::4]
    cases += [problem(seed)[:2] for seed in range(20)]
    by_slack = 0
    for f, p in cases:
        for tau in TAUS:
            radius = dro.radius_of_tau(f, tau=tau, weights=p)
            largest = dro.largest_radius(f, weights=p)
            slack = dro.slack_of_tau(f, tau=tau, weights=p)
            assert radius + slack == pytest.approx(largest, rel=1e-12, abs=1e-15)
            if slack == 0:  # exp(-gap/tau) underflows: the documented limit
                assert dro.tau_of_radius(f, radius=radius, weights=p) == 0
            elif slack > 1e-3 * largest:
                back = dro.tau_of_radius(f, radius=radius, weights=p)
                assert back == pytest.approx(tau, rel=1e-8), (slack, largest)
            else:
                by_slack += 1
                back = dro.tau_of_radius(f, slack=slack, weights=p)
                assert back == pytest.approx(tau, rel=1e-8)
    assert by_slack > 5


def test_the_dual_of_the_radius_is_minimal_at_its_tau(trained):
    for f, p in zip(*trained, strict=True):
        for radius in (1e-3, 0.1, 1.0, 3.0):
            tau = dro.tau_of_radius(f, radius=radius, weights=p)
            dual = lambda t, f=f, p=p, r=radius: t * r + dro.robust_value(f, tau=t, weights=p)  # noqa: E731
            value = dro.robust_value(f, radius=radius, weights=p)
            assert dual(tau) == pytest.approx(value, abs=1e-10)
            assert min(dual(0.9 * tau), dual(1.1 * tau)) >= value


def test_the_small_radius_law_and_its_error(trained):
    ratios = []
    for f, p in zip(*trained, strict=True):
        mean = p @ f
        skew = p @ (f - mean) ** 3 / (3 * (p @ (f - mean) ** 2))
        first, second = [], []
        for radius in (1e-5, 1e-6):
            tau = dro.tau_of_radius(f, radius=radius, weights=p)
            first.append(tau - dro.small_radius_tau(f, radius=radius, weights=p))
            second.append(tau - dro.small_radius_tau(f, radius=radius, order=2, weights=p))
        assert first[1] == pytest.approx(skew, abs=0.01 * abs(skew) + 1e-3)
        ratios.append(second[0] / second[1])
    assert np.median(ratios) == pytest.approx(math.sqrt(10), rel=0.02)


def test_batches_of_rows(trained):
    f, p = trained
    for tau in (0, 0.05, 0.3, 20.0, math.inf):
        for function in (dro.robust_value, dro.worst_case_weights, dro.radius_of_tau):
            rows = function(f, tau=tau, weights=p)
            one_by_one = [function(row, tau=tau, weights=w) for row, w in zip(f, p, strict=True)]
            np.testing.assert_allclose(rows, one_by_one, rtol=1e-12)
    shared = np.full(f.shape[1], 1 / f.shape[1])
    np.testing.assert_array_equal(
        dro.robust_value(f, tau=0.1), dro.robust_value(f, tau=0.1, weights=shared)
    )


# Variance ----------------------------------------------------------------------------------------


def test_the_variance_identity(trained):
    x, w = np.polynomial.legendre.leggauss(60)
    x, w = (x + 1) / 2, w / 2
    for f, p in zip(*trained, strict=True):
        for tau in (0.05, 0.2, 1.0):
            variances = [dro.tilted_moments(f, tau=tau / s, weights=p).variance for s in x]
            average = 2 * np.sum(w * (1 - x) * variances)
            v = dro.penalised_variance(f, tau=tau, weights=p)
            assert v == pytest.approx(average, rel=1e-9)
            value = dro.robust_value(f, tau=tau, weights=p)
            assert p @ f + v / (2 * tau) == pytest.approx(value, abs=1e-12)
            xi = dro.tilt_of_identity(f, tau=tau, weights=p)
            assert 0 < xi < 1 / tau
            at = dro.tilted_moments(f, tau=1 / xi, weights=p).variance
            assert at == pytest.approx(v, rel=1e-8)


def test_tilts_are_derivatives(trained):
    f, p = trained[0][5], trained[1][5]
    k = lambda s: dro.robust_value(f, tau=1 / s, weights=p) * s  # noqa: E731
    s, h = 4.0, 1e-3
    mean, variance, third = dro.tilted_moments(f, tau=1 / s, weights=p)
    assert (k(s + h) - k(s - h)) / (2 * h) == pytest.approx(mean, rel=1e-6)
    assert (k(s + h) - 2 * k(s) + k(s - h)) / h**2 == pytest.approx(variance, rel=1e-5)
    second = [(k(x + h) - 2 * k(x) + k(x - h)) / h**2 for x in (s - 0.1, s + 0.1)]
    assert (second[1] - second[0]) / 0.2 == pytest.approx(third, rel=1e-2)
    assert dro.tilted_moments(f, tau=0, weights=p).variance == pytest.approx(0)


@settings(deadline=None, max_examples=300)
@given(scores, st.floats(0.02, 50), st.sampled_from([1, 2, 3]))
def test_the_remainder_keeps_its_bound(f, tau, order):
    value, bound = dro.expansion(f, tau=tau, order=order)
    exact = dro.robust_value(f, tau=tau)
    assert abs(exact - value) <= bound * (1 + 1e-9) + 1e-13
    assert exact <= dro.hoeffding_bound(f, tau=tau) + 1e-13


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_order_of_the_remainder(trained, order):
    f, p = trained
    gaps = [
        np.abs(
            dro.expansion(f - f.mean(1, keepdims=True), tau=tau, order=order, weights=p).value
            - dro.robust_value(f - f.mean(1, keepdims=True), tau=tau, weights=p)
        )
        for tau in (10.0, 20.0)
    ]
    assert np.median(gaps[0] / gaps[1]) == pytest.approx(2**order, rel=0.05)


def test_the_bounds_are_attained():
    """Two points attain Hoeffding's constant and that of the third-order remainder."""
    for tau in (20.0, 50.0):
        exact = dro.robust_value([0.0, 1.0], tau=tau)
        first, second, third = (dro.expansion([0.0, 1.0], tau=tau, order=k) for k in (1, 2, 3))
        assert (exact - first.value) / first.bound == pytest.approx(1, rel=1e-3)
        assert abs(exact - third.value) / third.bound == pytest.approx(1, rel=1e-2)
        assert abs(exact - second.value) < second.bound


def test_sampling_bias_against_enumeration():
    """Two scores: the expectation over samples is a binomial sum."""
    f, tau = np.array([0.0, 0.7]), 0.2
    exact = dro.robust_value(f, tau=tau)
    gaps = []
    for n in (400, 800):
        k = np.arange(n + 1)
        logs = np.array(
            [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in k]
        )
        weight = np.exp(logs - n * math.log(2))
        values = tau * np.log((k * np.exp(f[1] / tau) + (n - k) * np.exp(f[0] / tau)) / n)
        bias = weight @ values - exact
        predicted = dro.sampling_bias(f, tau=tau, n_negatives=n)
        assert predicted < 0 and bias == pytest.approx(predicted, rel=5 / n)
        gaps.append(bias - predicted)
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.05)  # what is left is of order 1/N²
    q = dro.worst_case_weights(f, tau=tau)
    chi2 = dro.divergence(q, [0.5, 0.5], divergence="chi2")
    assert dro.sampling_bias(f, tau=tau, n_negatives=7) == pytest.approx(-tau * chi2 / 14)


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "ask", "message"),
    [
        ([], {"tau": 1}, r"scores must be \(n,\).*got \(0,\)"),
        (3.0, {"tau": 1}, r"scores must be \(n,\)"),
        ([1, math.nan], {"tau": 1}, "scores must be finite, got nan"),
        ([1, math.inf], {"tau": 1}, "scores must be finite, got inf"),
        ([1, 2], {"tau": 1, "weights": [0.5, 0.4]}, "weights must sum to 1 .* got 0.9"),
        ([1, 2], {"tau": 1, "weights": [1.5, -0.5]}, "weights must be at least 0, got -0.5"),
        ([1, 2], {"tau": 1, "weights": [math.nan, 1]}, "weights must be at least 0, got nan"),
        ([1, 2], {"tau": 1, "weights": [1]}, r"weights must be \(2,\)"),
        ([1, 2], {"tau": -0.1}, "tau must be at least 0, got -0.1"),
        ([1, 2], {"tau": math.nan}, "tau must be at least 0, got nan"),
        ([1, 2], {"tau": "warm"}, "tau must be a number at least 0, got 'warm'"),
        ([1, 2], {"radius": -1}, "radius must be at least 0, got -1"),
        ([[1, 2]], {"radius": 1}, "one row at a time"),
        ([1, 2], {}, "either tau or radius"),
        ([1, 2], {"tau": 1, "radius": 1}, "either tau or radius"),
        ([1, 2], {"radius": 1, "divergence": "js"}, "one of kl, chi2, renyi, cvar, tv, got 'js'"),
        ([1, 2], {"tau": 1, "divergence": "chi2"}, "tau is the price of divergence='kl'"),
        ([1, 2], {"radius": 1, "divergence": "renyi"}, "order belongs to divergence='renyi'"),
        ([1, 2], {"radius": 1, "order": 2}, "order belongs to divergence='renyi'"),
        ([1, 2], {"radius": 1, "divergence": "renyi", "order": 1}, "that is 'kl'"),
        ([1, 2], {"radius": 1, "divergence": "renyi", "order": -2}, "order must be greater than 0"),
    ],
)
@pytest.mark.parametrize("function", [dro.robust_value, dro.worst_case_weights])
def test_bad_questions(function, f, ask, message):
    with pytest.raises(ValueError, match=message):
        function(f, **ask)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dro.radius_of_tau([1, 2], tau=-1), "tau must be at least 0"),
        (lambda: dro.slack_of_tau([1, 2], tau=-1), "tau must be at least 0"),
        (lambda: dro.tau_of_radius([1, 2]), "either radius or slack"),
        (lambda: dro.tau_of_radius([1, 2], radius=1, slack=1), "either radius or slack"),
        (lambda: dro.tau_of_radius([1, 2], slack=-1), "slack must be at least 0"),
        (lambda: dro.tau_of_radius([[1, 2]], radius=1), "one row at a time"),
        (lambda: dro.small_radius_tau([1, 2], radius=0), "radius must be greater than 0"),
        (lambda: dro.small_radius_tau([1, 2], radius=1, order=3), "order must be 1 or 2"),
        (lambda: dro.expansion([1, 2], tau=0), "tau must be greater than 0"),
        (lambda: dro.expansion([1, 2], tau=math.inf), "tau must be finite here"),
        (lambda: dro.expansion([1, 2], tau=1, order=4), "order must be 1, 2 or 3"),
        (lambda: dro.sampling_bias([1, 2], tau=1, n_negatives=0), "n_negatives must be an integer"),
        (lambda: dro.sampling_bias([1, 2], tau=1, n_negatives=2.5), "n_negatives must be an int"),
        (lambda: dro.variance_coefficient("hinge"), "unknown loss 'hinge'; choose one of mse"),
        (lambda: dro.variance_coefficient("mse", side="up"), "side must be 'neg' or 'pos'"),
        (lambda: dro.variance_coefficient("mse", tau=1), "has no parameter 'tau'"),
        (lambda: dro.variance_coefficient("softmax"), "needs a value for tau"),
        (lambda: dro.variance_coefficient("softmax", tau=0), "tau must be greater than 0"),
        (lambda: dro.variance_coefficient("bce", tau=0, intercept=-1), "tau must be greater"),
        (lambda: dro.divergence([0.5, 0.6], [0.5, 0.5]), "weights must sum to 1"),
        (lambda: dro.divergence([0.5, 0.5], [0.5, 0.5], divergence="l2"), "divergence must be one"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("distance", [2.3e-16, 1e-12, 0.9e-8, 1.1e-8, 1e-7])
@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("radius", [0.1, 1.0])
def test_renyi_tends_to_kl_from_both_sides(distance, side, radius):
    f, uniform = np.linspace(-0.5, 0.6, 7) ** 3, np.full(7, 1 / 7)
    ball = {"divergence": "renyi", "order": 1 + side * distance}
    kl = dro.worst_case_weights(f, radius=radius)
    q = dro.worst_case_weights(f, radius=radius, **ball)
    np.testing.assert_allclose(q, kl, rtol=0, atol=1e-5)
    assert dro.divergence(kl, uniform, **ball) == pytest.approx(radius, abs=1e-6)
