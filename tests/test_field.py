"""The sweeps of the chapter Beyond KL: equal budgets, and what validation chooses when."""

import pytest

from bslutils.experiments import field
from bslutils.losses import LOSSES

DATA = "amazon-electronics"
MF = [(DATA, loss, "MF") for loss in field.COSINE]
OTHER = [(DATA, loss, backbone) for backbone in field.BACKBONES for loss in field.MAIN]


def recorded(trials, values=None):
    """Records whose validation rises along the trials, and whose test falls."""
    values = range(len(trials)) if values is None else values
    return {
        t.id: {"valid": v, "test": {"recall@20": -v}} for t, v in zip(trials, values, strict=True)
    }


def test_every_loss_is_there_but_forms_of_softmax_loss_and_of_twins():
    assert set(LOSSES) - set(field.COSINE) == {
        "softmax_risk",
        "pessimistic_bilateral_softmax",
        "pooled_softmax",
        "rescaled_softmax",
    }
    assert set(field.DOT) == set(field.COSINE) >= set(field.MAIN)


@pytest.mark.parametrize(("data", "loss", "backbone"), [*MF, *OTHER, ("ml-1m", "slatk", "MF")])
def test_budgets_are_equal(data, loss, backbone):
    trials = field.tuning(data, loss, backbone)
    assert len({t.id for t in trials}) == len(trials) == (32 if backbone == "MF" else 8)
    configs = [t.config for t in trials]
    assert {c.epochs for c in configs} == {field.TUNING[data].epochs}
    assert {c.batch_size * c.positives for c in configs} == {field.TUNING[data].batch_size}
    scores = [t.model.get("score", "cosine") for t in trials]
    if backbone == "MF":
        assert scores.count("cosine") == scores.count("dot") == 16
        wanted = (field.ROW_L2 if loss in field.SEVERAL else field.L2)["cosine"]
        scale = 5 if loss in field.IN_SCORES else 1
        found = {scale * c.weight_decay for c, s in zip(configs, scores, strict=True) if s != "dot"}
        assert sorted(found) == pytest.approx(wanted)


def test_validation_chooses_in_three_steps():
    short = field.tuning(DATA, "softmax")
    records = recorded(short)
    last = short[-1]
    alone = field.choice(DATA, "softmax", {k: v for k, v in records.items() if k != last.id})
    assert alone == (short, [], [])  # nobody knows yet
    short, long, final = field.choice(DATA, "softmax", records)
    assert [t.config.weight_decay for t in long] == [t.config.weight_decay for t in short[:-4:-1]]
    assert {t.config.epochs for t in long} == {field.LONG} and final == []
    records |= recorded(long, [1, 3, 2])
    *_, final = field.choice(DATA, "softmax", records)
    assert final[0] == long[1] and [t.config.seed for t in final] == [0, 1, 2]


def test_elsewhere_one_trial_is_run_at_full_length():
    short = field.tuning(DATA, "bpr", "NGCF")
    records = recorded(short)
    _, long, final = field.choice(DATA, "bpr", records, "NGCF")
    assert len(long) == 1 and long[0].params == short[-1].params and final == []


@pytest.mark.parametrize("plan", [field.field, field.backbones])
def test_the_full_size_adds_a_data_set(plan):
    assert {t.data for t in plan("small", {})} == {DATA}
    assert {t.data for t in plan("full", {})} == {DATA, "ml-1m"}
