"""Who gets shown, against the definitions written out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import bslutils as bsl
from bslutils.exposure import exposure, gini
from bslutils.rank import ranked

counts = st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any)


@given(counts)
def test_gini_is_half_the_relative_mean_difference(count):
    x = np.array(count, dtype=float)
    pairs = abs(x[:, None] - x[None]).mean()
    assert gini(count) == pytest.approx(pairs / (2 * x.mean()), abs=1e-12)


@given(counts, st.integers(1, 5))
def test_gini_knows_no_order_no_scale_and_no_copies(count, times):
    assert gini(count[::-1]) == pytest.approx(gini(count), abs=1e-12)
    assert gini([times * c for c in count]) == pytest.approx(gini(count), abs=1e-12)
    assert gini(count * times) == pytest.approx(gini(count), abs=1e-12)
    assert -1e-12 < gini(count) < 1 - 1 / len(count) + 1e-12


@pytest.mark.parametrize(
    "count", [[], [0, 0], [1, -1, 3], [1.0, np.inf], [np.nan, 1], [[1, 2], [3, 4]]]
)
def test_gini_refuses_what_is_no_count(count):
    with pytest.raises(ValueError, match="count must be"):
        gini(count)


@pytest.mark.parametrize("score", ["cosine", "dot"])
def test_exposure_is_what_the_lists_and_the_table_say(synthetic, score):
    model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, score=score)
    found = exposure(model, synthetic, k=5)
    lists = torch.cat([items for _, items, _ in ranked(model, synthetic, k=5)]).numpy()
    count = np.zeros(synthetic.n_items)
    popularity = []
    for items in lists:
        for item in items:
            count[item] += 1
            popularity.append(synthetic.item_degree[item])
    with torch.no_grad():
        users, items = model.embed()
        table = (users.double() @ items.double().T).numpy()
    expected = {
        "gini": gini(count),
        "coverage": np.mean([c > 0 for c in count]),
        "popularity": np.mean(popularity),
        "variance over items": np.mean([row.var() for row in table]),
        "variance over users": np.mean([column.var() for column in table.T]),
        "gap": np.mean(
            [
                row[own > 0].mean() - row.mean()
                for row, own in zip(table, synthetic.train.toarray(), strict=True)
            ]
        ),
    }
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("score", ["cosine", "dot"])
def test_a_function_is_seen_as_the_model_that_it_stands_for(synthetic, score, monkeypatch):
    """Its scores are read in blocks, without the vectors."""
    model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, score=score)
    with torch.no_grad():
        users, items = model.embed()
        table = users.double() @ items.double().T
    monkeypatch.setattr("bslutils.rank.CHUNK", {"cpu": 7 * synthetic.n_items})
    few = synthetic.test.copy()
    few.data[few.indices % 3 > 0] = 0  # so that some have nothing in the split
    few.eliminate_zeros()
    for data in (synthetic, replace(synthetic, test=few)):
        asked = []

        def scores(users, asked=asked):
            asked.extend(users)
            return table[torch.as_tensor(users)] + 100

        found = exposure(scores, data)
        assert found == pytest.approx(exposure(model, data), rel=1e-6)
        assert sorted(asked) == list(range(data.n_users))  # once each, since scores may be dear
    assert asked != sorted(asked)  # who has nothing in the split comes last


def test_who_shows_the_most_popular_to_everybody_is_the_most_unequal(synthetic):
    class Popular(torch.nn.Module):
        def embed(self):
            items = torch.tensor(synthetic.item_degree, dtype=torch.float64)[:, None]
            return torch.ones(synthetic.n_users, 1, dtype=torch.float64), items

    popular = exposure(Popular(), synthetic)
    random = exposure(
        bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items), synthetic
    )
    assert popular["gini"] > random["gini"] and popular["coverage"] < random["coverage"]
    assert popular["popularity"] > 2 * random["popularity"]
    assert popular["variance over users"] == 0 < popular["variance over items"]


def test_lists_that_are_short_are_counted_as_they_are(synthetic):
    """With k the catalogue a list is all that the user has not seen."""
    model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items)
    found = exposure(model, synthetic, k=synthetic.n_items)
    active = np.flatnonzero(np.diff(synthetic.test.indptr))
    shown = (synthetic.seen("test")[active].toarray() == 0).sum(0)
    assert found["gini"] == pytest.approx(gini(shown))
    assert found["popularity"] == pytest.approx(shown @ synthetic.item_degree / shown.sum())


def test_bad_input_is_named(synthetic):
    model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items)
    with pytest.raises(ValueError, match="unknown split 'tset'"):
        exposure(model, synthetic, split="tset")
    with pytest.raises(ValueError, match="k must be a whole number of at least 1"):
        exposure(model, synthetic, k=0)
    with pytest.raises(ValueError, match="the model has 3 users"):
        exposure(bsl.models.MatrixFactorization(3, synthetic.n_items), synthetic)
    with torch.no_grad():
        model.user_table[0] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        exposure(model, synthetic)
