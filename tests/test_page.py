"""What pages share: numbers that are said, what is said where a run is missing, and what is not."""

import ast
import sys
import types
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib import pyplot

import bslutils
from bslutils import TrainConfig, page as module, page_benches, plots
from bslutils.data import SOURCES
from bslutils.experiments import SWEEPS, MissingRun, known_records, path_of, records as files
from bslutils.experiments.convergence import testbeds, twice
from bslutils.experiments.judged import Judged
from bslutils.experiments.paper_benches import BENCHES, WORST
from bslutils.experiments.paper_curves import Curve
from bslutils.experiments.paper_noise import valid_ndcg
from bslutils.experiments.testbeds import SETTINGS, at_edge
from bslutils.experiments.trial import Trial
from bslutils.experiments.verdicts import Estimate
from bslutils.experiments.walk import valid
from bslutils.intervals import Interval
from bslutils.page import Page, Readings
from bslutils.page_benches import (
    bench_facts,
    bench_title,
    ends_at_edge,
    on_paper_data,
    states,
    tuned_setting,
    verdicts_on,
    walked_setting,
)
from bslutils.verify import Claim, Finding, Result

RUN = "a run is missing: ml-1m/honest/MF/bpr tau=1, seed 0"


def lost():
    raise MissingRun(RUN)


@pytest.fixture
def said(monkeypatch):
    """What is glued into the page, by name."""
    found, fake = {}, types.ModuleType("myst_nb")

    def glue(name, value, display):
        assert not display
        found[name] = value

    fake.glue = glue
    monkeypatch.setitem(sys.modules, "myst_nb", fake)
    return found


@pytest.fixture(scope="module")
def complete():
    return Page("published")


@pytest.fixture
def partial(monkeypatch, tmp_path):
    """A page whose records lack one run of the sweep that it rests on."""
    wanted = SWEEPS["published"].trials()
    lines = files.path_of("published").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if wanted[3].id not in line]
    assert len(kept) == len(lines) - 1
    (tmp_path / "published.jsonl").write_text("".join(kept), encoding="utf-8")
    monkeypatch.setattr(files, "FOLDER", tmp_path)
    return Page("published")


def test_a_page_knows_what_its_sweeps_lack(complete, partial):
    assert complete.complete and complete.missing == [] and complete.gaps == {}
    assert len(complete.records) > 1000  # of every sweep
    wanted = complete.trials["published"]
    assert not partial.complete and [t.id for t in partial.missing] == [wanted[3].id]
    assert len(partial.trials["published"]) < len(wanted)  # what it would have chosen
    with pytest.raises(ValueError, match="unknown sweep 'publish'; choose one of"):
        Page("publish")


def test_a_page_says_where_its_records_come_from(complete):
    command = "python -m bslutils sweep published"
    [line] = complete.origins()
    assert line.startswith(f"* `{command}`: 37 of 37 runs")


def test_a_run_without_the_users_that_are_wanted_is_missing(complete, said, monkeypatch):
    plain = SWEEPS["published"]

    def plan(*now):
        return [replace(trial, users=True) for trial in plain.plan(*now)]

    monkeypatch.setitem(SWEEPS, "published", replace(plain, plan=plan))
    page = Page("published")
    assert page.missing == complete.trials["published"] and not page.complete
    n = len(page.missing)
    assert page.origins()[1:] == [
        f"* {n} runs are missing of those planned so far: `python -m bslutils sweep published`"
    ]
    page.say("it", lost)  # is no bug, then
    assert page.gaps == {"it": RUN}


def test_a_page_says_which_sweep_lacks_a_run(partial):
    where, lacking = partial.origins()
    n = len(partial.trials["published"])
    assert f"published`: {n - 1} of {n} runs" in where
    assert (
        lacking
        == "* a run is missing of those planned so far: `python -m bslutils sweep published`"
    )


def test_what_is_read_is_said(said, complete):
    complete.say("x", lambda: "+3.1%")
    assert said == {"x": "+3.1%"} and complete.gaps == {}


