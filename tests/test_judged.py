"""What runs under noise say of the paper's claims, read off made-up records."""

import numpy as np
import pytest
from test_paper_noise import RECORDED, fake

from bslutils.experiments import MissingRun, judged
from bslutils.experiments.convergence import of_bench
from bslutils.experiments.judged import (
    NEGATIVES,
    OTHERS,
    POSITIVES,
    first_claim,
    lines,
    third_claim,
)
from bslutils.experiments.paper_curves import curve
from bslutils.experiments.paper_noise import BENCHES, CLEAN, Runs, bench, plan
from bslutils.experiments.per_user import METRIC, pack

USERS = np.random.default_rng(0).uniform(0.2, 0.6, 400)
# Share that is lost at the most false negatives, and at the most false positives.
LOST = {"softmax": (0.1, 0.3), "bilateral_softmax": (0.1, 0.1), "bpr": (0.3, 0.3)}
LOST |= {"bce": (0.1, 0.2), "mse": (0.05, 0.3), "ccl": (0.5, 0.5)}


def made(trial):
    """A record whose users lose what the loss loses, give or take a seed."""
    record = RECORDED.get(trial.id) or fake(trial)  # what ``field`` chose by stays
    negatives, positives = LOST.get(trial.loss, (0.2, 0.2))
    lost = negatives if trial.config.negative_noise > 1 else 0.0
    lost = positives if trial.false_positives else lost
    users = np.clip(USERS * (1 - lost) * (1 + 0.002 * trial.config.seed), 0, 1)
    test = {METRIC: float(users.mean()), "recall@20": 0.1}
    record |= {"label": trial.label, "hardware": "A, 2 cores", "test": test}
    return record | {"users": {METRIC: pack(users)}}


@pytest.fixture(scope="module")
def records():
    field = {id: r | {"test": r["test"] | {METRIC: 0.3}} for id, r in RECORDED.items()}
    records = {id: r for id, r in field.items() if r["data"] in ("ml-1m",)}
    for data in ("ml-1m", "yelp2018"):
        while missing := [t for t in plan([bench(data)], records) if t.id not in records]:
            records |= {t.id: made(t) for t in missing}
        for loss in LOST:  # the clean runs of ``field``, made again with their users
            records |= {t.id: made(t) for t in Runs(bench(data), records).kept(loss, CLEAN)}
    return records


def test_the_first_claim_is_judged_loss_by_loss(records):
    found = first_claim(records)
    assert set(found) == {(data, loss) for data in ("ml-1m", "yelp2018") for loss in OTHERS}
    words = {loss: found["ml-1m", loss].word for loss in OTHERS}
    assert words == {"bpr": "better", "bce": "equal", "mse": "worse", "ccl": "better"}
    assert found["ml-1m", "bpr"].estimate.interval.mean == pytest.approx(0.2, abs=0.01)
    assert judged.verdict(found, bench("ml-1m"), records) == "mixed"
    assert set(first_claim(records, tuned=True)) == {("ml-1m", loss) for loss in OTHERS}


def test_one_seed_takes_the_spread_of_the_data_with_several(records):
    found = first_claim(records)
    assert found["ml-1m", "bpr"].seeds == 3 and found["yelp2018", "bpr"].seeds == 1
    several, one = (found[data, "bpr"].estimate.interval for data in ("ml-1m", "yelp2018"))
    assert one.high - one.low >= several.high - several.low > 0
    alone = {id: r for id, r in records.items() if r["data"] == "yelp2018"}
    assert first_claim(alone) == {}  # there is no spread to take


def test_the_third_claim_compares_both_as_tuned(records):
    found = third_claim(records)
    assert set(found) == {("ml-1m", "bilateral_softmax"), ("yelp2018", "bilateral_softmax")}
    for data in ("ml-1m", "yelp2018"):
        by = found[data, "bilateral_softmax"]
        assert by.estimate.interval.mean == pytest.approx(0.9 / 0.7 - 1, abs=0.01)
        assert by.word == "better" and by.seeds == 3
        assert judged.verdict(found, bench(data), records, ["bilateral_softmax"]) == "holds"
    kept = third_claim(records, tuned=False, loss="reweighted_softmax")
    assert kept["ml-1m", "reweighted_softmax"].estimate.interval.mean == pytest.approx(
        0.8 / 0.7 - 1, abs=0.01
    )


