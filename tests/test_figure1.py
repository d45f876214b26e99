"""What is read off the short and long runs beside the paper's first figure."""

import pytest

from bslutils.experiments import MissingRun, figure1
from bslutils.experiments.figure1 import (
    BASELINES,
    CONFIG,
    INNER_DECAY,
    SETTINGS,
    after_short,
    beside_softmax,
    final,
    lead_after_short,
    long_run,
    reached,
    score_gain,
    tuning,
)
from bslutils.published import FIGURE_1

DATA = "yelp2018"
# Validation after the short runs: four on cosines, two on inner products.
VALID = {
    "softmax": (0.30, 0.60, 0.50, 0.20, 0.40, 0.45),
    "bpr": (0.40, 0.30, 0.20, 0.10, 0.55, 0.60),
    "mse": (0.10, 0.50, 0.20, 0.30, 0.50, 0.25),
    "bce": (0.10, 0.20, 0.40, 0.30, 0.20, 0.10),
}


@pytest.fixture
def records():
    return {
        trial.id: {"valid": valid}
        for loss, values in VALID.items()
        for trial, valid in zip(tuning(DATA, loss), values, strict=True)
    }


@pytest.mark.parametrize(("data", "n", "inner"), [("yelp2018", 6, 2), ("gowalla", 4, 0)])
def test_every_loss_has_as_many_settings_on_each_score(data, n, inner):
    for loss in SETTINGS[data]:
        trials = tuning(data, loss)
        products = [t for t in trials if t.score == "dot"]
        assert len(trials) == len({t.id for t in trials}) == len({t.label for t in trials}) == n
        assert len(products) == len({t.config.lr for t in products}) == inner
        assert {t.config.weight_decay for t in products} <= {INNER_DECAY}
        assert all("lr" not in t.params and "score" not in t.params for t in trials)
        cosines = {(t.config.lr, t.config.weight_decay) for t in trials if t not in products}
        assert cosines == {(CONFIG.lr, CONFIG.weight_decay)}


def test_the_baselines_are_the_figure_without_softmax_loss():
    assert {*BASELINES, "softmax"} == FIGURE_1["MF"].keys() == FIGURE_1["LightGCN"].keys()


def test_after_the_short_runs_a_loss_is_where_its_best_setting_is(records):
    assert after_short(DATA, "softmax", records, "cosine") == 0.60
    assert after_short(DATA, "softmax", records, "dot") == 0.45
    assert after_short(DATA, "bpr", records, "cosine", "dot") == 0.60
    with pytest.raises(ValueError, match="softmax has no run on gowalla with one of the scores"):
        after_short("gowalla", "softmax", records, "dot")


def test_inner_products_add_what_their_best_setting_does(records):
    gains = {loss: pytest.approx(score_gain(DATA, loss, records)) for loss in VALID}
    assert gains == {"softmax": -0.25, "bpr": 0.5, "mse": 0, "bce": -0.5}


def test_the_lead_depends_on_the_scores_to_choose_from(records):
    assert lead_after_short(DATA, records, "cosine") == ("mse", pytest.approx(0.2))
    assert lead_after_short(DATA, records, "cosine", "dot") == ("bpr", 0)
    assert lead_after_short(DATA, records, "dot") == ("bpr", pytest.approx(-0.25))


def test_a_short_run_that_is_missing_matters_where_its_score_is_asked_for(records):
    del records[tuning(DATA, "mse")[5].id]
    assert after_short(DATA, "mse", records, "cosine") == 0.50
    assert lead_after_short(DATA, records, "cosine").over == "mse"
    for read in (
        lambda: after_short(DATA, "mse", records, "cosine", "dot"),
        lambda: score_gain(DATA, "mse", records),
        lambda: lead_after_short(DATA, records, "dot"),
    ):
        with pytest.raises(MissingRun, match="mse neg_weight=25 inner product lr=0.02, seed 0"):
            read()


def test_a_loss_reaches_what_its_long_run_has_on_test(records):
    paper = final(DATA, "bpr", "paper", records)
    assert paper.score == "dot" and paper.config.lr == pytest.approx(figure1.LOWER * 0.02)
    with pytest.raises(MissingRun, match="paper/MF/bpr"):
        reached(DATA, "bpr", records)
    records[paper.id] = {"test": {"recall@20": 0.07}}
    assert long_run(DATA, "bpr", "paper", records) is records[paper.id]
    assert reached(DATA, "bpr", records) == 0.07
    with pytest.raises(MissingRun, match="paper/MF/softmax"):
        beside_softmax(DATA, "bpr", records)
    records[final(DATA, "softmax", "paper", records).id] = {"test": {"recall@20": 0.08}}
    assert beside_softmax(DATA, "bpr", records) == pytest.approx(-1 / 8)
    with pytest.raises(MissingRun, match="honest/MF/bpr"):
        long_run(DATA, "bpr", "honest", records)
    for read in (final, long_run):  # the tuning
        with pytest.raises(MissingRun, match="honest/MF/bpr"):
            read(DATA, "bpr", "paper", {})


def test_what_others_published_is_relative_to_softmax_loss_and_to_bpr():
    assert figure1.official_step("yelp2018") == pytest.approx(0.07245 / 0.07212 - 1)
    assert figure1.official_step("ml") == pytest.approx(0.2804 / 0.2809 - 1)
    found = figure1.later_leads()
    assert found["Amazon-Electronic"] == pytest.approx(0.0821 / 0.0816 - 1)
    assert found["Amazon-Book"] == pytest.approx(0.1559 / 0.0665 - 1)
