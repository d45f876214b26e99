"""The sweeps of every loss at one budget: equal budgets, and what validation chooses when."""

from dataclasses import replace

import pytest

from bslutils.experiments import MissingRun, every_loss
from bslutils.losses import LOSSES

DATA = "amazon-electronics"
MF = [(DATA, loss, "MF") for loss in every_loss.COSINE]
OTHER = [(DATA, loss, backbone) for backbone in every_loss.BACKBONES for loss in every_loss.MAIN]


def recorded(trials, values=None):
    """Records whose validation rises along the trials, and whose test falls."""
    values = range(len(trials)) if values is None else values
    return {
        t.id: {"valid": v, "test": {"recall@20": -v}} for t, v in zip(trials, values, strict=True)
    }


def test_every_loss_is_there_but_forms_of_softmax_loss_and_of_twins():
    assert set(LOSSES) - set(every_loss.COSINE) == {
        "softmax_risk",
        "pessimistic_bilateral_softmax",
        "pooled_softmax",
        "rescaled_softmax",
    }
    assert set(every_loss.DOT) == set(every_loss.COSINE) >= set(every_loss.MAIN)


@pytest.mark.parametrize(("data", "loss", "backbone"), [*MF, *OTHER])
def test_budgets_are_equal(data, loss, backbone):
    trials = every_loss.tuning(data, loss, backbone)
    assert len({t.id for t in trials}) == len(trials) == (32 if backbone == "MF" else 8)
    configs = [t.config for t in trials]
    assert {c.epochs for c in configs} == {every_loss.TUNING[data].epochs}
    assert {c.batch_size * c.positives for c in configs} == {every_loss.TUNING[data].batch_size}
    scores = [t.model.get("score", "cosine") for t in trials]
    if backbone == "MF":
        assert scores.count("cosine") == scores.count("dot") == 16
        wanted = (every_loss.ROW_L2 if loss in every_loss.SEVERAL else every_loss.L2)["cosine"]
        scale = 5 if loss in every_loss.IN_SCORES else 1
        found = {scale * c.weight_decay for c, s in zip(configs, scores, strict=True) if s != "dot"}
        assert sorted(found) == pytest.approx(wanted)


@pytest.mark.parametrize("loss", every_loss.COSINE)
def test_on_movielens_every_loss_has_the_same_batches(loss):
    trials = every_loss.tuning("ml-1m", loss)
    assert len({t.id for t in trials}) == 16
    batches = {replace(t.config, weight_decay=0) for t in trials}
    assert batches == {replace(every_loss.TUNING["ml-1m"], weight_decay=0)}
    assert {t.config.optimizer for t in trials} == {"row-adam"}
    for mine, other in zip(trials[::2], every_loss.tuning(DATA, loss)[::4], strict=True):
        for name, value in other.params.items():
            if name != "n_items":
                scale = every_loss.ML_TAU if name in every_loss.TAU_NAMES else 1
                assert mine.params[name] == pytest.approx(scale * value)
    records = recorded(trials)
    _, long, other, final = every_loss.choice("ml-1m", loss, records)
    assert [t.params for t in long] == [trials[k].params for k in (7, 15)]
    assert [t.model.get("score") for t in long] == [None, "dot"] and other == final == []
    *_, final = every_loss.choice("ml-1m", loss, records | recorded(long, [2, 1]))
    assert len(final) == 3 and final[0] == long[0]


def test_validation_chooses_in_three_steps():
    short = every_loss.tuning(DATA, "softmax")
    records = recorded(short)
    last = short[-1]
    alone = every_loss.choice(DATA, "softmax", {k: v for k, v in records.items() if k != last.id})
    assert alone == (short, [], [], [])  # nobody knows yet
    short, long, other, final = every_loss.choice(DATA, "softmax", records)
    assert [t.config.weight_decay for t in long] == [t.config.weight_decay for t in short[:-4:-1]]
    assert {t.config.epochs for t in long} == {every_loss.LONG} and other == final == []
    records |= recorded(long, [1, 3, 2])
    *_, other, final = every_loss.choice(DATA, "softmax", records)
    assert len(other) == 1 and final == []
    for value, winner in ((2.5, long[1]), (3.5, other[0])):
        *_, final = every_loss.choice(DATA, "softmax", records | recorded(other, [value]))
        assert final[0] == winner and [t.config.seed for t in final] == [0, 1, 2]


@pytest.mark.parametrize("loss", every_loss.COSINE)
def test_the_best_run_is_made_again_with_its_l2_term_in_the_other_place(loss):
    short = every_loss.tuning(DATA, loss)
    for k in (0, 31):  # the weakest term on cosines, the strongest on inner products
        records = recorded(short, [i == k for i in range(32)])
        long = every_loss.choice(DATA, loss, records).long
        records |= recorded(long, [1, 0, 0])
        (other,) = every_loss.choice(DATA, loss, records).other
        mine, its = long[0].config, other.config
        assert {mine.optimizer, its.optimizer} == {"adam", "row-adam"}
        assert (mine.optimizer == "row-adam") == (loss in every_loss.SEVERAL)
        rows, every = (mine, its) if loss in every_loss.SEVERAL else (its, mine)
        score = "dot" if k else "cosine"
        end = -1 if k else 0
        scale = 5 if loss in every_loss.IN_SCORES and not k else 1
        assert scale * rows.weight_decay == pytest.approx(every_loss.ROW_L2[score][end])
        assert scale * every.weight_decay == pytest.approx(every_loss.L2[score][end])
        same = replace(its, weight_decay=mine.weight_decay, optimizer=mine.optimizer)
        assert same == mine and (other.params, other.model) == (long[0].params, long[0].model)


