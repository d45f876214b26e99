"""The benchmarks: the reference is the same loss, and the tables are drawn from what they say."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import bslutils as bsl
from benchmarks import rows
from benchmarks.__main__ import main
from benchmarks.engine import stepper
from benchmarks.reference import ReferenceTrainer, reference_evaluate
from benchmarks.streaming import stream
from benchmarks.tables import TABLES
from benchmarks.timing import compare
from bslutils.batch import batch_scores

RESULTS = Path(__file__).parent.parent / "results" / "benchmarks"


def model_for(data):
    return bsl.models.MatrixFactorization(data.n_users, data.n_items, dim=16)


@pytest.mark.parametrize("sampler", ["shared", "independent"])
def test_the_reference_is_the_loss_of_the_package(movielens, sampler):
    """Value and gradient, given the same negatives (and no L2 term, which the package leaves)."""
    ours, theirs = model_for(movielens), model_for(movielens)
    reference = ReferenceTrainer(theirs, tau=0.1, n_negatives=50, lr=1e-3)
    user, pos, _ = next(bsl.sampling.batches(movielens.train, 64))
    config = bsl.TrainConfig(sampler=sampler, n_negatives=50)
    loss = bsl.losses.SoftmaxLoss(tau=0.1)
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    scores = batch_scores(
        ours, user, pos, None, config, movielens.n_items, generators[0], loss=loss
    )
    value = loss(*scores[:2])
    shape = (50,) if sampler == "shared" else (64, 50)
    neg = torch.randint(movielens.n_items, shape, generator=generators[1]).expand(64, 50)
    expected = reference.loss(user, pos[:, 0], neg)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
    value.backward()
    expected.backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


def test_the_l2_term_is_half_the_mean_of_the_squared_norms(movielens):
    model = model_for(movielens)
    user, pos, neg = torch.tensor([3, 4]), torch.tensor([5, 6]), torch.tensor([[7, 8], [8, 9]])
    values = [
        ReferenceTrainer(model, tau=0.1, n_negatives=2, lr=1e-3, l2=l2).loss(user, pos, neg)
        for l2 in (0.0, 0.5)
    ]
    users, items = model.user_table.square().sum(1), model.item_table.square().sum(1)
    squares = users[user].sum() + items[pos].sum() + items[neg].sum()
    assert (values[1] - values[0]).item() == pytest.approx(0.5 * squares.item() / 2 / 2, rel=1e-4)


def test_the_reference_learns(synthetic):
    model = model_for(synthetic)
    before = bsl.evaluate(model, synthetic, split="valid")["ndcg@20"]
    reference = ReferenceTrainer(model, tau=0.2, n_negatives=20, lr=1e-2)
    for _ in range(4):
        for user, pos, _ in bsl.sampling.batches(synthetic.train, 1024):
            reference.step(user, pos[:, 0])
    assert bsl.evaluate(model, synthetic, split="valid")["ndcg@20"] > 3 * before


def test_the_plain_evaluation_finds_the_same_recall(movielens):
    model = model_for(movielens)
    recall = bsl.evaluate(model, movielens)["recall@20"]
    assert reference_evaluate(model, movielens, k=20) == pytest.approx(recall, abs=1e-12)


@pytest.mark.parametrize("optimizer", ["adam", "row-adam"])
def test_the_stepper_steps(synthetic, optimizer):
    model = model_for(synthetic)
    before = model.item_table.detach().clone()
    config = bsl.TrainConfig(batch_size=64, n_negatives=16, optimizer=optimizer)
    with stepper(model, config, n_users=synthetic.n_users, n_items=synthetic.n_items) as step:
        step()
    assert (model.item_table != before).any(1).sum() > 64


def test_compare_takes_turns():
    calls = []
    seconds = compare({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert calls == ["a", "b"] * 3 and seconds.keys() == {"a", "b"}
    assert all(value > 0 for value in seconds.values())


def test_the_command_line(tmp_path, capsys, monkeypatch):
    def small():
        """Two numbers."""
        return {"rows": [{"way": "one", "seconds": 1.0}]}

    monkeypatch.setitem(TABLES, "small", small)
    assert main([]) == 0 and "Two numbers." in capsys.readouterr().out
    assert main(["small", "--out", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "small.json").read_text(encoding="utf-8"))
    assert record["what"] == "Two numbers." and record["rows"] == small()["rows"]
    assert re.fullmatch(r"unknown|[0-9a-f]{40}\+?", record["commit"])
    with pytest.raises(SystemExit):
        main(["large"])
    assert "unknown table 'large'; choose among step" in capsys.readouterr().err


def test_what_a_long_table_has_is_written_before_it_goes_on(tmp_path, monkeypatch):
    def long():
        """One number, and then the power fails."""
        yield {"rows": [{"way": "one", "seconds": 1.0}]}
        raise KeyboardInterrupt

    monkeypatch.setitem(TABLES, "long", long)
    with pytest.raises(KeyboardInterrupt):
        main(["long", "--out", str(tmp_path)])
    record = json.loads((tmp_path / "long.json").read_text(encoding="utf-8"))
    assert record["rows"] == [{"way": "one", "seconds": 1.0}]


def test_every_table_is_recorded():
    for name in TABLES:
        path = RESULTS / f"{name}.json"
        record = json.loads(path.read_text(encoding="utf-8"))
        assert record["what"] == TABLES[name].__doc__.splitlines()[0]
        assert record["hardware"] and len(record["rows"]) >= 2
        assert all(np.isfinite(row["seconds"]) and row["seconds"] > 0 for row in record["rows"])


def test_the_table_of_a_gpu_wants_one(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as stop:
        main(["gpu", "--out", str(tmp_path)])
    assert stop.value.code == 2 and "torch sees none" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_epoch_of_a_stream_sees_every_pair_and_learns(monkeypatch):
    """In small, and in this process: the table itself goes up to a hundred million."""
    made = {"stream": rows.stream}
    monkeypatch.setattr(
        "benchmarks.streaming.in_own_process", lambda table, row: made[table](**row)
    )
    *_, table = stream((3_000, 200_000), n_users=2_000, n_items=500)
    assert [(row["what"], row["pairs"]) for row in table["rows"]] == [
        (what, n) for n in (3_000, 200_000) for what in ("reading", "training")
    ]
    for row in table["rows"]:
        assert (row["users"], row["items"]) == (2_000, 500) and row["peak_bytes"] > 0
        assert row["pairs a second"] == pytest.approx(row["pairs"] / row["seconds"])
    losses = table["rows"][-1]["loss of each twentieth"]
    assert losses[-1] < losses[0]
