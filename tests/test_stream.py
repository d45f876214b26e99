"""Pairs in Parquet, read in a stream: every pair once an epoch, in another order, within bounds."""

import numpy as np
import pytest
import torch

import bslutils as bsl
from bslutils.stream import ParquetPairs

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(path, users, items, **options):
    pq.write_table(pa.table({"user": users, "item": items}), path, **options)
    return path


def pairs_of(pairs, seed, size=64):
    g = torch.Generator().manual_seed(seed)
    parts = [torch.cat([user.unsqueeze(1), pos], 1) for user, pos in pairs.batches(size, g)]
    return torch.cat(parts), [len(part) for part in parts]


@pytest.fixture
def thousand(tmp_path):
    """997 pairs in three files of several row groups."""
    rng = np.random.default_rng(0)
    table = np.stack([rng.integers(50, size=997), rng.integers(90, size=997)])
    for n, part in enumerate(np.array_split(table, 3, axis=1)):
        write(tmp_path / f"{n}.parquet", *part, row_group_size=100)
    return tmp_path, torch.from_numpy(table.T.copy())


@pytest.mark.parametrize("buffer", [1, 10, 64, 300, 997, 10**6])
@pytest.mark.parametrize("size", [1, 64, 5000])
def test_every_pair_comes_once_in_an_epoch(thousand, buffer, size):
    folder, table = thousand
    pairs = ParquetPairs(folder, buffer=buffer)
    assert (pairs.n_pairs, pairs.n_users, pairs.n_items) == (
        997,
        *(table.max(0).values + 1).tolist(),
    )
    found, sizes = pairs_of(pairs, 0, size)
    assert sorted(found.tolist()) == sorted(table.tolist())
    assert set(sizes[:-1]) <= {size} and sizes[-1] == 997 - sum(sizes[:-1]) <= size


def test_the_order_is_that_of_the_seed(thousand):
    folder, table = thousand
    pairs = ParquetPairs(folder, buffer=300)
    one, again, other = (pairs_of(pairs, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert not torch.equal(one, table)
    # The pairs of a batch come from many places of the table.
    place = {tuple(pair): n for n, pair in enumerate(table.tolist())}
    spread = [place[tuple(pair)] for pair in one[:64].tolist()]
    assert max(spread) - min(spread) > 200


def test_what_is_held_is_bounded_by_the_buffer(tmp_path, monkeypatch):
    n = 20_000  # in one row group
    write(tmp_path / "a.parquet", np.arange(n) % 100, np.arange(n) % 70, row_group_size=n)
    largest, cat = [], torch.cat

    def watched(tensors, *args):
        joined = cat(tensors, *args)
        largest.append(joined.shape[1])
        return joined

    monkeypatch.setattr("bslutils.stream.torch.cat", watched)
    pairs = ParquetPairs(tmp_path, buffer=1000)
    assert sum(len(user) for user, _ in pairs.batches(64)) == n
    assert 1000 <= max(largest) < 2000 + 64


@pytest.mark.parametrize("kind", ["int8", "uint16", "int32", "uint32", "int64", "uint64"])
def test_whole_numbers_of_any_width(tmp_path, kind):
    users, items = np.array([0, 3, 1], dtype=kind), np.array([7, 0, 100], dtype=kind)
    pairs = ParquetPairs(write(tmp_path / "a.parquet", users, items))
    assert (pairs.n_users, pairs.n_items) == (4, 101)
    assert pairs_of(pairs, 0)[0].dtype == torch.int64


def test_without_statistics_the_ids_are_looked_at(thousand, tmp_path):
    folder, table = thousand
    path = write(tmp_path / "b", *table.T.numpy(), write_statistics=False, row_group_size=99)
    bare, known = ParquetPairs(path), ParquetPairs(folder)
    assert (bare.n_pairs, bare.n_users, bare.n_items) == (
        known.n_pairs,
        known.n_users,
        known.n_items,
    )


def test_columns_of_other_names_and_beside_others(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"when": [1.5, 2.5], "sku": [4, 2], "who": [0, 1]}), path)
    pairs = ParquetPairs(path, columns=("who", "sku"))
    assert sorted(pairs_of(pairs, 0)[0].tolist()) == [[0, 4], [1, 2]]


