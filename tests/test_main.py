"""The command line."""

import json

import pytest

from bslutils.__main__ import main

TRAIN = ["train", "--data", "synthetic", "--epochs", "1", "--dim", "8", "--no-progress"]


def test_data_lists_and_counts(capsys):
    assert main(["data"]) == 0
    assert capsys.readouterr().out.split()[0] == "movielens-small"
    assert main(["data", "synthetic"]) == 0
    out = capsys.readouterr().out
    assert "users                    500" in out and "hash" in out


def test_train_reports_and_appends_a_record(capsys, tmp_path):
    out = tmp_path / "runs.jsonl"
    command = [*TRAIN, "--loss", "softmax", "--tau", "0.2", "--ks", "10", "20", "--out", str(out)]
    assert main(command) == 0
    assert main([*command, "--protocol", "paper"]) == 0
    printed = capsys.readouterr().out
    assert "test recall@10" in printed and "paper protocol" in printed
    honest, paper = map(json.loads, out.read_text().splitlines())
    assert honest["loss"] == {"name": "softmax", "tau": 0.2}
    assert 0 < honest["test"]["ndcg@20"] < 1 and honest["config"]["epochs"] == 1
    assert (honest["data"]["protocol"], paper["data"]["protocol"]) == ("honest", "paper")


def test_train_on_files(capsys, tmp_path):
    (tmp_path / "train.txt").write_text("".join(f"{u} {u} {u + 1} {u + 2}\n" for u in range(9)))
    (tmp_path / "test.txt").write_text("0 5\n")
    files = ["--data", str(tmp_path / "train.txt"), "--test-file", str(tmp_path / "test.txt")]
    assert main(["train", *files, "--loss", "bpr", "--epochs", "1", "--no-progress"]) == 0
    assert "test recall@20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--loss", "hinge"], "unknown loss 'hinge'; choose one of mse"),
        (["--loss", "softmax"], "loss 'softmax' needs a value for tau"),
        (["--loss", "bpr", "--margin", "0.1"], "loss 'bpr' has no parameter 'margin'"),
        (["--loss", "softmax", "--tau", "-1"], "tau must be a positive finite number, got -1.0"),
        (["--loss", "bpr", "--data", "netflix"], "unknown data set 'netflix'; choose one of"),
        (["--loss", "bpr", "--lr", "0"], "lr must be positive and finite"),
        (["--loss", "bpr", "--dim", "0"], "dim must be at least 1, got 0"),
        (["--loss", "bpr", "--n-layers", "2"], "model 'MF' has no parameter 'n_layers'; it takes"),
        (
            ["--loss", "bpr", "--model", "NGCF", "--model-args", "eps=0.1"],
            "model 'NGCF' has no parameter 'eps'; it takes",
        ),
        (
            ["--loss", "bpr", "--model", "XSimGCL", "--model-args", "contrast_layer=1.5"],
            "--model-args: contrast_layer must be a value of type int, got '1.5'",
        ),
        (
            ["--loss", "bpr", "--model", "SimGCL", "--model-args", "weight"],
            "--model-args: weight must be a value of type float, got ''",
        ),
        (["--loss", "bpr", "--ks", "0"], "--ks must be at least 1, got 0"),
        (["--loss", "bpr", "--device", "cuda:7"], "device 'cuda:7' was asked for"),
    ],
)
def test_bad_arguments_write_nothing(capsys, tmp_path, arguments, message):
    out = tmp_path / "runs.jsonl"
    assert main([*TRAIN, *arguments, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and message in captured.err
    assert captured.out == "" and not out.exists()


def test_a_missing_folder_is_said_before_training(capsys, tmp_path):
    assert main([*TRAIN, "--loss", "bpr", "--out", str(tmp_path / "no" / "runs.jsonl")]) == 2
    assert "does not exist" in capsys.readouterr().err and not (tmp_path / "no").exists()


def test_lightgcn_and_the_switches(capsys, tmp_path):
    out = tmp_path / "runs.jsonl"
    command = [*TRAIN, "--loss", "softmax", "--tau", "0.2", "--out", str(out)]
    graph = ["--model", "LightGCN", "--n-layers", "1", "--rank-score", "dot"]
    assert main([*command, *graph]) == 0
    rows = ["--optimizer", "row-adam", "--no-replacement", "--n-negatives", "801"]
    assert main([*command, *rows]) == 2
    assert "cannot draw (801,) of 800 items without replacement" in capsys.readouterr().err
    record = json.loads(out.read_text())
    assert "LightGCN" in record["model"] and "rank_score='dot'" in record["model"]
    assert record["config"]["replacement"] is True


@pytest.mark.parametrize(
    ("model", "given", "shown"),
    [
        ("MF", ["--user-dropout", "0.1"], "MatrixFactorization(n_users=500"),
        ("NGCF", ["--model-args", "message_dropout=0.3"], "message_dropout=0.3"),
        ("LightGCN++", ["--n-layers", "1", "--model-args", "alpha=0.7", "beta=0"], "beta=0.0"),
        ("SimGCL", ["--model-args", "eps=0.3"], "n_layers=2"),
        ("XSimGCL", ["--model-args", "contrast_layer=2", "weight=1"], "contrast_layer=2"),
    ],
)
def test_every_model_by_name(capsys, tmp_path, model, given, shown):
    out = tmp_path / "runs.jsonl"
    command = [*TRAIN, "--loss", "bpr", "--model", model, *given, "--out", str(out)]
    assert main(command) == 0
    assert shown in json.loads(out.read_text())["model"]