def test_a_gap_is_said_and_remembered(said, partial):
    partial.say("x", lost)
    partial.say("y", lambda: 3)
    assert said == {"x": "(a run is missing)", "y": 3} and partial.gaps == {"x": RUN}


@pytest.mark.parametrize("error", [KeyError("x"), TypeError(), ValueError(), IndexError()])
def test_a_bug_is_not_a_missing_run(said, partial, error):
    def broken():
        raise error

    for read in (
        lambda: partial.say("x", broken),
        lambda: partial.sure(broken),
        lambda: partial.attempt(broken),
        lambda: Readings(lambda key: broken(), "ab"),
    ):
        with pytest.raises(type(error)):
            read()
    assert said == {} and partial.gaps == {}


def test_where_all_is_recorded_a_missing_run_is_a_bug(said, complete):
    """It is one that no sweep of the page makes."""
    for read in (
        lambda: complete.say("x", lost),
        lambda: complete.sure(lost),
        lambda: complete.attempt(lost, 3),
    ):
        with pytest.raises(MissingRun, match=RUN):
            read()
    assert said == {}


def test_a_page_is_held_to_what_is_recorded(complete, partial):
    for page in (complete, partial):
        page.sure(lambda: 1 < 2)
        with pytest.raises(AssertionError):
            page.sure(lambda: 1 > 2)
    partial.sure(lost)  # nothing to hold it to, yet
    assert partial.attempt(lost) is None and partial.attempt(lost, "missing") == "missing"
    assert partial.attempt(lambda: 3, "missing") == 3


def result(stands, conditions=""):
    claim = Claim("id", "It rains.", "us", VERDICT, lambda: None, conditions=conditions)
    return Result(claim, Finding("2 mm", []), stands, 0.1)


VERDICT = "holds under conditions"


def test_claims_are_lines_and_have_to_stand_once_all_is_recorded(complete, partial):
    lines = complete.judged([result(True), result(True, "in autumn")])
    assert lines == [
        "* **It rains.** *Holds under conditions.*\\\n  *Measured* (`id` in the ledger): 2 mm.",
        "* **It rains.** *Holds under conditions.*\\\n  In autumn.\\\n"
        "  *Measured* (`id` in the ledger): 2 mm.",
    ]
    assert partial.judged([result(False)]) == lines[:1]
    with pytest.raises(AssertionError, match="id no longer stands: 2 mm"):
        complete.judged([result(False)])


def test_readings_tell_a_missing_run_from_a_key_that_nobody_read():
    def read(loss, level):
        return lost() if level > 1 else f"{loss}{level}"

    found = Readings(read, [("bpr", 1), ("bpr", 2), ("mse", 1)])
    assert found == {("bpr", 1): "bpr1", ("mse", 1): "mse1"}
    assert found.missing == {("bpr", 2): RUN} and ("bpr", 2) not in found
    for ask in (lambda: found["bpr", 2], found.every):
        with pytest.raises(MissingRun, match=RUN):
            ask()
    with pytest.raises(KeyError):
        found["bpr", 3]
    assert Readings(str.upper, ["b", "a"]).every() == ["B", "A"]


def test_of_nothing_there_is_no_best():
    assert module.some((1, 2)) == (1, 2)
    with pytest.raises(MissingRun):
        module.some([])


def test_colours_and_names_are_those_of_the_figures():
    for loss, (name, color) in plots.LOSS_STYLES.items():
        assert (module.label(loss), module.color(loss)) == (name, color)
    losses = ("mse", "softmax", "bpr", "bilateral_softmax")
    named = (module.GREY, module.BLUE, module.GOLD, module.RED)
    assert named == tuple(plots.LOSS_STYLES[loss][1] for loss in losses)
    with pytest.raises(ValueError, match="no style for loss 'hinge'"):
        module.label("hinge")


