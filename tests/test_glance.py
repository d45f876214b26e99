"""The claims at a glance: what figure, lines and table say follows the records and the ledger."""

import re
import sys
import types
from pathlib import Path

import jupytext
import matplotlib
import pytest
from matplotlib import pyplot as plt
from test_judged import records as made  # noqa: F401  a fixture: noise on two of the paper's data

from bslutils import verify
from bslutils.cli import main
from bslutils.experiments import MissingRun, read_records
from bslutils.experiments.judged import Judged
from bslutils.experiments.records import FOLDER
from bslutils.experiments.verdicts import Estimate
from bslutils.intervals import Interval
from bslutils.verify import CLAIMS, glance, glance_figure, recorded
from bslutils.verify.claim import claim
from bslutils.verify.glance_readings import FALSE_TOO, OTHER_HALF, READINGS, short
from bslutils.verify.glance_rows import ROWS
from bslutils.verify.paper_better import verdict_on_better
from bslutils.verify.paper_data import COMPARED, TUNED_FOR_NDCG, Cell

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGE = ROOT / "book" / "00-claims-at-a-glance.md"


@pytest.fixture
def use(monkeypatch):
    """Take some records for those of the repository."""

    def use(records):
        monkeypatch.setattr(recorded, "known_records", lambda path: records)
        recorded._read.cache_clear()

    yield use
    recorded._read.cache_clear()


@pytest.fixture
def recorded_here():
    """The records of all sweeps but the one that is made up."""
    found = {}
    for file in sorted(FOLDER.glob("*.jsonl")):
        if file.stem not in ("paper_noise", "superseded"):
            found |= read_records(file)
    return found


def figure():
    """The figure, as the labels and the number of intervals of its panels by name."""
    matplotlib.use("Agg")
    fig = glance_figure.draw()
    panels = {
        ax.get_label(): ([x.get_text() for x in ax.get_yticklabels()], len(ax.containers))
        for ax in fig.axes
    }
    texts = " ".join(text.get_text() for ax in fig.axes for text in ax.texts)
    plt.close(fig)
    return panels, " ".join(texts.split())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_what_is_said_is_in_the_ledger(row):
    for name in (*row.theory, row.training, row.rests_on):
        assert CLAIMS[name].about in (row.number, 0), name
    assert CLAIMS[row.training].about == row.number
    # An advice falls with the claim that it follows from.
    assert CLAIMS[row.rests_on].verdict in ("holds under conditions", "mixed")
    theory, small, _ = glance.lines(row)
    for name in row.theory:
        assert f" {CLAIMS[name].verdict}" in theory
    said = small.rpartition(f"{glance.OVER_ALL} ")[2]
    parts = {
        2: ("", " (it holds against BCE)"),
        3: ("robust: ", f" (tuned at the noise); better without noise: {verdict_on_better()}"),
    }
    before, after = parts.get(row.number, ("", ""))
    assert said == f"{before}{CLAIMS[row.training].verdict}{after}."


def test_lines_on_the_small_data_follow_the_intervals(monkeypatch):
    def interval(low, high):
        return lambda: Interval((low + high) / 2, low, high)

    readings = {"bpr": interval(0.1, 0.2), "mse": interval(-0.2, -0.1), "ccl": interval(-1, 1)}
    monkeypatch.setitem(READINGS, 1, readings)
    line = glance.lines(ROWS[0])[1]
    assert "SL loses less than BPR, loses more than MSE and cannot be told from CCL; tuned" in line
    monkeypatch.setitem(READINGS, 1, {"bpr": interval(0.1, 0.2)})
    assert "SL loses less than BPR;" in glance.lines(ROWS[0])[1]
    monkeypatch.setitem(OTHER_HALF, 1, {"bpr": interval(-0.2, -0.1)})
    said = "SL loses less than BPR; tuned under the noise instead, SL loses more than BPR. Over"
    assert said in glance.lines(ROWS[0])[1]
    monkeypatch.setitem(OTHER_HALF, 3, {"bilateral_softmax": interval(-0.06, -0.04)})
    tuned = {FALSE_TOO: interval(0.01, 0.02), "no noise": interval(-0.01, 0.01)}
    monkeypatch.setitem(READINGS, 3, tuned)
    assert (
        "BSL is above SL with 40 % false positives; it is below SL with settings kept from "
        "clean data under 40 % false positives; it cannot be told from SL without noise in "
        "chapter 18. Over"
    ) in glance.lines(ROWS[2])[1]


