"""`check_loss`: it finds what is planted, passes what is sound, and never fails itself."""

import math
import re
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import logsigmoid, softplus

import bslutils as bsl
from bslutils import examine
from bslutils.cli import main
from bslutils.examine.called import Called, Unusable
from bslutils.examine.character import character, cost
from bslutils.examine.faults import CHECKS, findings
from bslutils.examine.nearest import nearest
from bslutils.examine.rows import rows
from bslutils.examine.variants import variants
from bslutils.losses import LOSSES, make_loss
from bslutils.verify.every_loss import CASES
from bslutils.verify.variance import price_of_spread

TAU = 0.2


def sound(pos, neg, pos_mask=None, neg_mask=None, tau=TAU):
    return bsl.losses.softmax_loss(pos, neg, tau=tau, pos_mask=pos_mask, neg_mask=neg_mask)


def overflows(pos, neg):
    return (torch.log(torch.exp(neg / 0.01).sum(1)) - pos.mean(1) / 0.01).mean()


def overflows_for_products(pos, neg):
    return (torch.log(torch.exp(neg / TAU).sum(1)) - pos.mean(1) / TAU).mean()


def wrong_sign(pos, neg):
    return -sound(pos, neg)


def wrong_sign_of_negatives(pos, neg):
    return sound(pos, -neg)


def forgets_positives(pos, neg):
    return sound(pos.detach(), neg)


def forgets_negatives(pos, neg):
    return sound(pos, neg.detach())


def counts_hits(pos, neg):
    return (neg.unsqueeze(1) > pos.unsqueeze(2)).to(pos).mean() + 0 * pos.sum()


def learns_no_weights(pos, neg):
    weights = torch.softmax(neg / TAU, 1).detach()
    return (weights * neg).sum(1).mean() - pos.mean()


def positives_in_one_denominator(pos, neg):
    every = torch.cat([pos, neg[:, :8]], 1) / TAU
    return (torch.logsumexp(every, 1, keepdim=True) - pos / TAU).mean()


def saturates(pos, neg):
    gaps = (pos.unsqueeze(2) - neg.unsqueeze(1)) / 0.02
    return -torch.log(torch.sigmoid(gaps) + 1e-10).mean()


def over_users(pos, neg):
    return (torch.logsumexp(neg / TAU, 0).mean() - pos / TAU).mean()


def scaled_by_the_batch(pos, neg):
    return sound(pos, neg / neg.std())


def sees_the_level(pos, neg):
    return 1.5 * torch.logsumexp(neg / TAU, 1).mean() - pos.mean() / TAU


def nan_at_a_tie(pos, neg):
    gaps = pos.unsqueeze(2) - neg.unsqueeze(1)
    return (-gaps.sign() * gaps.abs().sqrt()).mean()


def infinite_at_one(pos, neg):
    return sound(torch.atanh(pos), torch.atanh(neg))


def first_is_special(pos, neg):
    return sound(pos, neg) + neg[:, 0].mean()


def first_positive_alone(pos, neg):
    return sound(pos[:, :1], torch.cat([pos[:, 1:], neg], 1))


def drops_out(pos, neg):
    return sound(pos, nn.functional.dropout(neg, 0.5))


def in_place(pos, neg):
    neg -= pos.amax(1, keepdim=True)
    return torch.logsumexp(neg / TAU, 1).mean()


def sums_over_rows(pos, neg):
    return sound(pos, neg) * len(pos)


def sums_over_negatives(pos, neg):
    return softplus(neg / TAU).sum(1).mean() - logsigmoid(pos / TAU).mean()


def tiny(pos, neg):
    return 1e-9 * sound(pos, neg)


def a_value_a_row(pos, neg):
    return torch.logsumexp(neg / TAU, 1) - pos.mean(1) / TAU


def other_type(pos, neg):
    return sound(pos, neg).double() if pos.dtype == torch.float32 else sound(pos, neg).float()


def one_negative_fails(pos, neg):
    if neg.shape[1] == 1:
        raise RuntimeError("one is no list")
    return sound(pos, neg)