def test_elsewhere_one_trial_is_run_at_full_length():
    short = every_loss.tuning(DATA, "bpr", "NGCF")
    records = recorded(short)
    _, long, other, final = every_loss.choice(DATA, "bpr", records, "NGCF")
    assert len(long) == 1 and long[0].params == short[-1].params and other == final == []
    records |= recorded(long, [2])
    *_, other, final = every_loss.choice(DATA, "bpr", records, "NGCF")
    assert len(other) == 1 and final == []
    assert other[0] == replace(long[0], model=long[0].model | {"rank_score": "dot"})
    for value, winner in ((1, long[0]), (3, other[0])):
        *_, final = every_loss.choice(DATA, "bpr", records | recorded(other, [value]), "NGCF")
        assert final[0] == winner


def test_the_full_size_adds_a_data_set():
    assert {t.data for t in every_loss.field("small", {})} == {DATA}
    assert {t.data for t in every_loss.field("full", {})} == {DATA, "ml-1m"}


def test_the_level_of_a_loss_is_that_of_its_final_runs():
    short = every_loss.tuning(DATA, "bpr")
    records = recorded(short)
    for step, values in (("long", [2, 3, 1]), ("other", [2.5])):
        with pytest.raises(MissingRun):
            every_loss.level(DATA, "bpr", records, metric="recall@20")
        records |= recorded(getattr(every_loss.choice(DATA, "bpr", records), step), values)
    final = every_loss.choice(DATA, "bpr", records).final
    records |= recorded(final, [5, 6, 7])
    assert every_loss.level(DATA, "bpr", records, metric="recall@20").tolist() == [-5, -6, -7]
    del records[final[1].id]
    with pytest.raises(MissingRun, match="bpr .* long, seed 1"):
        every_loss.level(DATA, "bpr", records)


def test_inner_products_are_beside_the_best_on_cosines_with_each_l2_term():
    trials = every_loss.tuning(DATA, "bpr")
    cosine, dot = (every_loss.L2[score] for score in ("cosine", "dot"))
    worth = dict(zip((*cosine, *dot), (1.0, 2.0, 4.0, 3.0, 5.0, 2.0, 4.0, 1.0), strict=True))
    # Settings follow each other, each with the four terms; the best of each score is worth 4.
    values = [
        worth[t.config.weight_decay] * (1, 4, 2, 3, 2, 3, 4, 1)[k // 4]
        for k, t in enumerate(trials)
    ]
    records = recorded(trials, values)
    found = every_loss.inner_products(DATA, "bpr", records)
    assert found.by_term == pytest.approx(dict(zip(dot, (1.25, 0.5, 1.0, 0.25), strict=True)))
    assert (found.best, found.with_strongest) == pytest.approx((1.25, 0.25))
    assert found.weakest_on_cosines == min(cosine)
    assert found.times_weaker == pytest.approx(min(cosine) / max(dot))
    del records[trials[7].id]
    with pytest.raises(MissingRun, match="bpr"):
        every_loss.inner_products(DATA, "bpr", records)


def test_seeds_are_pairs_on_one_kind_of_device_alone():
    trials = {loss: every_loss.tuning(DATA, loss)[:3] for loss in ("bpr", "mse")}
    values = {"bpr": (0.30, 0.31, 0.32), "mse": (0.28, 0.29, 0.30)}

    def records(*kinds):
        """BPR on these devices, MSE on a CPU."""
        return {
            t.id: {"hardware": kind, "test": {"recall@20": value}}
            for loss, where in (("bpr", kinds), ("mse", ("A, 2 cores",) * 3))
            for t, kind, value in zip(trials[loss], where, values[loss], strict=True)
        }

    def difference(*kinds):
        return every_loss.difference(trials["bpr"], trials["mse"], records(*kinds))

    paired, other = difference(*("B, 16 cores",) * 3), difference(*("NVIDIA H200",) * 3)
    assert paired.mean == pytest.approx(other.mean) == pytest.approx(0.02)
    assert paired.high - paired.low == pytest.approx(0, abs=1e-9)  # the same in every seed
    assert other.low < 0.0 < 0.02 < other.high  # not clear any more
    assert difference("A, 2 cores", "A, 2 cores", "NVIDIA H200") == other


def test_what_was_given_up_is_counted_and_a_second_try_is_marked():
    counts = {
        loss: every_loss.trials("amazon-electronics", loss) for loss in ("bilateral_softmax", "mse")
    }
    assert counts == {"bilateral_softmax": (32, 59), "mse": (32, 0)}
    assert every_loss.trials("ml-1m", "softmax") == (16, 2)
    assert every_loss.marked("amazon-electronics", "bilateral_softmax", "BSL") == "BSL †"
    assert every_loss.marked("ml-1m", "bilateral_softmax", "BSL") == "BSL"
