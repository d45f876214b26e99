"""Losses by what they reach: leads, orders, and what cannot be told apart."""

import itertools

import pytest
from scipy import stats

from bslutils.experiments.ranking import (
    agreement,
    agreement_by_chance,
    best_first,
    better_of,
    lead,
    shortfall,
    standing,
)

VALUES = {"mse": 4.0, "softmax": 6.0, "bpr": 5.0, "bce": 5.0}


def test_a_lead_is_over_the_best_of_the_others_and_the_first_of_equals():
    assert lead(VALUES) == ("bpr", pytest.approx(0.2))
    assert lead(VALUES, of="bce") == ("softmax", pytest.approx(-1 / 6))
    assert lead({"softmax": 1.0, "bpr": 2.0, "mse": 0.5}) == ("bpr", -0.5)
    found = lead({"mse": 2.0, "softmax": 2.0})
    assert (found.over, found.by) == ("mse", 0)


@pytest.mark.parametrize("values", [{"softmax": 1.0}, {"bpr": 1.0, "mse": 2.0}, {}])
def test_there_is_no_lead_over_nobody(values):
    for read in (lead, shortfall, lambda values: standing(values, {})):
        with pytest.raises(ValueError, match="values must have 'softmax' and another loss, got"):
            read(values)


def test_of_two_bars_the_better_one_counts_for_each_loss():
    assert better_of({"bpr": 1, "mse": 5, "bce": 3}, {"mse": 4, "bpr": 2, "bce": 3}) == {
        "bpr": 2,
        "mse": 5,
        "bce": 3,
    }
    with pytest.raises(ValueError, match="these have one: bce, mse"):
        better_of({"bpr": 1, "mse": 5}, {"bpr": 1, "bce": 5})


def test_the_best_comes_first_and_equals_keep_their_order():
    assert best_first(VALUES) == ["softmax", "bpr", "bce", "mse"]
    assert best_first({"bce": 5.0, "mse": 4.0, "bpr": 5.0}) == ["bce", "bpr", "mse"]


def test_a_loss_falls_short_of_the_best():
    assert shortfall(VALUES) == 0
    assert shortfall(VALUES, of="mse") == pytest.approx(1 / 3)
    assert shortfall({"softmax": 5.0, "bpr": 5.0}) == 0


def test_losses_stand_above_or_below_where_they_can_be_told_apart():
    clear = {"mse": -1 / 3, "bce": 0.01}
    assert standing(VALUES, clear) == ("softmax", 0, ["bce"], ["mse"], ["bpr"])
    assert standing(VALUES, {}, of="mse") == (
        "softmax",
        pytest.approx(1 / 3),
        [],
        [],
        ["softmax", "bpr", "bce"],
    )
    # Equal in every run is clear, and is neither above nor below.
    assert standing(VALUES, {"bpr": 0.0}).open == ["mse", "bpr", "bce"]


def test_orders_agree_by_their_ranks():
    names = ["bpr", "mse", "bce", "ccl"]

    def order(*values):
        return dict(zip(names, values, strict=True))

    here = order(1, 2, 3, 4)
    assert agreement(here, order(10, 11, 500, 501)) == pytest.approx(1)
    assert agreement(here, order(4, 3, 2, 1)) == pytest.approx(-1)
    # 1 - 6 Σd² / n(n² - 1) with Σd² = 2; the names decide what is compared, not their order.
    assert agreement(here, dict(reversed(order(1, 3, 2, 4).items()))) == pytest.approx(0.8)
    # Ranks 1, 2.5, 2.5, 4: covariance 4.5, variances 5 and 4.5.
    assert agreement(here, order(1, 2, 2, 3)) == pytest.approx(4.5 / (5 * 4.5) ** 0.5)
    for there in (order(1, 2, 3, 4) | {"bsl": 5}, {"bpr": 1, "mse": 2}):
        with pytest.raises(ValueError, match="orders must be of the same losses"):
            agreement(here, there)
    with pytest.raises(ValueError, match="orders must be of the same losses"):
        agreement({"bpr": 1}, {"bpr": 1})


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("share", [0.025, 0.1, 0.17, 0.3])
def test_few_random_orders_agree_by_more_than_chance(n, share):
    orders = itertools.permutations(range(n))
    rho = [stats.spearmanr(range(n), order).statistic for order in orders]
    found = agreement_by_chance(n, share=share)
    above = sum(x > found + 1e-9 for x in rho) / len(rho)
    reach = sum(x > found - 1e-9 for x in rho) / len(rho)
    assert above <= share < reach


@pytest.mark.parametrize(("n", "critical"), [(6, 0.886), (7, 0.786), (8, 0.738)])
def test_the_next_agreement_above_chance_is_the_one_of_printed_tables(n, critical):
    # One-sided at 2.5 %; a swap of neighbours moves Σd² by 2.
    step = 12 / (n * (n**2 - 1))
    assert agreement_by_chance(n) + step == pytest.approx(critical, abs=6e-4)


def test_bad_numbers_of_losses_and_shares_are_named():
    for n in (1, 10):
        with pytest.raises(ValueError, match=f"n must lie in 2 to 9, got {n}"):
            agreement_by_chance(n)
    with pytest.raises(ValueError, match=r"share must lie in \(0, 1\), got 0"):
        agreement_by_chance(4, share=0)