def test_what_is_absent_is_in_the_legend():
    from matplotlib import pyplot as plt

    _, ax = plt.subplots()
    module.absent(ax, **plots.loss_style("bpr"))
    assert ax.get_legend_handles_labels()[1] == ["BPR (missing)"]
    plt.close()


def test_a_page_without_a_file_of_records_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "FOLDER", tmp_path / "own")
    monkeypatch.setattr(files, "SHIPPED", tmp_path / "shipped")
    with pytest.raises(FileNotFoundError, match=r"own/published.jsonl.*install it from"):
        Page("published")
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "published.jsonl").touch()
    page = Page("published")  # a file without runs: they are missing, and the page says so
    assert page.records == {} and len(page.missing) == len(SWEEPS["published"].trials())


def test_own_records_and_those_of_the_package_count_together(monkeypatch, tmp_path):
    lines = files.path_of("published").read_text(encoding="utf-8").splitlines(keepends=True)
    for folder, kept in (("own", lines[:2]), ("shipped", lines[1:4])):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "published.jsonl").write_text("".join(kept), encoding="utf-8")
        monkeypatch.setattr(files, folder.replace("own", "folder").upper(), tmp_path / folder)
    assert len(known_records(path_of(""))) == len(known_records(path_of("published"))) == 4
    assert files.file_of("results/published.jsonl").parent.name == "own"
    elsewhere = tmp_path / "other" / "published.jsonl"
    assert known_records(elsewhere) == {}


def test_without_myst_nb_nothing_is_glued(monkeypatch):
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    assert module.glue("x", "y") is None


def test_nothing_in_the_package_imports_what_is_for_pages():
    root = Path(bslutils.__file__).parent
    users = []
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            named = {*(getattr(node, "module", None) or "").split("."), *names}
            users += [path.name] * bool(named & {"page", "page_benches"})
    assert users == ["page_benches.py"]  # the one, of the other


def test_records_are_read_once(monkeypatch):
    """A page that asks for several sweeps reads the files once."""
    calls = []

    def counted(path):
        calls.append(path)
        return known_records(path)

    monkeypatch.setattr(module, "known_records", counted)
    Page("reference", "published")
    assert len(calls) == 1


def test_a_preliminary_bench_says_so():
    records = known_records(path_of(""))
    amazon = next(b for b in testbeds() if b.data == "amazon-electronics")
    for once, long in twice(amazon, records).values():
        for a, b in zip(once, long, strict=True):
            valid = 1.2 * records[a.id]["valid"]
            records[b.id] = records[a.id] | {"valid": valid}
    assert bench_title(amazon, records, " ") == "Amazon-Electronics (preliminary)"
    assert bench_title(amazon, {}) == "Amazon-Electronics"
    said = bench_facts([amazon], records)
    assert said.startswith("Amazon-Electronics (preliminary): 13,455 users, 8,360 items, MF, 7 epo")
    assert "twice the epochs add to validation SL +20.0, CCL +20.0 %." in said and " % of " in said
    missing = "Amazon-Electronics: how far training went is not recorded."
    assert bench_facts([amazon, amazon], {}) == f"{missing} {missing}"


def test_panels_and_tables_of_the_papers_data_say_what_is_missing():
    titles = [SOURCES[b.data].title for b in BENCHES]
    assert on_paper_data("positives", {}) == (None, titles)
    assert set(states({})["preliminary"]) == {"runs are missing"}
    table = verdicts_on({}, {}, ["bilateral_softmax"])
    data = ", ".join(SOURCES[b.data].title for b in BENCHES)  # in one line until there are runs
    assert [*table.index] == [(data, "BSL")] and [*table["verdict"]] == ["not run"]
    assert [*states({}).index] == [data]
    table = verdicts_on({}, {}, ["bpr", "mse"], "points")
    assert [*table] == ["difference (points)", "verdict"]
    assert [loss for _, loss in table.index] == ["BPR, MSE"]


