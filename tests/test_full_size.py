"""Full-size data through the command line, as the README says."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import bslutils as bsl
from bslutils.sampling import expected_partners

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.slow
def test_the_readmes_run_on_yelp2018(real_data, tmp_path):
    command = re.search(r"python -m bslutils (train .*?)```", README.read_text(), re.DOTALL)[1]
    out = tmp_path / "runs.jsonl"
    arguments = [*shlex.split(command.replace("\\\n", " ")), "--out", str(out)]
    result = subprocess.run(
        [sys.executable, "-m", "bslutils", *arguments], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "100%" in result.stderr  # the progress bar
    record = json.loads(out.read_text())
    print(f"test Recall@20 {record['test']['recall@20']:.4f} in {record['seconds']:.0f} s")
    assert len(record["history"]) == 4 and record["test"]["recall@20"] >= 0.060


@pytest.mark.slow
def test_the_record_of_expected_partners(real_data):
    path = README.parent / "results" / "expected-partners.json"
    for row in json.loads(path.read_text())["rows"]:
        data = bsl.load(row["data"], valid_fraction=0)
        assert (data.hash, data.train.nnz) == (row["hash"], row["pairs"])
        assert expected_partners(data.train, row["batch_size"]) == pytest.approx(row["expected"])