def bad_files(folder):
    """name -> file, its message."""

    def table(name, **columns):
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
        return folder / f"{name}.parquet"

    (folder / "text.parquet").write_text("user,item\n0,1\n", encoding="utf-8")
    whole = write(folder / "whole.parquet", [0] * 5000, np.arange(5000))
    (folder / "cut.parquet").write_bytes(whole.read_bytes()[:-20])
    (folder / "empty").mkdir()
    return {
        "text": (folder / "text.parquet", "cannot be read as Parquet"),
        "cut off": (folder / "cut.parquet", "cannot be read as Parquet"),
        "missing": (folder / "no.parquet", "there is no file"),
        "empty folder": (folder / "empty", r"has no file \*.parquet"),
        "no pair": (table("none", user=pa.array([], pa.int64()), item=pa.array([], pa.int64())),
                    "has no pair"),
        "no column": (table("one", user=[1]), "has no column 'item'"),
        "texts": (table("texts", user=["a"], item=[1]), "'user' of .* whole numbers, got string"),
        "fractions": (table("floats", user=[1.0], item=[1]), "whole numbers, got double"),
        "negative": (table("minus", user=[0, -1], item=[1, 1]), "'user' of .* has -1"),
        "too large": (table("large", user=[0], item=[2**31]), "'item' of .* has 2147483648"),
        "missing values": (table("nulls", user=[0, None], item=[1, 1]), "'user' of .* missing"),
        "far too large": (table("huge", user=np.array([2**63], dtype="uint64"), item=[1]),
                          "'user' of"),
    }  # fmt: skip


def test_bad_files_are_named(tmp_path):
    for name, (path, message) in bad_files(tmp_path).items():
        with pytest.raises(ValueError, match=message) as error:
            ParquetPairs(path)
        assert path.name in str(error.value), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"buffer": 0}, "buffer must be at least 1"),
        ({"buffer": 1.5}, "buffer must be"),
        ({"columns": "user"}, "columns must be two names"),
        ({"columns": ("user", "user")}, "columns must be two names"),
        ({"columns": ("user", 1)}, "columns must be two names"),
        ({"path": 3}, "path must be"),
        ({"path": "a\0b"}, "path must be"),
    ],
)
def test_bad_arguments_are_named(thousand, options, message):
    with pytest.raises(ValueError, match=message):
        ParquetPairs(options.pop("path", thousand[0]), **options)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        next(ParquetPairs(thousand[0]).batches(0))


def test_a_file_that_changes_meanwhile_is_told(thousand):
    folder, _ = thousand
    pairs = ParquetPairs(folder)
    write(folder / "1.parquet", [0, 99], [0, 0], row_group_size=1)
    with pytest.raises(ValueError, match=r"1.parquet (has changed|cannot be read)"):
        pairs_of(pairs, 0)


def test_a_model_learns_from_a_stream_as_from_memory(synthetic, tmp_path):
    users, items = synthetic.train.nonzero()
    order = np.random.default_rng(0).permutation(len(users))
    pairs = ParquetPairs(
        write(tmp_path / "a.parquet", users[order], items[order], row_group_size=500)
    )
    model = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=16)
    loss, g = bsl.losses.SoftmaxLoss(tau=0.2), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(5):
        for user, pos in pairs.batches(1024, g):
            neg = torch.randint(synthetic.n_items, (64,), generator=g)
            u, i = model(user, torch.cat([pos.squeeze(1), neg]))
            value = loss((u * i[: len(user)]).sum(1), u @ i[len(user) :].T)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
    config = bsl.TrainConfig(epochs=5, n_negatives=64, lr=0.01, progress=False, patience=None)
    other = bsl.models.MatrixFactorization(synthetic.n_users, synthetic.n_items, dim=16)
    bsl.fit(other, synthetic, loss, config)
    ours, theirs = (
        bsl.evaluate(m.eval(), synthetic, split="test")["ndcg@20"] for m in (model, other)
    )
    assert ours > 0.8 * theirs
