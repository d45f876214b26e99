"""The command line."""

import argparse
import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bslutils as bsl
from bslutils import cli
from bslutils.cli import main
from bslutils.experiments import SIZES
from bslutils.flags import add_flags, given, parameters

TRAIN = ["train", "--data", "synthetic", "--epochs", "1", "--dim", "8", "--no-progress"]
COMMANDS = [
    "",
    "data",
    "train",
    "recommend",
    "sweep",
    "results",
    "results status",
    "results merge",
    "verify",
]


def helped(command, capsys):
    """What ``--help`` prints, on one line."""
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--help"])
    assert end.value.code == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(capsys, command):
    assert helped(command, capsys).startswith(f"usage: python -m bslutils {command}".strip())


def test_every_argument_has_help():
    def of(parser):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from (choice.help for choice in action._choices_actions)
                for inner in action.choices.values():
                    yield from of(inner)
            else:
                yield action.help

    texts = list(of(cli._parser()))
    assert len(texts) > 80 and all(texts)


def test_every_parameter_is_explained_and_declared_once():
    kinds = {}
    for kind, taker, spec, text in parameters():
        assert text, f"the docstring of {taker or kind} says nothing of {spec.name}"
        kinds.setdefault((kind, spec.name), set()).add(spec.annotation)
    assert {len(declared) for declared in kinds.values()} == {1}  # a flag reads one type


def test_help_is_what_the_docstrings_say(capsys):
    text = helped("train", capsys)
    assert "--epochs INT passes over the training pairs, at most (default: 30)" in text
    assert "--user-dropout FLOAT chance in [0, 1) that a coordinate of a user's vector" in text
    assert "--message-dropout FLOAT" in text and "(NGCF; default: 0.1)" in text
    assert "1 is the textbook loss (bce; default: 1.0) /" in text
    # An argument "as in" another, and a docstring without any, say what the other says.
    assert "length of a vector, d (MF, NGCF, LightGCN, LightGCN++, SimGCL, XSimGCL;" in text
    assert "pooled_softmax, psl_tanh, psl_atan, psl_relu" in text
    assert "tensor" not in text and "``" not in text and ":class:" not in text
    assert " or ".join(SIZES) in helped("sweep", capsys)


def test_flags_have_the_types_of_the_parameters():
    parser = argparse.ArgumentParser()
    add_flags(parser)
    values = "--tau 1 --k 5 --alpha 0.5 --pos-in-denominator --patience None --no-replacement"
    args = parser.parse_args([*values.split(), "--model-alpha=-1", "--rank-score", "dot"])
    of_loss = given(args, "loss")
    assert of_loss == {"tau": 1.0, "k": 5, "alpha": 0.5, "pos_in_denominator": True}
    assert isinstance(of_loss["tau"], float) and isinstance(of_loss["k"], int)
    assert given(args, "model") == {"alpha": -1.0, "rank_score": "dot"}
    assert given(args, "training") == {"patience": None, "replacement": False}


