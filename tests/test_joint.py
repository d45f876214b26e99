"""One ball around what all users are shown, and how large a ball covers a sample."""

import math

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from test_dro import solve

from bslutils import dro


def problem(seed):
    """Scores ``(U, n)`` of up to six users, ``P_u``, unequal weights of the users, a share."""
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(1, 7)), int(rng.integers(2, 13))
    f = rng.normal(0, 10 ** rng.uniform(-1.5, 0.5, (shape[0], 1)), shape)
    if seed % 3 == 1:
        f = f.round(1)  # ties, and now and then a user whose scores are all equal
    p = rng.dirichlet(np.full(shape[1], rng.choice([0.5, 1.0, 10.0])), shape[0])
    p = np.where(p < 1e-3, 0, p)
    a = rng.dirichlet(np.ones(shape[0]))
    return f, p / p.sum(1, keepdims=True), a, float(rng.choice([0.01, 0.1, 0.4, 0.8]))


@pytest.mark.parametrize("seed", range(150))
def test_the_joint_ball_agrees_with_a_convex_solver(seed):
    f, p, a, share = problem(seed)
    radius = share * dro.joint_radius_of_tau(f, tau=0, users=a, weights=p)
    rows, objective, spent, constraints = range(len(f)), 0, 0, []
    for u in rows:
        held = p[u] > 0
        q = cp.Variable(int(held.sum()), nonneg=True)
        objective += a[u] * (f[u][held] @ q)
        spent += a[u] * cp.sum(cp.rel_entr(q, p[u][held]))
        constraints.append(cp.sum(q) == 1)
    got = solve(objective, [*constraints, spent <= radius])
    value = dro.joint_robust_value(f, radius=radius, users=a, weights=p)
    assert value == pytest.approx(got, abs=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_the_temperature_is_where_the_dual_is_smallest(seed):
    f, p, a, share = problem(seed)
    largest = dro.joint_radius_of_tau(f, tau=0, users=a, weights=p)
    if largest < 1e-6:
        return  # every user's scores are equal: there is nothing to choose
    radius = share * largest

    def dual(x):
        tau = math.exp(x)
        value = [dro.robust_value(f[u], tau=tau, weights=p[u]) for u in range(len(f))]
        return tau * radius + a @ value

    tau = dro.joint_tau_of_radius(f, radius=radius, users=a, weights=p)
    found = minimize_scalar(dual, bracket=(math.log(tau) - 1, math.log(tau) + 1), tol=1e-12)
    assert dual(math.log(tau)) <= found.fun + 1e-12
    assert dro.joint_robust_value(f, radius=radius, users=a, weights=p) == pytest.approx(
        found.fun, abs=1e-10
    )
    spent = dro.joint_radius_of_tau(f, tau=tau, users=a, weights=p)
    assert spent == pytest.approx(radius, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_one_user_is_the_ball_of_one_distribution(seed):
    f, p, _, share = problem(seed)
    radius = share * dro.largest_radius(f[0], weights=p[0])
    for joint, one in (
        (dro.joint_robust_value, dro.robust_value),
        (dro.joint_tau_of_radius, dro.tau_of_radius),
    ):
        both = joint(f[:1], radius=radius, weights=p[0]), one(f[0], radius=radius, weights=p[0])
        assert both[0] == pytest.approx(both[1], rel=1e-9, abs=1e-12)


def test_a_joint_adversary_gains_more_than_one_with_the_same_radius_for_each():
    f, p, a, share = problem(3)
    radius = share * dro.joint_radius_of_tau(f, tau=0, users=a, weights=p)
    each = [dro.robust_value(f[u], radius=radius, weights=p[u]) for u in range(len(f))]
    assert dro.joint_robust_value(f, radius=radius, users=a, weights=p) > a @ each


def test_the_ends_of_the_joint_ball():
    f, p, a, _ = problem(3)
    largest = dro.joint_radius_of_tau(f, tau=0, users=a, weights=p)
    ask = {"users": a, "weights": p}
    assert dro.joint_radius_of_tau(f, tau=math.inf, **ask) == 0
    assert dro.joint_tau_of_radius(f, radius=0, **ask) == math.inf
    assert dro.joint_tau_of_radius(f, radius=largest, **ask) == 0
    assert dro.joint_robust_value(f, radius=0, **ask) == pytest.approx(a @ (p * f).sum(1))
    best = np.where(p > 0, f, -np.inf).max(1)
    for radius in (largest, 2 * largest, math.inf):
        assert dro.joint_robust_value(f, radius=radius, **ask) == pytest.approx(a @ best)
    flat = np.ones((2, 3))
    assert dro.joint_tau_of_radius(flat, radius=0.1) == 0
    assert dro.joint_robust_value(flat, radius=0.1) == 1
    for radius in (1e-9 * largest, (1 - 1e-9) * largest):
        tau = dro.joint_tau_of_radius(f, radius=radius, **ask)
        assert dro.joint_radius_of_tau(f, tau=tau, **ask) == pytest.approx(radius, rel=1e-6)


@pytest.mark.parametrize("n", [6, 20, 49])
@pytest.mark.parametrize("radius", [0.0, 1e-30, 1e-16, 0.1])
def test_equal_scores_have_nothing_to_choose(n, radius):
    """n weights of 1/n do not always add up to one."""
    flat = np.full((2, n), 0.1)
    assert dro.joint_radius_of_tau(flat, tau=0) == dro.largest_radius(flat[0]) == 0
    tau = math.inf if radius == 0 else 0
    assert dro.joint_tau_of_radius(flat, radius=radius) == tau
    assert dro.tau_of_radius(flat[0], radius=radius) == tau
    assert dro.joint_robust_value(flat, radius=radius) == pytest.approx(0.1, rel=1e-12)


def test_a_best_item_that_is_all_but_never_shown():
    """The search passes temperatures at which nothing at all is left of the slack."""
    f, p = [[0.0, 0.01, 0.03, 1.0]], [0.9, 0.1 - 2e-12, 1e-12, 1e-12]
    radius = 0.9 * dro.largest_radius(f[0], weights=p)
    for tau in (
        dro.joint_tau_of_radius(f, radius=radius, weights=p),
        dro.tau_of_radius(f[0], radius=radius, weights=p),
    ):
        spent = dro.joint_radius_of_tau(f, tau=tau, weights=p)
        assert spent == pytest.approx(radius, rel=1e-9)


@pytest.mark.parametrize(("n", "lacking"), [(32, 0.03), (128, 0.015), (512, 0.01)])
def test_the_calibrated_ball_covers_the_mean(n, lacking):
    """Of skewed scores, nearly as often as it says; a small sample lacks a little."""
    draws = np.random.default_rng(n).beta(2, 5, (10_000, n))
    blocks = np.split(draws, 100)  # that fit a cache
    share = np.mean([dro.covers(x, 2 / 7, radius=dro.covering_radius(n)) for x in blocks])
    error = 3 * math.sqrt(0.95 * 0.05 / len(draws))
    assert 0.95 - lacking - error < share < 0.95 + error


@pytest.mark.parametrize("n", [1, 2, 3, 8, 64])
@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        (lambda rng, shape: rng.beta(2, 5, shape), 2 / 7),
        (lambda rng, shape: rng.integers(0, 2, shape).astype(float), 0.5),
        (lambda rng, shape: 100 * rng.standard_t(3, shape), 0.0),
    ],
)
def test_what_is_covered_agrees_with_the_worst_case(n, draw, mean):
    draws, radius = draw(np.random.default_rng(n), (100, n)), dro.covering_radius(n)
    found = dro.covers(draws, mean, radius=radius)
    assert found.tolist() == [dro.robust_value(row, radius=radius) > mean for row in draws]
    assert dro.covers(draws[0], mean, radius=radius) is bool(found[0])
    assert not dro.covers(np.zeros(n), 0.0, radius=1.0)