def one_positive(pos, neg):
    if pos.shape[1] != 1:
        raise ValueError("one positive a row")
    return sound(pos, neg)


def flat_positives(pos, neg):
    if pos.ndim != 1:
        raise ValueError("pos must be (B,)")
    return sound(pos, neg)


def reads_masked(pos, neg, pos_mask=None, neg_mask=None):
    return sound(pos, neg)


def needs_masks(pos, neg, pos_mask=None, neg_mask=None):
    if neg_mask is not None:
        raise KeyError("no masks")
    return sound(pos, neg)


def ignores_positive_masks(pos, neg, pos_mask=None, neg_mask=None):
    return sound(pos, neg, None, neg_mask)


def inverts_positive_masks(pos, neg, pos_mask=None, neg_mask=None):
    return sound(pos, neg, None if pos_mask is None else ~pos_mask, neg_mask)


def mean_over_padded_places(pos, neg, pos_mask=None, neg_mask=None):
    kept = pos if pos_mask is None else pos * pos_mask
    return sound(kept.mean(1, keepdim=True), neg, None, neg_mask)


def nan_where_none_is_left(pos, neg, pos_mask=None, neg_mask=None):
    if pos_mask is None:
        return sound(pos, neg, None, neg_mask)
    kept = (pos * pos_mask).sum(1, keepdim=True) / pos_mask.sum(1, keepdim=True)
    return sound(kept, neg, None, neg_mask)


def masks_with_zero(pos, neg, pos_mask=None, neg_mask=None):
    return sound(pos, neg if neg_mask is None else neg * neg_mask, pos_mask)


def swaps_its_targets(pos, neg):
    return ((pos + 1) ** 2).mean() + ((neg - 1) ** 2).mean()


def rewards_distance(pos, neg):
    return -((pos.unsqueeze(2) - neg.unsqueeze(1)) ** 2).mean()


def small_batches_alone(pos, neg):
    if len(pos) > 100:
        raise ValueError("too many")
    return sound(pos, neg)


def float32_alone(pos, neg):
    return sound(pos, neg @ torch.ones(neg.shape[1], 1) / neg.shape[1])


def turns_gradients_off(pos, neg):
    value = sound(pos, neg)
    torch.set_grad_enabled(False)
    return value


def changes_the_default_type(pos, neg):
    torch.set_default_dtype(torch.float64)
    return sound(pos, neg)


def exits(pos, neg):
    sys.exit(0)


class Unreadable(BaseException):
    def __str__(self):
        raise RuntimeError("no message")


def raises_what_cannot_be_read(pos, neg):
    raise Unreadable


def on_another_device(pos, neg):
    return torch.zeros((), device="meta", requires_grad=True)


def gives_a_sparse_one(pos, neg):
    return sound(pos, neg).reshape(1).to_sparse()


def sleeps(pos, neg):
    time.sleep(0.6)
    return sound(pos, neg)