def test_package_and_help_import_neither_experiments_nor_claims_nor_figures():
    """And the claims can be imported first of all, where there is nothing to draw with."""
    code = """
import sys
from bslutils.cli import main
try:
    main(["train", "--help"])
except SystemExit:
    heavy = ("bslutils.experiments", "bslutils.verify", "matplotlib")
    print([name for name in sys.modules if name.startswith(heavy)], file=sys.stderr)
sys.modules |= dict.fromkeys(["matplotlib", "seaborn", "pandas", "IPython"])
from bslutils import verify
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert "usage" in result.stdout and result.stderr.strip() == "[]"


def test_the_module_and_the_script_are_this_program():
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    scripts = tomllib.loads(project)["project"]["scripts"]
    assert pkgutil.resolve_name(scripts["bslutils"]) is main
    command = [sys.executable, "-m", "bslutils", "data"]
    result = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert result.returncode == 0 and "movielens-small" in result.stdout.split()


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
    honest, paper = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert honest["loss"] == {"name": "softmax", "tau": 0.2}
    assert 0 < honest["test"]["ndcg@20"] < 1 and honest["config"]["epochs"] == 1
    assert (honest["data"]["protocol"], paper["data"]["protocol"]) == ("honest", "paper")


def test_train_on_files(capsys, tmp_path):
    (tmp_path / "train.txt").write_text(
        "".join(f"{u} {u} {u + 1} {u + 2}\n" for u in range(9)), encoding="utf-8"
    )
    (tmp_path / "test.txt").write_text("0 5\n", encoding="utf-8")
    files = ["--data", str(tmp_path / "train.txt"), "--test-file", str(tmp_path / "test.txt")]
    assert main(["data", *files[1:]]) == 2  # four integers a line
    assert "--layout lists" in capsys.readouterr().err
    train = [
        "train",
        *files,
        "--layout",
        "lists",
        "--loss",
        "bpr",
        "--epochs",
        "1",
        "--no-progress",
    ]
    assert main([*train, "--metric", "ndcg@5", "--ks", "5"]) == 0
    assert "test recall@5" in capsys.readouterr().out
    assert main(train) == 2
    assert "--ks must be at most 11, the number of items of train" in capsys.readouterr().err


def test_train_on_a_table(capsys, tmp_path):
    path = tmp_path / "ratings.csv"
    rows = [f"u{u};i{i};{1 + i % 5};{u + i}" for u in range(9) for i in range(u, u + 20)]
    path.write_text("\n".join(["who;what;stars;when", *rows]) + "\n", encoding="utf-8")
    columns = ["user=who", "item=what", "rating=stars", "time=3"]
    command = ["--columns", *columns, "--min-rating", "4", "--split", "last", "--sep", ";"]
    assert main(["data", str(path), *command]) == 0
    assert "dropped, low ratings     108" in capsys.readouterr().out
    train = ["train", "--data", str(path), "--loss", "bpr", "--epochs", "1", "--no-progress"]
    assert main([*train, *command, "--ks", "5"]) == 0
    assert "test recall@5" in capsys.readouterr().out
    in_order = ["--header", "--columns", "user,item,rating,time", "--min-rating", "4"]
    assert main(["data", str(path), *in_order]) == 0
    assert "dropped, low ratings     108" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ratings"], "unknown data set 'ratings'; choose one of movielens-small"),
        (["none.csv"], "none.csv: cannot be read (No such file"),
        (["."], ".: cannot be read (not a file)"),
        (["synthetic", "--min-rating", "4"], "--min-rating is of a file, and 'synthetic' is a"),
        (["x.csv", "--columns", "user=a", "user=b"], "--columns names a role twice"),
        (["x.csv"], "x.csv, line 1: this may be a header or a row: 'a', 'b'"),
        (["x.csv", "--header", "--columns", "user=a", "item=c"], "no column 'c' for 'item'"),
        (["x.csv", "--no-header", "--sep", "\\t"], "perhaps ',' does: 'x.csv' --sep ,"),
        (["x.csv", "--encoding", "klingon"], "cannot be read in the encoding 'klingon'"),
    ],
)
def test_bad_files(capsys, tmp_path, monkeypatch, arguments, message):
    (tmp_path / "x.csv").write_text("a,b\nc,d\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["data", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--loss", "hinge"], "unknown loss 'hinge'; choose one of mse"),
        (["--loss", "softmax"], "loss 'softmax' needs a value for tau"),
        (["--loss", "bpr", "--margin", "0.1"], "loss 'bpr' has no parameter 'margin'"),
        (["--loss", "softmax", "--tau", "-1"], "tau must be a positive finite number, got -1.0"),
        (["--loss", "bpr", "--data", "netflix"], "unknown data set 'netflix'; choose one of"),
        (["--loss", "bpr", "--lr", "0"], "lr must be a positive finite number"),
        (["--loss", "bpr", "--dim", "0"], "dim must be at least 1, got 0"),
        (["--loss", "bpr", "--n-layers", "2"], "model 'MF' has no parameter 'n_layers'; it takes"),
        (
            ["--loss", "bpr", "--model", "NGCF", "--eps", "0.1"],
            "model 'NGCF' has no parameter 'eps'; it takes",
        ),
        (
            ["--loss", "bpr", "--model", "LightGCN++", "--alpha", "0.5"],
            "loss 'bpr' has no parameter 'alpha'; it takes ['tau']",
        ),
        (
            ["--loss", "llpauc", "--beta", "0.5", "--model-beta", "0"],
            "model 'MF' has no parameter 'beta'; it takes",
        ),
        (["--loss", "bpr", "--ks", "0"], "--ks must be a whole number of at least 1, got 0"),
        (["--loss", "bpr", "--device", "gpu"], "device must be cpu, cuda or another that torch"),
        (["--loss", "bpr", "--device", "cuda:7"], "device must be one that torch sees, got"),
    ],
)
def test_bad_arguments_write_nothing(capsys, tmp_path, arguments, message):
    out = tmp_path / "runs.jsonl"
    assert main([*TRAIN, *arguments, "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and message in captured.err
    assert captured.out == "" and not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "XSimGCL", "--contrast-layer", "1.5"], "--contrast-layer: invalid int value"),
        (["--model", "SimGCL", "--weight"], "--weight: expected one argument"),
        (["--model", "BERT"], "--model: invalid choice: 'BERT'"),
        (["--tua", "0.2"], "unrecognized arguments: --tua 0.2"),
        (["--weight-dec", "0.2"], "unrecognized arguments: --weight-dec 0.2"),
    ],
)
def test_what_cannot_be_read_writes_nothing(capsys, tmp_path, arguments, message):
    out = tmp_path / "runs.jsonl"
    with pytest.raises(SystemExit) as end:
        main([*TRAIN, "--loss", "bpr", *arguments, "--out", str(out)])
    captured = capsys.readouterr()
    assert end.value.code == 2 and captured.out == "" and not out.exists()
    assert message in captured.err and "--tau FLOAT" in captured.err  # the offender, the choices


def test_a_sweep_on_an_unknown_device_writes_nothing(capsys, tmp_path):
    file = tmp_path / "reference.jsonl"
    assert main(["sweep", "reference", "--device", "gpu", "--file", str(file)]) == 2
    assert "got 'gpu'" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_said_before_training(capsys, tmp_path):
    assert main([*TRAIN, "--loss", "bpr", "--out", str(tmp_path / "no" / "runs.jsonl")]) == 2
    assert "does not exist" in capsys.readouterr().err and not (tmp_path / "no").exists()
    assert main([*TRAIN, "--loss", "bpr", "--out", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert f"--out: {tmp_path} is a folder" in printed.err and not printed.out


def test_a_terminal_without_greek():
    code = "import sys; from bslutils.cli import main; sys.exit(main(['verify', '--list']))"
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.returncode == 0 and rb"\u03c4" in done.stdout, done.stderr[-500:]


def test_lightgcn_and_the_switches(capsys, tmp_path):
    out = tmp_path / "runs.jsonl"
    command = [*TRAIN, "--loss", "softmax", "--tau", "0.2", "--out", str(out)]
    graph = ["--model", "LightGCN", "--n-layers", "1", "--rank-score", "dot"]
    assert main([*command, *graph]) == 0
    rows = ["--optimizer", "row-adam", "--no-replacement", "--n-negatives", "801"]
    assert main([*command, *rows]) == 2
    assert "cannot draw (801,) of 800 items without replacement" in capsys.readouterr().err
    record = json.loads(out.read_text(encoding="utf-8"))
    assert "LightGCN" in record["model"] and "rank_score='dot'" in record["model"]
    assert record["config"]["replacement"] is True


@pytest.mark.parametrize(
    ("model", "given", "shown"),
    [
        ("MF", ["--user-dropout", "0.1"], "MatrixFactorization(n_users=500"),
        ("NGCF", ["--message-dropout", "0.3"], "message_dropout=0.3"),
        ("LightGCN++", ["--n-layers", "1", "--model-alpha", "0.7", "--model-beta=0"], "beta=0.0"),
        ("SimGCL", ["--eps", "0.3"], "n_layers=2"),
        ("XSimGCL", ["--contrast-layer", "2", "--weight", "1"], "contrast_layer=2"),
    ],
)
def test_every_model_by_name(capsys, tmp_path, model, given, shown):
    out = tmp_path / "runs.jsonl"
    command = [*TRAIN, "--loss", "bpr", "--model", model, *given, "--out", str(out)]
    assert main(command) == 0
    assert shown in json.loads(out.read_text(encoding="utf-8"))["model"]


def test_a_name_that_loss_and_model_share(tmp_path):
    out = tmp_path / "runs.jsonl"
    shared = ["--loss", "llpauc", "--beta", "0.5", "--model", "LightGCN++", "--model-beta", "0.1"]
    assert main([*TRAIN, *shared, "--out", str(out)]) == 0
    record = json.loads(out.read_text(encoding="utf-8"))
    assert record["loss"] == {"name": "llpauc", "beta": 0.5} and "beta=0.1" in record["model"]


def test_the_seed_is_that_of_the_model_too(monkeypatch):
    def show(name, data, **given):
        raise LookupError(given)

    monkeypatch.setattr("bslutils.cli.training.make_model", show)
    with pytest.raises(LookupError, match="'seed': 7"):
        main([*TRAIN, "--loss", "bpr", "--seed", "7"])


def test_what_is_wrong_with_a_file_is_said_in_flags(capsys, tmp_path):
    """And what is proposed works, once the right names are in it."""
    path = tmp_path / "shop.csv"
    rows = [f"u{n % 9},i{n % 7},{n % 5 + 1}" for n in range(200)]
    path.write_text("\n".join(["usr,item,stars", *rows]), encoding="utf-8")
    assert main(["data", str(path)]) == 2
    said = capsys.readouterr().err
    [proposed] = re.findall(r"--columns (user=usr item=item rating=stars)", said)
    assert "columns=" not in said
    assert main(["data", str(path), "--columns", *proposed.split()]) == 0
    said = capsys.readouterr().err
    [proposed] = re.findall(r"warning: .*; (--min-rating \d) keeps those above the mean", said)
    columns = ["--columns", "user=usr", "item=item", "rating=stars"]
    assert main(["data", str(path), *columns, *proposed.split()]) == 0
    printed = capsys.readouterr()
    assert "low ratings" in printed.out and printed.err == ""
    path.write_text("\n".join(rows), encoding="utf-8")
    assert main(["data", str(path)]) == 2
    [proposed] = re.findall(r"--columns (user item rating),", capsys.readouterr().err)
    assert main(["data", str(path), "--columns", *proposed.split(), "--min-rating", "4"]) == 0


def test_train_counts_what_it_read_and_keeps_the_model(capsys, tmp_path):
    path, folder = tmp_path / "shop.csv", tmp_path / "model"
    rows = [f"u{n % 31},i{n % 17},{n % 5 + 1}" for n in range(500)]
    path.write_text("\n".join(["user,item,rating", *rows]), encoding="utf-8")
    command = ["train", "--data", str(path), "--min-rating", "3", "--loss", "softmax", "--tau", "1"]
    command += ["--epochs", "1", "--no-progress", "--ks", "5", "--save", str(folder)]
    command += ["--metric", "ndcg@5"]
    assert main(command) == 0
    assert re.search(r"^31 users; 17 items; .* dropped, low ratings", capsys.readouterr().out, re.M)
    data = bsl.load_files(path, min_rating=3)
    run = bsl.load_run(folder, data)
    [(name, found)] = bsl.recommend(run.model, data, "u3", k=5)
    assert name == "u3" and found
    assert main(command) == 2 and "is there already" in capsys.readouterr().err
    command[-3] = str(tmp_path / "no" / "model")
    assert main(command) == 2 and "does not exist" in capsys.readouterr().err