def test_a_tuning_that_ended_beside_what_was_not_tried_is_marked():
    config = TrainConfig(weight_decay=0.00011111)
    chosen = Trial("ml-1m", "bce", {"tau": 0.15, "neg_weight": 8.0}, config)
    ends = {"bce": {"neg_weight": "highest", "weight_decay": "alone"}, "softmax": {}, "mse": {}}
    tuning = SimpleNamespace(best=lambda records: (chosen, False))
    runs = SimpleNamespace(
        records={}, open_ends=lambda x, level: ends[x], tuning_at=lambda x, level: tuning
    )
    assert walked_setting(runs, "bce") == "τ = 0.15, w = 8 ↑, L2 = 0.000111 ↕"
    assert ends_at_edge(runs, "bce") and not ends_at_edge(runs, "mse")
    ends["softmax"] = {"tau": "lowest"}  # which every loss is compared with
    assert ends_at_edge(runs, "mse")


def test_a_difference_that_rests_on_a_tuning_at_an_edge_says_so(monkeypatch):
    made = Judged(Estimate(Interval(0.1, 0.08, 0.12), 0.0), "better", 3)
    judged = {("ml-1m", loss): made for loss in ("bpr", "bce")}
    asked = []

    def seen(runs, loss, level):
        asked.append((runs.goal, level))
        return loss == "bce" and runs.goal is valid

    monkeypatch.setattr(page_benches, "ends_at_edge", seen)
    table = verdicts_on(judged, {}, ["bpr", "bce"], by_ndcg=judged, level=WORST[0])
    there = table.loc["MovieLens-1M"]
    assert [*there["difference (%)"]] == ["+10.0 ± 2.0", "+10.0 ± 2.0 (edge)"]
    assert not there["tuned for NDCG@20 (%)"].str.contains("edge").any()
    assert {*asked} == {(valid, WORST[0]), (valid_ndcg, WORST[0])}


@pytest.mark.parametrize("drawn", [1, 2, 3, 4])
def test_a_data_set_without_runs_has_no_panel(monkeypatch, drawn):
    def curve(runs, loss, kind):
        assert kind == "negatives"
        if loss != "bpr" or runs.bench not in BENCHES[:drawn]:
            lost()
        return Curve([0.0, 0.2], [Interval(0.0, 0.0, 0.0), Interval(-0.1, -0.2, 0.0)])

    monkeypatch.setattr(page_benches, "curve", curve)
    figure, lacking = on_paper_data("negatives", {})
    names = [SOURCES[b.data].title for b in BENCHES]
    titles = [ax.get_title() or ax.get_title(loc="left") for ax in figure.axes]
    assert titles == [f"{name}\n(preliminary)" for name in names[:drawn]]
    assert lacking == names[drawn:]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["BPR"]
    pyplot.close(figure)


def test_a_setting_says_where_it_stands_at_an_edge_of_what_was_offered():
    offered = SETTINGS["bce"]  # τ of three values, w of two
    assert at_edge({"tau": 0.2, "neg_weight": 5}, offered) == {"neg_weight": "highest"}
    assert at_edge(offered[0], offered) == {"tau": "lowest", "neg_weight": "lowest"}
    assert at_edge({"tau": 0.2}, [{"tau": 0.2}]) == {}  # not tuned
    with pytest.raises(ValueError, match="params must be a setting of the grid, got"):
        at_edge({"tau": 0.3, "neg_weight": 5}, offered)
    config = bslutils.TrainConfig()
    for loss, settings in SETTINGS.items():
        trials = [Trial("movielens-small", loss, params, config) for params in settings]
        for name in settings[0]:
            ends = [trials[k] for k in (0, -1)]  # grids are in order
            for trial, arrow in zip(ends, "↓↑", strict=True):
                assert f"{page_benches.SYMBOLS[name]} = {trial.params[name]:g} {arrow}" in (
                    tuned_setting(trial, trials)
                )
    middle = [Trial("movielens-small", "softmax", {"tau": t}, config) for t in (1, 2, 3)]
    assert tuned_setting(middle[1], middle) == "τ = 2"
