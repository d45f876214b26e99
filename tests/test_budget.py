"""What tuning is worth, on made-up settings."""

import numpy as np
import pytest

from bslutils.experiments import MissingRun, accuracy, budget
from bslutils.experiments.accuracy import FIGURE, LOSSES, grid
from bslutils.experiments.budget import TEXTBOOK, Tuning

BENCH = accuracy.testbeds()[2]  # with the losses of the figure alone

# Test and validation of the six settings of each loss; validation is not test, and has ties.
TEST = {
    "softmax": (0.20, 0.25, 0.30, 0.28, 0.24, 0.20),
    "mse": (0.10, 0.12, 0.16, 0.20, 0.25, 0.20),
    "bce": (0.20, 0.22, 0.255, 0.21, 0.15, 0.16),  # not chosen where it is best by test
    "bpr": (0.12, 0.15, 0.18, 0.16, 0.14, 0.10),
}
VALID = {
    "softmax": (1, 2, 3, 3, 1, 0),
    "mse": (0, 1, 2, 3, 9, 8),
    "bce": (3, 5, 4, 1, 0, 5),
    "bpr": (1, 2, 3, 2, 1, 0),
}
KEPT = {"softmax": 2, "mse": 4, "bce": 1, "bpr": 2}  # of equals the first


@pytest.fixture
def records():
    return {
        trial.id: {"valid": valid, "test": {"ndcg@20": test, "recall@20": 2 * test}}
        for loss in FIGURE
        for trial, valid, test in zip(grid(BENCH, loss), VALID[loss], TEST[loss], strict=True)
    }


@pytest.mark.parametrize("loss", FIGURE)
def test_tuning_has_all_settings_and_says_which_validation_chose(loss, records):
    found = budget.tuning(BENCH, loss, records)
    assert found.params == [t.params for t in grid(BENCH, loss)]
    np.testing.assert_array_equal(found.test, TEST[loss])
    assert found.kept == KEPT[loss] and found.chosen == TEST[loss][KEPT[loss]]
    recall = budget.tuning(BENCH, loss, records, metric="recall@20")
    np.testing.assert_array_equal(recall.test, 2 * np.array(TEST[loss]))
    assert recall.kept == found.kept


def test_the_spread_of_a_loss_is_its_best_setting_over_its_worst(records):
    found = budget.tunings(BENCH, records)
    spreads = {name: pytest.approx(one.spread) for name, one in found.items()}
    assert spreads == {"softmax": 0.5, "mse": 1.5, "bce": 0.7, "bpr": 0.8}
    assert Tuning([{}, {}], np.array([0.2, 0.2]), 0).spread == 0


def test_textbook_settings_are_settings_of_the_grid(records):
    for loss, params in TEXTBOOK.items():
        found = budget.tuning(BENCH, loss, records)
        k = found.place(params)
        assert found.params[k] == params and found.at(params) == TEST[loss][k]
    assert budget.tuning(BENCH, "mse", records).at({"neg_weight": 1}) == 0.10
    for read in (found.at, found.place):
        with pytest.raises(ValueError, match=r"params must be one of .* got \{'tau': 77\}"):
            read({"tau": 77})


def test_settings_are_worth_more_than_losses_where_they_spread_more(records):
    found = budget.worth(budget.tunings(BENCH, records))
    assert found.within == pytest.approx(0.75)  # between those of BCE and BPR
    assert found.between == pytest.approx(0.30 / 0.18 - 1)
    assert found.over_tuned == ("mse", pytest.approx(0.30 / 0.25 - 1))
    assert found.over_textbook == ("bce", pytest.approx(0.30 / 0.15 - 1))


def test_of_equal_baselines_the_first_is_led(records):
    tunings = budget.tunings(BENCH, records)
    for trial, value in zip(grid(BENCH, "bpr"), (0.1, 0.1, 0.25, 0.1, 0.1, 0.15), strict=True):
        records[trial.id]["test"]["ndcg@20"] = value
    tunings |= {"bpr": budget.tuning(BENCH, "bpr", records)}
    found = budget.worth(tunings)
    assert found.over_tuned == ("bpr", pytest.approx(0.2))
    assert found.over_textbook == ("bpr", pytest.approx(1.0))


def test_the_losses_are_those_of_the_first_parts_that_are_compared(records):
    assert [*budget.tunings(BENCH, records)] == list(FIGURE)
    whole = accuracy.testbeds()[0]  # with later losses, too
    for loss in LOSSES:
        for trial in grid(whole, loss):
            records[trial.id] = {"valid": 0.0, "test": {"ndcg@20": 0.1}}
    assert [*budget.tunings(whole, records)] == list(LOSSES)


@pytest.mark.parametrize("loss", FIGURE)
def test_what_is_missing_is_named(loss, records):
    last = grid(BENCH, loss)[-1]
    del records[last.id]
    for read in (
        lambda: budget.tuning(BENCH, loss, records),
        lambda: budget.tunings(BENCH, records),
    ):
        with pytest.raises(MissingRun, match=f"a run is missing: {last.label}, seed 0"):
            read()