def test_the_lead_over_the_other_softmax_is_said_to_be_unclear_if_it_is(monkeypatch):
    for mean, said in (
        (0.01, "; with only SL so tuned, +1.0 % (-1.0 to +3.0), no clear lead"),
        (0.03, "; with only SL so tuned, +3.0 % (+1.0 to +5.0)"),
    ):
        found = Interval(mean, mean - 0.02, mean + 0.02)
        monkeypatch.setattr(glance, "over_softmax_by_ndcg", lambda data, x=found: x)
        assert glance._with_softmax_by_ndcg("ml-1m") == said


def test_what_is_recorded_on_the_papers_data_is_shown(made, recorded_here, use):  # noqa: F811
    use(recorded_here | made)
    first, second, third = (glance.lines(row)[2] for row in ROWS)
    said = "; in validation Recall@20 SL is [^;]+; in test NDCG@20 it is "
    assert re.search(said, glance.on_paper(2))
    assert "the claim is mixed on MovieLens-1M and Yelp2018, where SL loses less than BPR" in first
    assert re.search(r", so that \d of 4 comparisons go against it; ", glance.on_paper(1))
    assert "go against it" not in glance.on_paper(3)
    assert "; no converged runs for this claim yet on Amazon-Electronics and Gowalla" in first
    assert "holds on MovieLens-1M and Yelp2018, where the lead of BSL is +28.6 % (" in third
    for number in (1, 3):
        assert f"; {TUNED_FOR_NDCG}, " in glance.on_paper(number)
    assert f"{TUNED_FOR_NDCG}: BPR +20.0 points (" in glance.table()
    _, _, *rows = glance.table().splitlines()
    assert "MovieLens-1M **mixed**: BPR +20.0 points (" in rows[0]
    assert (
        "**no converged runs for this claim yet**: Amazon-Electronics, Gowalla; short runs, with"
        in rows[0]
    )
    assert "MovieLens-1M **mixed**: BPR 0.100 (0.094 to 0.106), BCE 0.010" in rows[1]
    assert "Yelp2018 **mixed**" in rows[1]
    assert "Yelp2018 **holds**: BSL +28.6 % (" in rows[2]
    assert "| with 30 % of the negatives false: MovieLens-1M **mixed**" in rows[0]
    assert "| with 40 % false positives: MovieLens-1M" in rows[2]
    panels, texts = figure()
    names = ["MovieLens-1M\nmixed", "Yelp2018\nmixed"]
    assert panels["paper1"] == (names, 2 * len(COMPARED[1].losses))
    assert (
        "Amazon-Electronics and Gowalla: no converged runs for this claim yet. What to do: "
        in texts
    )
    assert panels["paper2"][1] == 2 * len(COMPARED[2].losses) and panels["paper3"][1] == 2
    assert [panels[f"small{k}"][1] for k in (1, 2, 3)] == [4, 4, 4]


def test_without_records_nothing_is_said_but_that(use):
    use({})
    panels, texts = figure()
    assert [*panels] == [f"{part}{k}" for k in (1, 2, 3) for part in ("head", "small", "do")]
    for row in ROWS:
        theory, small, paper = glance.lines(row)
        assert CLAIMS[next(iter(row.theory))].verdict in theory
        assert small == "On MovieLens (small): (a run is missing)."
        assert paper.startswith(
            "On the paper's data: no converged runs for this claim yet on MovieLens-1M, Am"
        )
        assert paper in texts
    assert not re.search(r"\d %? ?\(", glance.table().replace("(a run", ""))
    assert not any(n for _, n in panels.values())
    assert texts.count("(a run is missing)") == sum(map(len, READINGS.values()))


