"""A temperature in a handful of runs."""

import math

import pytest
from hypothesis import given, strategies as st

from bslutils.tuning import choose_tau


def hill(top, tries=None):
    """Validation that is best at a temperature and falls on both sides; what it is asked for."""

    def validate(tau):
        if tries is not None:
            tries.append(tau)
        return -abs(math.log(tau / top))

    return validate


def test_the_five_runs_around_a_good_start():
    choice = choose_tau(hill(0.2))
    assert [*choice.tried] == [0.2, 0.1, 0.4, 0.14, 0.28]
    assert (choice.tau, choice.inside) == (0.2, True)


@given(top=st.floats(0.01, 4), start=st.floats(0.05, 1), runs=st.integers(3, 20))
def test_what_is_found_is_near_the_top_or_said_to_be_at_an_edge(top, start, runs):
    tries = []
    choice = choose_tau(hill(top, tries), start=start, runs=runs)
    assert tries == [*choice.tried] and len(tries) <= runs
    assert choice.tau == max(choice.tried, key=choice.tried.get)
    assert choice.inside == (min(tries) < choice.tau < max(tries))
    if runs == 20:
        assert choice.inside
        assert abs(math.log(choice.tau / top)) <= math.log(2) / 4 + 0.06  # and two digits
    elif choice.inside:
        assert abs(math.log(choice.tau / top)) <= math.log(2) / 2 + 0.06
    else:
        again = choose_tau(hill(top), start=choice.tau, runs=20)
        assert again.inside and again.tried[again.tau] >= choice.tried[choice.tau]


def test_the_better_side_comes_first():
    assert [*choose_tau(hill(0.25)).tried][3] == 0.28
    assert [*choose_tau(hill(0.17)).tried][3] == 0.14


def test_of_equals_the_first_is_kept():
    choice = choose_tau(lambda tau: 1.0, runs=4)
    assert choice.tau == 0.2 and [*choice.tried] == [0.2, 0.1, 0.4, 0.14]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": 0}, "start must be a positive finite number, got 0"),
        ({"start": "0.2"}, "start must be a positive finite number, got '0.2'"),
        ({"runs": 2}, "runs must be at least 3, got 2"),
        ({"validate": 0.2}, "validate must be a function of a temperature, got 0.2"),
        ({"validate": lambda tau: math.nan}, r"validate\(0.2\) must be a finite number, got nan"),
        ({"validate": lambda tau: None}, r"validate\(0.2\) must be a finite number, got None"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        choose_tau(**{"validate": hill(0.2)} | change)