@pytest.mark.filterwarnings("error")
def test_what_a_row_covers_does_not_depend_on_the_others():
    row = np.array([-1.0, 0.0, 0.0, 1.0])
    stack = np.outer([1e-12, 1e-6, 1.0, 1e6, 1e300], row)
    for mean, held in ((0.5, False), (0.2, True)):  # 0.1 of a radius reaches 0.3 of the row
        for unit in stack:
            assert dro.covers(unit, mean * unit[-1], radius=0.1) is held
    together = dro.covers(np.stack([row, 1e9 * (row - 0.5) + 0.5]), 0.5, radius=0.1)
    alone = [dro.covers(x, 0.5, radius=0.1) for x in (row, 1e9 * (row - 0.5) + 0.5)]
    assert together.tolist() == alone


def test_a_covering_ball_shrinks_with_the_sample_and_grows_with_the_level():
    assert dro.covering_radius(256) == pytest.approx(dro.covering_radius(128) / 2)
    assert dro.covering_radius(128, level=0.99) > dro.covering_radius(128)
    assert dro.covering_radius(1, level=0.975) == pytest.approx(1.959964**2 / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: dro.joint_robust_value([0.0, 1.0], radius=1), r"scores must be \(U, n\)"),
        (lambda: dro.joint_robust_value([[0.0, math.nan]], radius=1), "scores must be finite"),
        (lambda: dro.joint_robust_value([[]], radius=1), "scores must be"),
        (lambda: dro.joint_robust_value([[0.0, 1.0]], radius=-0.1), "radius must be at least 0"),
        (lambda: dro.joint_tau_of_radius([[0.0, 1.0]], radius="x"), "radius must be a number"),
        (lambda: dro.joint_radius_of_tau([[0.0, 1.0]], tau=-1), "tau must be at least 0"),
        (
            lambda: dro.joint_robust_value([[0.0, 1.0]] * 2, radius=1, users=[0.5, 0.6]),
            "users must sum to 1, got 1.1",
        ),
        (
            lambda: dro.joint_robust_value([[0.0, 1.0]] * 2, radius=1, users=[1.5, -0.5]),
            "users must be at least 0, got -0.5",
        ),
        (
            lambda: dro.joint_robust_value([[0.0, 1.0]] * 2, radius=1, users=[math.nan, 1]),
            "users must be at least 0, got nan",
        ),
        (
            lambda: dro.joint_robust_value([[0.0, 1.0]] * 2, radius=1, users=[1.0]),
            r"users must be \(2,\), one for each row, got \(1,\)",
        ),
        (
            lambda: dro.joint_robust_value([[0.0, 1.0]], radius=1, weights=[0.5, 0.6]),
            "weights must sum to 1",
        ),
        (lambda: dro.covers([], 0.0, radius=1), "scores must be"),
        (lambda: dro.covers([1.0], math.nan, radius=1), "mean must be finite, got nan"),
        (lambda: dro.covers([1.0], "x", radius=1), "mean must be finite, got 'x'"),
        (lambda: dro.covers([1.0], [0.0, 1.0], radius=1), "mean must be finite, got"),
        (lambda: dro.covers([1.0], 1j, radius=1), "mean must be finite, got 1j"),
        (lambda: dro.covering_radius(10, level="x"), "level must lie in .* got 'x'"),
        (lambda: dro.covers([1.0], 0.0, radius=-1), "radius must be at least 0"),
        (lambda: dro.covering_radius(0), "n must be an integer of at least 1"),
        (lambda: dro.covering_radius(10, level=1.0), r"level must lie in \(0.5, 1\), got 1.0"),
        (lambda: dro.covering_radius(10, level=0.5), r"level must lie in \(0.5, 1\), got 0.5"),
        (lambda: dro.covering_radius(10, level=math.nan), "level must lie"),
    ],
)
def test_bad_input_is_named(ask, said):
    with pytest.raises(ValueError, match=said):
        ask()