def test_what_is_begun_is_said_with_what_is_in(monkeypatch):
    judged = Judged(Estimate(Interval(-0.092, -0.1, -0.08), 0.0), "worse", 3)
    cells = {"ml-1m": Cell("begun", {"bpr": judged}), "yelp2018": Cell("not run", {})}
    monkeypatch.setattr(glance, "on_paper_data", lambda number: cells)
    said = "runs have begun on MovieLens-1M, where "
    rest = "; no converged runs for this claim yet on Yelp2018"
    so_far = {
        1: "SL falls 9.2 points more than BPR (1 of 4 comparisons)",
        2: "the Gini index of SL is 0.092 above that of BPR (1 of 4 comparisons)",
        3: "BPR is 9.2 % below SL (1 of 1 comparisons)",
    }
    for number, text in so_far.items():
        assert glance.on_paper(number) == said + text + rest


def test_data_sets_share_a_clause_that_says_the_same_of_them(monkeypatch):
    def cell(loss):
        return Cell("holds", {loss: Judged(Estimate(Interval(0.1, 0.09, 0.11), 0.0), "better", 3)})

    cells = {"ml-1m": cell("bpr"), "yelp2018": cell("bpr"), "gowalla": cell("ccl")}
    monkeypatch.setattr(glance, "on_paper_data", lambda number: cells)
    assert glance.on_paper(1, brief=True) == (
        "the claim holds on MovieLens-1M and Yelp2018, where SL loses less than BPR; "
        "and on Gowalla, where SL loses less than CCL"
    )


def test_in_few_words_a_claim_that_holds_says_what_speaks_against_it(monkeypatch):
    judged = Judged(Estimate(Interval(0.05, 0.04, 0.06), 0.0), "better", 3)
    test, valid = {"bpr": -0.04, "ccl": 0.04}, {"bpr": 0.04, "ccl": 0.0}
    cells = {"ml-1m": Cell("holds", {"bpr": judged}, on_valid=valid, on_test=test)}
    monkeypatch.setattr(glance, "on_paper_data", lambda number: cells)
    monkeypatch.setattr(glance, "over_softmax_by_ndcg", lambda data: Interval(0.01, -0.01, 0.03))
    said = "the claim holds on MovieLens-1M, where "
    assert glance.on_paper(2, brief=True) == (
        f"{said}SL is fairer than BPR, while in test NDCG@20 SL is over 2 % below BPR"
    )
    for x in (valid, test):
        x |= {"bpr": 0.04, "ccl": 0.01}
    assert glance.on_paper(2, brief=True) == f"{said}SL is fairer than BPR, finding more than BPR"
    assert glance.on_paper(3, brief=True) == (
        f"{said}the lead of BSL is +5.0 % (+4.0 to +6.0) (no clear one if only SL is "
        f"{TUNED_FOR_NDCG})"
    )
    monkeypatch.setattr(glance, "over_softmax_by_ndcg", lambda data: Interval(-0.02, -0.03, -0.01))
    assert f"(behind SL if only SL is {TUNED_FOR_NDCG})" in glance.on_paper(3, brief=True)


def test_short_runs_are_named_where_they_are_recorded(recorded_here, use):
    use(recorded_here)
    assert short(2).endswith("on Amazon-Electronics and MovieLens-1M in chapter 19")
    use({id: r for id, r in recorded_here.items() if r["data"] != "ml-1m"})
    assert short(2).endswith("on Amazon-Electronics in chapter 19")
    use({})
    assert [short(k) for k in (1, 2, 3)] == ["", "", ""]


def test_the_lead_over_the_best_temperature_is_below_that_over_the_chosen_one(recorded_here, use):
    use(recorded_here)
    chosen, best, clean, other = glance.on_small_data(3).values()
    assert chosen.mean > best.mean > clean.mean > other.mean


def test_one_missing_run_takes_what_rests_on_it_and_no_more(recorded_here, use):
    lost = [id for id, r in recorded_here.items() if r["loss"] == "ccl"]
    use({id: r for id, r in recorded_here.items() if id not in lost})
    assert [*glance.on_small_data(1)] == ["bpr", "bce", "mse"]
    assert len(glance.on_small_data(3)) == 4
    line = glance.lines(ROWS[0])[1]
    assert "cannot be told from BPR and MSE (a run is missing). Over" in line
    assert figure()[0]["small1"][1] == 3