PLANTED = [
    (ignores_positive_masks, "masks", "fault"),
    (inverts_positive_masks, "masks", "fault"),
    (mean_over_padded_places, "masks", "fault"),
    (nan_where_none_is_left, "masks", "warning"),
    (masks_with_zero, "masks", "fault"),
    (swaps_its_targets, "signs", "fault"),
    (rewards_distance, "saturates", "warning"),
    (small_batches_alone, "size", "fault"),
    (float32_alone, "number", "warning"),
    (float32_alone, "finite", "fine"),
    (turns_gradients_off, "input", "fault"),
    (changes_the_default_type, "input", "fault"),
    (exits, "call", "fault"),
    (raises_what_cannot_be_read, "call", "fault"),
    (on_another_device, "number", "fault"),
    (gives_a_sparse_one, "number", "fault"),
    (sleeps, "time", "fault"),
    (overflows, "finite", "fault"),
    (overflows_for_products, "finite", "warning"),
    (wrong_sign, "signs", "fault"),
    (wrong_sign_of_negatives, "signs", "fault"),
    (forgets_positives, "gradient", "fault"),
    (forgets_negatives, "gradient", "fault"),
    (counts_hits, "gradient", "fault"),
    (learns_no_weights, "gradient", "warning"),
    (positives_in_one_denominator, "signs", "warning"),
    (saturates, "saturates", "warning"),
    (over_users, "rows", "fault"),
    (scaled_by_the_batch, "rows", "fault"),
    (sees_the_level, "shift", "warning"),
    (nan_at_a_tie, "finite", "fault"),
    (infinite_at_one, "finite", "fault"),
    (first_is_special, "order", "fault"),
    (first_positive_alone, "order", "fault"),
    (drops_out, "repeatable", "fault"),
    (in_place, "input", "fault"),
    (sums_over_rows, "rows", "warning"),
    (sums_over_negatives, "count", "warning"),
    (tiny, "adam", "warning"),
    (a_value_a_row, "number", "fault"),
    (other_type, "number", "warning"),
    (one_negative_fails, "finite", "fault"),
    (one_positive, "call", "warning"),
    (flat_positives, "call", "fault"),
    (sound, "masks", "fine"),
    (overflows, "masks", "warning"),
    (reads_masked, "masks", "fault"),
    (needs_masks, "masks", "fault"),
]


@pytest.mark.parametrize("loss, check, grade", PLANTED, ids=lambda x: getattr(x, "__name__", x))
def test_what_is_planted_is_found(loss, check, grade):
    found = {f.check: f for f in findings(Called(loss), rows())}
    assert found[check].grade == grade, found[check]
    assert bool(found[check].advice) == (grade != "fine")


def test_every_check_has_something_planted_for_it():
    assert set(CHECKS) | {"call", "number", "time"} == {
        check for _, check, grade in PLANTED if grade != "fine"
    }


def gives(value):
    def loss(pos, neg):
        return value

    return loss


def raises(error):
    def loss(pos, neg):
        raise error

    return loss


HOPELESS = {
    "signature": lambda: torch.tensor(0.0),
    "one argument": lambda pos: pos.mean(),
    "three arguments": lambda pos, neg, tau: pos.mean(),
    "keywords": lambda *, pos, neg: pos.mean(),
    "None": gives(None),
    "float": gives(0.5),
    "array": lambda pos, neg: pos.detach().numpy().mean(),
    "text": gives("0.5"),
    "a tuple": lambda pos, neg: (pos.mean(), neg.mean()),
    "integer": gives(torch.tensor(1)),
    "complex": lambda pos, neg: pos.mean().to(torch.complex64),
    "empty": lambda pos, neg: pos[:0, 0],
    "NaN": lambda pos, neg: pos.mean() * float("nan"),
    "inf": lambda pos, neg: pos.mean() + float("inf"),
    "a constant": gives(torch.tensor(1.0)),
    "raises": raises(ValueError("no")),
    "raises without words": raises(AssertionError()),
    "exits": raises(SystemExit(3)),
    "markup": raises(RuntimeError("<script>alert(1)</script>\n" * 100)),
    "item": lambda pos, neg: torch.tensor(pos.mean().item(), requires_grad=True),
    "broken backward": lambda pos, neg: Broken.apply(pos).mean() + neg.mean(),
    "mean over nothing": lambda pos, neg: neg[:, 1:].mean() - pos.mean(),
    "numpy inside": lambda pos, neg: torch.as_tensor(np.exp(pos.numpy())).mean(),
}


