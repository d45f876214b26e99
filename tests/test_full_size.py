"""Full-size data through the command line, as the README says."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import bslutils as bsl
from bslutils.data import SOURCES
from bslutils.data.facts import facts

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.slow
def test_the_readmes_run_on_yelp2018(real_data, tmp_path):
    command = re.search(
        r"python -m bslutils (train --data yelp2018 .*?)```",
        README.read_text(encoding="utf-8"),
        re.DOTALL,
    )[1]
    out = tmp_path / "runs.jsonl"
    arguments = [*shlex.split(command.replace("\\\n", " ")), "--out", str(out)]
    result = subprocess.run(
        [sys.executable, "-m", "bslutils", *arguments], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "100%" in result.stderr  # the progress bar
    record = json.loads(out.read_text(encoding="utf-8"))
    print(f"test Recall@20 {record['test']['recall@20']:.4f} in {record['seconds']:.0f} s")
    assert len(record["history"]) == 4 and record["test"]["recall@20"] >= 0.060


FACTS = json.loads((README.parent / "results" / "datasets.json").read_text(encoding="utf-8"))


def test_the_facts_are_of_the_data_sets_that_are_downloaded():
    assert set(FACTS) == {name for name, source in SOURCES.items() if source.files}
    for name, said in FACTS.items():
        assert (said["hash"], said["items"]) == (SOURCES[name].hash, SOURCES[name].n_items)


@pytest.mark.slow
@pytest.mark.parametrize("name", FACTS)
def test_the_facts_are_those_of_the_data(real_data, name):
    found, said = facts(bsl.load(name)), dict(FACTS[name])
    assert found.keys() == said.keys()
    for key, value in found.items():
        close = pytest.approx(value) if isinstance(value, float | dict) else value
        assert said[key] == close, key


LARGE = """
import resource, sys
import numpy as np, torch
from scipy.sparse import csr_array
import bslutils as bsl

rows, rng, n = int(sys.argv[1]), np.random.default_rng(0), int(sys.argv[1]) // 2
pairs = np.unique(rng.integers(n, size=(20_000, 2)), axis=0)
train, valid, test = (
    csr_array((np.ones(len(x), dtype=bool), x.T), shape=(n, n))
    for x in np.split(rng.permutation(pairs), [-400, -200])
)
data = bsl.Interactions(train=train, valid=valid, test=test, name="made")
model = bsl.models.MatrixFactorization(n, n, dim=64)
settings = {"epochs": 3, "lr": 0.01, "optimizer": "row-adam", "batch_size": 4096}
config = bsl.TrainConfig(**settings, n_negatives=64, progress=False)
bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=0.2), config)
print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_fit_holds_six_vectors_a_row():
    """As the chapter *When one machine is not enough* says."""
    few, many = 600_000, 1_200_000
    # glibc keeps what is freed below a threshold that it moves up as it goes: a fixed one gives
    # every tensor back, so that the peak is that of what is held.
    alone = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    peaks = [
        int(subprocess.check_output([sys.executable, "-c", LARGE, str(rows)], env=alone))
        for rows in (few, many)
    ]
    vectors = (peaks[1] - peaks[0]) / (many - few) / (4 * 64)
    print(f"{vectors:.2f} vectors a row")
    assert 5.5 < vectors < 6.3
