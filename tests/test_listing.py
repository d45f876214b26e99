"""The command ``recommend``: a saved model in, lists out."""

import csv
import io
from pathlib import Path

import pytest

import bslutils as bsl
from bslutils.cli import main


@pytest.fixture(scope="module", params=["names", "numbers"])
def shop(request, tmp_path_factory):
    """A table, as words of the command line, and the folder of a model that it trained."""
    folder = tmp_path_factory.mktemp("shop")
    letter = "c" if request.param == "names" else ""
    rows = [
        f"{letter}{10 + n % 31};i{(7 * n + n // 31) % 17};2024-01-{1 + n % 28:02}"
        for n in range(500)
    ]
    table = folder / "orders.csv"
    table.write_text("\n".join(["customer;sku;ordered", *rows]), encoding="utf-8")
    data = ["--data", str(table), "--columns", "user=customer", "item=sku", "--test-fraction", "0"]
    train = ["train", *data, "--loss", "softmax", "--tau", "0.2", "--epochs", "2"]
    train += ["--metric", "ndcg@5", "--no-progress", "--save", str(folder / "run")]
    assert main(train) == 0  # trained on all, with nothing to test on
    return data, folder, letter


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


def test_the_lists_are_those_of_the_function(shop, capsys):
    words, folder, letter = shop
    names = [f"{letter}12", f"{letter}30"]
    assert main(["recommend", str(folder / "run"), *words, "--users", *names, "--k", "4"]) == 0
    header, *rows = rows_of(capsys.readouterr().out)
    assert header == ["user", "rank", "item", "score"]
    columns = {"user": "customer", "item": "sku"}
    data = bsl.load_files(folder / "orders.csv", columns=columns, test_fraction=0)
    model = bsl.load_run(folder / "run", data).model
    users = names if letter else list(map(int, names))
    found = bsl.recommend(model, data, users, k=4, leave_out=("train", "valid", "test")).columns()
    expected = zip(*(found[name].tolist() for name in header), strict=True)
    assert rows == [list(map(str, row)) for row in expected]
    bought = (folder / "orders.csv").read_text(encoding="utf-8")
    assert not any(f"{user};{item};" in bought for user, _, item, _ in rows)


def test_all_users_into_a_file(shop, capsys):
    words, folder, _ = shop
    out = folder / "ten.csv"
    command = ["recommend", str(folder / "run"), *words, "--leave-out", "--out", str(out)]
    assert main([*command, "--k", "3"]) == 0 and not capsys.readouterr().out
    rows = rows_of(out.read_text(encoding="utf-8"))[1:]
    assert len(rows) == 31 * 3 and [row[1] for row in rows[:4]] == ["1", "2", "3", "1"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--users", "nobody"], "nobody"),
        (["--k", "99"], "k must be at most 17, the number of items of orders, got 99"),
        (["--k", "0"], "k must be"),
        (["--out", "no/ten.csv"], "does not exist"),
        (["--out", "."], "is a folder"),
        (["--valid-fraction", "0.5"], "load the data of the run, read alike, or train anew on"),
    ],
)
def test_bad_arguments_write_nothing(shop, capsys, tmp_path, monkeypatch, more, message):
    words, folder, _ = shop
    monkeypatch.chdir(tmp_path)
    assert main(["recommend", str(folder / "run"), *words, *more]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and not printed.out and not list(Path().iterdir())
    assert main(["recommend", "nowhere", *words]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err