class Broken(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        raise RuntimeError("not written yet")


@pytest.mark.parametrize("kind", HOPELESS)
def test_whatever_a_loss_does_is_a_finding(kind, tmp_path):
    report = bsl.check_loss(HOPELESS[kind], train=True, name=f"<b>{kind}</b>")
    assert not report.ok and report.trained is None
    assert all(f.measured and f.advice for f in report.faults)
    assert kind in str(report)
    report.save(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "<b>" not in page and len(page) < 200_000


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_of_the_package_passes(name):
    report = bsl.check_loss(make_loss(name, **CASES[name]), train=False)
    assert report.ok, report.faults
    assert len(report.findings) == len(CHECKS) + 2
    assert report.nearest[0].cosine > 1 - 1e-3  # itself, or one with the same gradient
    assert report.cost > 0


def test_numbers_are_those_that_theory_gives():
    def of(name, **params):
        return character(Called(make_loss(name, **params)), rows())

    sl = of("softmax", tau=0.1)
    assert sl.tau == pytest.approx(0.1, rel=1e-6) and sl.coefficient == pytest.approx(5, rel=0.02)
    assert sl.balance == pytest.approx(1) and sl.upward == 0 and sl.false_positive == 1
    radii = bsl.dro.radius_of_tau(rows().neg.numpy(), tau=0.1)
    assert sl.nats == pytest.approx(np.median(radii), rel=1e-6)
    weighted = of("reweighted_softmax", tau=0.1, neg_weight=1.3)
    assert weighted.balance == pytest.approx(1.3) and weighted.price == pytest.approx(sl.price)
    mse = of("mse")
    assert mse.turn < 1 and mse.upward == pytest.approx((rows().neg < 0).double().mean())
    chi2 = of("chi2", tau=0.1)
    assert chi2.coefficient == pytest.approx(5, rel=1e-3)  # 1/(2τ) in Var/(2τ)
    assert of("cvar", level=0.1).turn == pytest.approx(1)
    bsl_, twin = (
        of(name, tau_pos=0.3, tau_neg=0.2)
        for name in ("bilateral_softmax", "pessimistic_bilateral_softmax")
    )
    assert bsl_.false_positive < 0.5 < 2 < twin.false_positive
    bpr = of("bpr", tau=0.2)
    assert bpr.nats < of("softmax", tau=0.2).nats and bpr.reach > 0


def test_the_price_is_that_of_the_ledger():
    # On other people's scores and with one positive of 1: the same to a fifth.
    for tau in (0.1, 0.4):
        ours = character(Called(make_loss("softmax", tau=tau)), rows()).price
        assert ours == pytest.approx(price_of_spread("softmax", {"tau": tau}), rel=0.25)


def test_a_loss_in_a_vectors_clothes_has_the_numbers_of_its_mean():
    loss = Called(a_value_a_row)
    findings(loss, rows())
    one, many = (vars(character(x, rows())) for x in (loss, Called(sound)))
    assert one == pytest.approx(many)


def test_one_positive_a_row_has_the_numbers_of_several():
    for kind, shape in ((one_positive, "one"), (flat_positives, "flat")):
        loss = Called(kind)
        findings(loss, rows())
        assert loss.positives == shape
        one, many = (vars(character(x, rows())) for x in (loss, Called(sound)))
        assert one == pytest.approx(many)
        assert nearest(loss, rows())[0].name == "softmax"


def test_relatives_are_found_by_direction_alone():
    def disguised(pos, neg):
        return 7 * bsl.losses.softmax_risk_loss(pos, neg, tau=0.4) + 3

    found = nearest(Called(disguised), rows())
    assert found[0].name == "softmax" and found[0].params["tau"] == pytest.approx(0.4)
    assert found[0].cosine == pytest.approx(1) and found[1].cosine < found[0].cosine


def test_cost_is_a_ratio(monkeypatch):
    module = sys.modules["bslutils.examine.character"]
    mine, clock = Called(sound), [0.0]

    def takes(self, pos, neg):
        clock[0] += 6.0 if self is mine else 2.0

    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(Called, "gradients", takes)
    assert cost(mine) == 3.0


class Held(nn.Module):
    def __init__(self, temperature=0.3):
        super().__init__()
        self.other, self.temperature = 1.0, temperature

    def forward(self, pos, neg, pos_mask=None, neg_mask=None):
        return sound(pos, neg, pos_mask, neg_mask, tau=self.temperature)


def with_default(pos, neg, weight=1, tau=0.3):
    return sound(pos, neg, tau=tau)


@pytest.mark.parametrize(
    "loss, settings",
    [
        (with_default, ["tau=0.3", "tau=0.15", "tau=0.6"]),
        (partial(with_default, tau=0.1), ["tau=0.1", "tau=0.05", "tau=0.2"]),
        (Held(), ["temperature=0.3", "temperature=0.15", "temperature=0.6"]),
        (make_loss("softmax", tau=0.2), ["tau=0.2", "tau=0.1", "tau=0.4"]),
        (make_loss("cvar", level=0.6), ["level=0.6", "level=0.3"]),  # 1.2 is out of range
        (make_loss("direct_au", gamma=1.0), ["gamma=1", "gamma=0.5", "gamma=2"]),
        (wrong_sign, ["as it is"]),
        (print, ["as it is"]),
    ],
)
def test_a_loss_is_tried_at_other_temperatures(loss, settings):
    found = variants(loss)
    assert list(found) == settings and found[settings[0]] is loss


def test_variants_are_at_what_they_say():
    pos, neg = rows().pos, rows().neg
    for loss in (with_default, Held()):
        for setting, each in variants(loss).items():
            tau = float(setting.partition("=")[2])
            assert torch.equal(each(pos, neg), sound(pos, neg, tau=tau))


@pytest.mark.parametrize(
    "what, said",
    [
        ("softmax", "must be a function or a module"),
        (None, "must be a function or a module"),
        (bsl.losses.SoftmaxLoss, "SoftmaxLoss(…), got the class"),
        (bsl.losses.DirectAULoss(gamma=1.0), "reads vectors"),
    ],
)
def test_what_is_no_loss_of_scores_is_refused(what, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        bsl.check_loss(what)


def test_train_is_a_switch():
    with pytest.raises(ValueError, match="train must be True or False"):
        bsl.check_loss(sound, train=1)


def test_reading_a_report(tmp_path):
    report = bsl.check_loss(saturates, train=False)
    assert isinstance(report, examine.Report) and report.ok and len(report.warnings) >= 2
    text = str(report)
    assert text.startswith(f"saturates: {len(report.warnings)} warnings in")
    assert all(f.measured in text and f.advice in text for f in report.findings)
    lines = str(report.warnings[0]).splitlines()
    assert lines[0].startswith("warning: ") and "  → " in lines[1] + lines[2]
    assert all(len(line) <= 80 for line in lines)
    fig = report.figure()
    assert len(fig.axes) == 2 and all(len(ax.lines) == 2 for ax in fig.axes)
    report.save(str(tmp_path / "a.html"))
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<svg" in page and "http://" not in re.sub(
        r"http://www\.w3\.org|http://purl\.org"
        r"|http://creativecommons\.org",
        "",
        page,
    )
    with pytest.raises(ValueError, match=r"path must end in \.html"):
        report.save(tmp_path / "a.txt")


def test_a_report_without_numbers_has_no_figure():
    with pytest.raises(ValueError, match="nothing to draw of it: it gave no numbers"):
        bsl.check_loss(gives(None), train=False, name="it").figure()


@pytest.fixture
def short(monkeypatch):
    module = sys.modules["bslutils.examine.trained"]
    monkeypatch.setattr(module, "EPOCHS", 1)
    monkeypatch.setattr(module, "SEEDS", 2)
    monkeypatch.setattr(module, "real_data", lambda: bsl.load("synthetic"))
    return module


def test_training_has_equal_budgets_and_paired_intervals(short):
    report = bsl.check_loss(make_loss("softmax", tau=0.2))
    found = report.trained
    assert found.tries == 3 and set(found.test) == {"yours", "softmax", "bilateral_softmax", "bpr"}
    assert found.chosen["yours"] == found.chosen["softmax"]
    assert np.array_equal(found.test["yours"], found.test["softmax"])
    assert found.leads["softmax"].interval == (0, 0, 0)
    mean, low, high = found.leads["bpr"].interval
    a, b = found.test["yours"].mean(), found.test["bpr"].mean()
    assert mean == pytest.approx(a / b - 1) and low < mean < high
    assert "3 settings of each loss" in str(report) and len(report.figure().axes) == 3


def test_a_choice_with_nothing_on_one_side_is_at_the_edge(short):
    # 1.2 is no level: what is as it is has nothing above it.
    found = bsl.check_loss(make_loss("cvar", level=0.6)).trained
    assert found.tries == 2 and {"yours", "softmax", "bpr"} <= set(found.at_edge)


def test_training_takes_what_takes_no_masks_and_what_has_no_temperature(short):
    for loss in (overflows_for_products, one_positive):
        found = bsl.check_loss(loss).trained
        assert found.tries == 1 and found.chosen["yours"] == "as it is"
        assert found.chosen["softmax"] == "tau=0.2"
        # With softmax loss in rows of one positive, too.
        assert np.allclose(found.test["yours"], found.test["softmax"], atol=1e-3)


def test_training_learns_what_the_loss_learns_afresh_each_time(short):
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.log_tau = nn.Parameter(torch.tensor(math.log(0.3)))

        def forward(self, pos, neg, pos_mask=None, neg_mask=None):
            return sound(pos, neg, pos_mask, neg_mask, tau=self.log_tau.exp())

    loss = Learned()
    report = bsl.check_loss(loss)
    assert report.trained is not None and loss.log_tau.item() == pytest.approx(math.log(0.3))


def test_a_training_that_fails_is_told(short, monkeypatch):
    def fails(*args, **kwargs):
        raise FloatingPointError("the loss became nan at step 3")

    monkeypatch.setattr(short, "fit_once", fails)
    report = bsl.check_loss(sound)
    assert report.trained is None and "the loss became nan at step 3" in str(report)


def test_an_unusable_loss_says_why():
    with pytest.raises(Unusable, match="raises ZeroDivisionError: division by zero"):
        Called(lambda pos, neg: 1 / 0)(rows().pos, rows().neg)


# On the command line ---------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("TAU = 0.2\n", encoding="utf-8")
    (tmp_path / "my_loss.py").write_text(
        "import torch\nfrom beside import TAU\nfrom bslutils.losses import softmax_loss\n\n"
        "def good(pos, neg, pos_mask=None, neg_mask=None):\n"
        "    return softmax_loss(pos, neg, tau=TAU, pos_mask=pos_mask, neg_mask=neg_mask)\n\n"
        "def bad(pos, neg):\n    return -good(pos, neg)\n\nnumber = 3\n",
        encoding="utf-8",
    )
    (tmp_path / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (tmp_path / "exits.py").write_text("raise SystemExit\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("beside", None)


def test_the_command_reports_and_its_status_says_whether_there_is_a_fault(files, capsys):
    assert main(["check", "my_loss.py:good", "--no-train", "--out", "page.html"]) == 0
    assert "no fault and no warning" in capsys.readouterr().out
    assert "<svg" in (files / "page.html").read_text(encoding="utf-8")
    assert main(["check", "my_loss.py:bad", "--no-train"]) == 1
    assert "moves positives the wrong way" in capsys.readouterr().out
    assert main(["check", "bslutils.losses:bpr_loss", "--no-train"]) == 0


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["my_loss.py"], "FILE:NAME"),
        ([":good"], "FILE:NAME"),
        (["my_loss.py:"], "FILE:NAME"),
        (["other.py:good"], "there is no file other.py"),
        (["no.such.module:good"], "no.such.module cannot be imported: ModuleNotFoundError"),
        (["broken.py:f"], "broken.py cannot be imported: SyntaxError"),
        (["exits.py:f"], "exits.py cannot be imported: SystemExit"),
        (["my_loss.py:better"], "has no 'better'; it has softmax_loss, good, bad"),
        (["my_loss.py:number"], "must be a function or a module, got 3"),
        (["my_loss.py:good", "--out", "page.txt"], "--out must end in .html"),
        (["my_loss.py:good", "--out", "no/page.html"], "no does not exist"),
    ],
)
def test_the_command_names_what_is_wrong(files, capsys, arguments, said):
    assert main(["check", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not list(files.glob("page*"))


def test_the_package_loads_it_when_asked_and_without_matplotlib(tmp_path):
    code = (
        "import sys; sys.modules['matplotlib'] = None; import bslutils as bsl;"
        "assert 'bslutils.examine' not in sys.modules;"
        "r = bsl.check_loss(bsl.losses.BPRLoss(tau=0.2), train=False);"
        "assert r.ok; r.save(sys.argv[1]);"
        "assert not hasattr(bsl, 'check_los')"
    )
    page = tmp_path / "page.html"
    subprocess.run([sys.executable, "-c", code, str(page)], check=True)
    assert "<svg" not in page.read_text(encoding="utf-8")


def test_the_program_is_left_as_it_was():
    for loss in (turns_gradients_off, changes_the_default_type):
        report = bsl.check_loss(loss, train=False)
        assert not report.ok
        assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32


class KeepsItsValue(nn.Module):
    """For a log, as many do."""

    def __init__(self, tau=TAU):
        super().__init__()
        self.tau, self.weight = tau, nn.Parameter(torch.ones(()))
        self.scaled = self.weight * 1

    def forward(self, pos, neg, pos_mask=None, neg_mask=None):
        self.last = sound(pos, neg, pos_mask, neg_mask, tau=self.tau)
        return self.last


def test_a_loss_that_keeps_its_value_is_trained(monkeypatch):
    monkeypatch.setattr(sys.modules["bslutils.examine.trained"], "EPOCHS", 1)
    monkeypatch.setattr(sys.modules["bslutils.examine.trained"], "SEEDS", 2)
    report = bsl.check_loss(KeepsItsValue())
    assert report.ok and report.trained is not None, report.notes


def test_a_setting_that_the_loss_refuses_is_no_try(monkeypatch):
    def picky(pos, neg, tau=TAU):
        if tau < 0.15:
            raise ValueError("tau is too small")
        return sound(pos, neg, tau=tau)

    monkeypatch.setattr(sys.modules["bslutils.examine.trained"], "EPOCHS", 1)
    monkeypatch.setattr(sys.modules["bslutils.examine.trained"], "SEEDS", 2)
    report = bsl.check_loss(picky)
    assert report.trained is not None and report.trained.tries == 2, report.notes


def test_whatever_happens_in_training_is_a_note(monkeypatch):
    def leaves(loss, **options):
        sys.exit(3)

    monkeypatch.setattr(sys.modules["bslutils.examine"], "trained", leaves)
    report = bsl.check_loss(sound)
    assert report.trained is None and report.notes == ["Training it failed: SystemExit: 3"]


def test_names_and_messages_of_any_kind_can_be_written(tmp_path):
    def odd(pos, neg):
        raise ValueError("\ud800")

    for loss, name in ((sound, "a\ud800"), (odd, None), (sound, "")):
        report = bsl.check_loss(loss, train=False, name=name)
        str(report).encode()
        report.save(tmp_path / "report.html")


def test_a_loss_in_a_file_finds_its_neighbours_when_it_is_called(tmp_path, capsys):
    folder = tmp_path / "a b"
    folder.mkdir()
    (folder / "helper_of_lazy.py").write_text("TAU = 0.2\n", encoding="utf-8")
    body = "    from helper_of_lazy import TAU\n    import bslutils\n"
    body += "    return bslutils.losses.softmax_loss(pos, neg, tau=TAU)\n"
    (folder / "lazy.py").write_text(f"def mine(pos, neg):\n{body}", encoding="utf-8")
    assert main(["check", f"{folder / 'lazy.py'}:mine", "--no-train"]) == 0
    (folder / "odd.py").write_text("def __getattr__(n):\n    raise KeyError(n)\n", encoding="utf-8")
    assert main(["check", f"{folder / 'odd.py'}:mine", "--no-train"]) == 2
    assert "fails when 'mine' is asked for" in capsys.readouterr().err
    (folder / "l.txt").touch()
    assert main(["check", f"{folder / 'l.txt'}:mine", "--no-train"]) == 2
    assert "must end in .py" in capsys.readouterr().err