def test_a_bench_states_its_level_and_what_more_training_adds(records):
    found = of_bench(bench("ml-1m"), records)
    assert found.epochs == 30 and found.preliminary == ""
    assert found.added["softmax"] < 0.02 and found.level > 0.9
    trial = Runs(bench("ml-1m"), records).kept("mse", CLEAN)[0]
    high = records | {trial.id: records[trial.id] | {"test": {METRIC: 0.9, "recall@20": 0.1}}}
    found = of_bench(bench("ml-1m"), high)
    assert found.best == "mse" and "softmax loss reaches" in found.preliminary
    claims = first_claim(high)
    assert judged.verdict(claims, bench("ml-1m"), high) == "preliminary"


def test_what_lacks_a_run_is_left_out_and_not_judged(records):
    less = dict(records)
    del less[Runs(bench("ml-1m"), records).kept("bpr", NEGATIVES)[2].id]
    found = first_claim(less)
    assert ("ml-1m", "bpr") not in found and ("ml-1m", "bce") in found
    assert judged.verdict(found, bench("ml-1m"), less) == "not run"
    assert judged.verdict({}, bench("gowalla"), records) == "not run"
    trial = Runs(bench("ml-1m"), records).tuned("softmax", POSITIVES)[0]
    bare = dict(records)
    bare[trial.id] = {k: v for k, v in bare[trial.id].items() if k != "users"}
    assert ("ml-1m", "bilateral_softmax") not in third_claim(bare)
    with pytest.raises(MissingRun):
        of_bench(bench("gowalla"), records)


def test_a_table_has_a_row_for_every_comparison_and_a_verdict_for_every_data_set(records):
    table = lines(first_claim(records), records)
    assert len(table) == len(BENCHES) * len(OTHERS)
    by = {(row["data"], row["loss"]): row for row in table}
    assert by["MovieLens-1M", "bpr"]["so it is"] == "better"
    assert by["MovieLens-1M", "bpr"]["difference (%)"].startswith("+20.")
    assert by["Gowalla", "ccl"] == {
        "data": "Gowalla",
        "loss": "ccl",
        "difference (%)": "not run",
        "verdict": "not run",
    }
    assert next(row["verdict"] for row in table if "verdict" in row) == "mixed"


@pytest.mark.parametrize(("data", "seeds"), [("ml-1m", 3), ("yelp2018", 1)])
def test_what_a_loss_loses_level_by_level(records, data, seeds):
    runs = Runs(bench(data), records)
    assert len(runs.kept("bpr", ("negatives", 0.1))) == seeds
    found = curve(runs, "bpr", "negatives")
    assert found.amounts == sorted(found.amounts) and len(found.amounts) == 6
    by = dict(zip(found.amounts, found.changes, strict=True))
    mean, low, high = by[0.3]
    assert mean == pytest.approx(-0.3, abs=0.01) and low <= mean <= high
    uniform = by[next(x for x in found.amounts if x not in (0, 0.05, 0.1, 0.2, 0.3))]
    assert uniform.mean == 0  # clean data themselves
    found = curve(runs, "softmax", "positives")
    assert found.amounts == [0.0, 0.1, 0.2, 0.4]
    assert found.changes[-1].mean == pytest.approx(-0.3, abs=0.01)
    assert found.level == pytest.approx(USERS.mean(), rel=0.01)
    with pytest.raises(ValueError, match="kind must be"):
        curve(runs, "bpr", "both")
    less = {k: r for k, r in records.items() if k != runs.kept("bpr", NEGATIVES)[0].id}
    with pytest.raises(MissingRun):
        curve(Runs(bench(data), less), "bpr", "negatives")
