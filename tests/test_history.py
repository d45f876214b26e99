"""Nothing recorded is ever lost: what a commit took out of a file of records stands elsewhere."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from bslutils.experiments import SWEEPS, known_records, path_of, superseded

ROOT = Path(__file__).parent.parent


def git(*arguments, at=ROOT):
    done = subprocess.run(["git", "-C", str(at), *arguments], capture_output=True, check=True)
    return done.stdout.decode()


def taken_out(at=ROOT):
    """The lines that a commit took out of a file of records; a merge against each of its sides."""
    log = git("log", "-m", "--no-renames", "--format=", "-p", "-U0", "--", "results/*.jsonl", at=at)
    return [line[1:] for line in log.splitlines() if line.startswith("-{")]


def lost(removed, kept):
    """The records among ``removed`` lines that are in no line that is kept."""
    here = {content(line) for line in kept}
    return [line for line in removed if content(line) not in here]


def content(line):
    record = json.loads(line)
    for added in ("superseded", "check"):  # later than the record itself
        record.pop(added, None)
    return json.dumps(record, sort_keys=True)


def test_no_commit_loses_a_record():
    """In the history that is here: all of it, unless the clone is a shallow one."""
    files = (ROOT / "results").glob("*.jsonl")
    kept = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    assert lost(taken_out(), kept) == []


def test_what_a_merge_takes_out_is_seen(tmp_path):
    def run(*arguments):
        return git("-c", "user.name=A", "-c", "user.email=a@b.c", *arguments, at=tmp_path)

    def commit(**lines):
        for name, text in lines.items():
            (tmp_path / "results" / f"{name}.jsonl").write_text(text, encoding="utf-8")
        run("add", "-A")
        run("commit", "-qm", "a change")

    (tmp_path / "results").mkdir()
    run("init", "-q", "-b", "main")
    commit(one='{"id": "1"}\n{"id": "2"}\n')
    run("checkout", "-qb", "side")
    commit(two='{"id": "3"}\n')
    run("checkout", "-q", "main")
    commit(three='{"id": "4"}\n')
    run("merge", "-q", "--no-commit", "side")
    commit(one='{"id": "1"}\n')
    assert {'{"id": "2"}'} <= {*taken_out(tmp_path)}


def test_a_record_that_is_gone_or_changed_is_seen():
    one, other = ({"id": "1", "test": {"recall@20": x}} for x in (0.1, 0.2))
    moved = one | {"superseded": {"file": "field", "reason": "another plan"}}
    line = json.dumps(one)
    assert lost([line], [json.dumps(moved)]) == []
    assert lost([line], [json.dumps(other), json.dumps({"id": "2"})]) == [line]


def test_what_is_superseded_says_of_what_and_why_and_counts_no_more(monkeypatch):
    found = superseded()
    assert {r["superseded"]["file"] for r in found} - set(SWEEPS) <= {"runs"}
    assert all(len(r["superseded"]["reason"]) > 20 for r in found)
    known = known_records(path_of(""))
    theirs = {json.dumps(r["test"]) for r in found if r["id"] in known}
    assert len(theirs) <= 1  # a setting that was run again, since it came back into a plan
    monkeypatch.setattr("bslutils.experiments.records.FOLDER", ROOT / "tests")
    assert superseded() == []


@pytest.mark.parametrize("name", ["field", "backbones", "published"])
def test_what_was_taken_out_is_back(name):
    count = Counter(r["superseded"]["file"] for r in superseded())
    assert count[name] >= {"field": 282, "backbones": 11, "published": 9}[name]