def test_a_bug_is_not_a_missing_run(monkeypatch):
    def broken():
        raise KeyError("x")

    monkeypatch.setitem(READINGS, 1, {"bpr": broken})
    with pytest.raises(KeyError):
        glance.lines(ROWS[0])


def test_figure_and_table_say_what_to_do():
    _, texts = figure()
    for row in ROWS:
        assert f"What to do: {row.advice}" in texts and row.title in texts
        assert f"| {row.advice} |" in glance.table()


def test_the_readme_is_current(tmp_path, capsys):
    """If not: python -m bslutils verify --glance README.md"""
    text = README.read_text(encoding="utf-8")
    assert glance.table() in text
    old = tmp_path / "old.md"
    old.write_text(text.replace("undecided", "proved"), encoding="utf-8")
    assert main(["verify", "--glance", str(old)]) == 0
    assert old.read_text(encoding="utf-8") == text
    old.write_text("no mark", encoding="utf-8")
    assert main(["verify", "--glance", str(old)]) == 2
    assert "no place for the table" in capsys.readouterr().err
    assert old.read_text(encoding="utf-8") == "no mark"


# Pages -------------------------------------------------------------------------------------------


def run(page, monkeypatch):
    """Run a page's cells; return what they show and what they glue."""
    matplotlib.use("Agg")
    glued, fake, shown = {}, types.ModuleType("myst_nb"), []
    fake.glue = lambda name, value, display: glued.__setitem__(name, value)
    monkeypatch.setitem(sys.modules, "myst_nb", fake)
    namespace = {}
    with matplotlib.rc_context():
        for cell in jupytext.read(page).cells:
            if cell.cell_type != "code":
                continue
            source = re.sub(r"\A---\n.*?\n---\n", "", cell.source, flags=re.DOTALL)
            *_, last = source.strip().split("\n\n")
            try:
                shown.append(eval(last, namespace))
            except SyntaxError:
                exec(source, namespace)
    plt.close("all")
    return "\n".join(x._repr_markdown_() for x in shown), glued


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("some", [0.0, 0.98])
def test_the_page_is_made_with_any_records_missing(monkeypatch, use, recorded_here, some):
    kept = [id for k, id in enumerate(recorded_here) if k % 50 < 50 * some]
    use({id: recorded_here[id] for id in kept})
    text, _ = run(PAGE, monkeypatch)
    assert all(line in text for row in ROWS for line in glance.lines(row))
    assert glance.table() in text and "(a run is missing)" in text


def test_the_ledger_says_which_claims_lack_a_run_and_stops_at_any_other(monkeypatch):
    def lacks():
        raise MissingRun("a run is missing: python -m bslutils sweep overall")

    names = ["dro-penalty", "trained-negatives", "paper-positives", "bsl-reweight"]
    found = verify.run_claims(names)
    lacking = verify.run_claim(claim("x", "X.", source="us", verdict="undecided")(lacks))
    monkeypatch.setattr(verify, "run_claims", lambda: [*found, lacking])
    ledger = ROOT / "book" / "claims-ledger.md"
    text, glued = run(ledger, monkeypatch)
    assert glued["claims"] == "5"
    assert "**Undecided.** X. (`x`)\\\n  *Who says so:* us.\\\n" in text
    assert "(`trained-negatives`)\\\n  *Who says so:* Wu et al." in text
    assert "found:* (a run is missing)" in text and "**Holds exactly.** Softmax loss is" in text
    assert "\n  *Seen on:* MovieLens (small), 659 users, 2,078 items, MF, 5 seeds; level" in text
    assert f"**{found[2].verdict.capitalize()} by the rules.** On the paper's data" in text
    order = [text.index(f"`{name}`") for name in ("dro-penalty", *names[1:2], "bsl-reweight", "x")]
    assert order == sorted(order)
    fallen = verify.Result(found[0].claim, found[0].finding, False, 0.1)
    monkeypatch.setattr(verify, "run_claims", lambda: [fallen])
    with pytest.raises(AssertionError):
        run(ledger, monkeypatch)
