"""A report on a loss: as text, as a table, as a figure, as a page."""

import html
import io
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..losses import SoftmaxLoss
from .called import Called
from .character import Character
from .finding import Finding
from .nearest import Alike
from .rows import TAU, Rows
from .trained import Trained

MARKS = {"fine": "✓", "warning": "!", "fault": "✗"}
YOURS = "#222222"
# Attribute of a character -> what it is, how it is written, and what it means.
MEASURES = {
    "nats": (
        "push on negatives, nats from equal shares",
        "{:.2f}",
        "0: every negative is pushed alike; more: the few with the highest scores",
    ),
    "tau": ("temperature at which SL pushes as unequally", "{:.3g}", "tune it from there"),
    "balance": (
        "all push over all pull",
        "{:.2f}",
        "1: only differences of scores count; else their level is learned, too",
    ),
    "upward": ("negatives that are moved up", "{:.0%}", "0 %, where order is all that counts"),
    "coefficient": (
        "price of variance, of scores that hardly differ",
        "{:.2f}",
        "1/(2τ) for SL",
    ),
    "price": ("price of variance, of real scores", "{:.2f}", "what the spread of scores costs"),
    "false_negative": (
        "push on a false negative, over an equal share",
        "{:.1f}",
        "below 1 it is spared, above 1 it is sought out",
    ),
    "false_positive": (
        "pull on a false positive, over the mean pull",
        "{:.2f}",
        "below 1 it is doubted, above 1 it is sought out",
    ),
    "reach": (
        "reach, where a shift to popular negatives is 1",
        "{:.1f}",
        "above 1 it prepares for more than that shift, on these scores",
    ),
    "turn": (
        "cosine of its gradients at scores and at half of them",
        "{:.3f}",
        "1: the scale of scores does not matter",
    ),
}
STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
td, th { padding: .3rem .6rem; border-bottom: 1px solid #8886; text-align: left;
         vertical-align: top; }
.fault { color: light-dark(#b3261e, #ff8a80); } .warning { color: light-dark(#8a5a00, #ffc266); }
.fine { color: light-dark(#1b6e3c, #7ddba3); }
figure { margin: 1rem 0; overflow-x: auto; background: white; border-radius: 4px; }
"""


@dataclass(frozen=True, eq=False)
class Report:
    """What :func:`bslutils.check_loss` found.

    Attributes:
        name: of the loss.
        findings: a finding of every check.
        character: the loss in numbers; ``None`` where it gives none.
        beside: softmax loss in the same numbers.
        cost: time of value and gradient over that of softmax loss.
        nearest: the losses of the package whose gradients are most alike.
        trained: what training gave; ``None`` where it was not asked for, or there is a fault.
        notes: what was left out, and why.
    """

    name: str
    findings: list[Finding]
    character: Character | None = None
    beside: Character | None = None
    cost: float | None = None
    nearest: list[Alike] = field(default_factory=list)
    trained: Trained | None = None
    notes: list[str] = field(default_factory=list)
    called: Called | None = field(default=None, repr=False)
    rows: Rows | None = field(default=None, repr=False)

    @property
    def faults(self) -> list[Finding]:
        """The findings that are wrong in any loss."""
        return [f for f in self.findings if f.grade == "fault"]

    @property
    def warnings(self) -> list[Finding]:
        """The findings that some losses want, and others have by mistake."""
        return [f for f in self.findings if f.grade == "warning"]

    @property
    def ok(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    # The same parts in every form: titles with tables of text -----------------------------

    def verdict(self) -> str:
        """The report in a sentence."""
        counts = []
        for found, what in ((self.faults, "fault"), (self.warnings, "warning")):
            if found:
                counts.append(f"{len(found)} {what}{'s' * (len(found) > 1)}")
        said = " and ".join(counts) or "no fault and no warning"
        return f"{self.name}: {said} in {len(self.findings)} checks"

    def tables(self) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        """Title, heads of the columns, and rows of every table."""
        yield (
            "Checks",
            ["", "check", "what was seen → what to do"],
            [
                [MARKS[f.grade], f.check, f.measured + f" → {f.advice}" * bool(f.advice)]
                for f in self.findings
            ],
        )
        if self.character is not None:
            lines = [
                [
                    what,
                    *(_number(form, getattr(x, key)) for x in (self.character, self.beside)),
                    why,
                ]
                for key, (what, form, why) in MEASURES.items()
            ]
            if self.cost is not None:
                lines.append(["time of value and gradient", f"{self.cost:.2g}", "1", "beside SL"])
            yield (
                f"What it does with scores of {self.rows.data}",
                ["", "this loss", f"SL, τ = {TAU:g}", "how to read it"],
                lines,
            )
        if self.nearest:
            yield (
                "What it is like, by the direction of its gradients",
                ["loss", "parameters", "cosine"],
                [
                    [
                        x.name,
                        ", ".join(f"{p}={v:.3g}" for p, v in x.params.items()),
                        f"{x.cosine:.3f}",
                    ]
                    for x in self.nearest
                ],
            )
        if self.trained is not None:
            yield self._trained_table()

    def _trained_table(self) -> tuple[str, list[str], list[list[str]]]:
        found = self.trained
        lines = []
        for name, test in found.test.items():
            mine = name == "yours"
            lead = "" if mine else found.leads[name].interval.percent()
            edge = " (the last that was tried)" if name in found.at_edge else ""
            lines.append(
                [
                    "this loss" if mine else name,
                    found.chosen[name] + edge,
                    f"{test.mean():.4f}",
                    lead,
                ]
            )
        tries = f"{found.tries} settings" if found.tries > 1 else "one setting"
        return (
            f"Trained on {found.data}: {tries} of each loss, chosen on validation, "
            f"{len(found.test['yours'])} seeds",
            ["loss", "setting", "test NDCG@20", "lead of this loss (95 % interval)"],
            lines,
        )

    def __str__(self) -> str:
        parts = [self.verdict()]
        for title, heads, lines in self.tables():
            parts.append(f"\n{title}\n{_text_table(heads, lines)}")
        parts += [f"\n{note}" for note in self.notes]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        """The tables, as a notebook shows them."""
        parts = [f"<p><strong>{html.escape(self.verdict())}</strong></p>"]
        for title, heads, lines in self.tables():
            parts.append(f"<p>{html.escape(title)}</p>{self._html_table(heads, lines)}")
        parts += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        return "\n".join(parts)

    def _html_table(self, heads: list[str], lines: list[list[str]]) -> str:
        grades = {mark: grade for grade, mark in MARKS.items()}
        rows = ["".join(f"<th>{html.escape(x)}</th>" for x in heads)]
        for line in lines:
            kind = f' class="{grades[line[0]]}"' if line[0] in grades else ""
            rows.append(
                "".join(f"<td{kind * (not k)}>{html.escape(x)}</td>" for k, x in enumerate(line))
            )
        return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"

    def figure(self):
        """Push and pull by score beside softmax loss, and the leads after training.

        Returns:
            a matplotlib figure.

        Raises:
            ValueError: a loss that gave no numbers to draw.
            ImportError: matplotlib is not installed.
        """
        if self.character is None:
            raise ValueError(f"there is nothing to draw of {self.name}: it gave no numbers")
        from matplotlib.figure import Figure  # it is not needed for the rest

        rows = [["push", "pull"]] + [["leads"] * 2] * (self.trained is not None)
        fig = Figure(figsize=(5.1, 2.6 * len(rows)), layout="constrained")
        panels = fig.subplot_mosaic(rows)
        self._draw_shares(panels["push"], panels["pull"])
        if self.trained is not None:
            self._draw_leads(panels["leads"])
        return fig

    def _draw_shares(self, push, pull) -> None:
        from ..plots import loss_style

        person = len(self.rows.pos) // 2
        pos, neg = (x[person : person + 1].sort(1).values for x in (self.rows.pos, self.rows.neg))
        sl = {
            "color": loss_style("softmax")["color"],
            "linestyle": "--",
            "label": f"SL, τ = {TAU:g}",
        }
        mine = {"color": YOURS, "label": "this loss"}
        for loss, look in ((Called(SoftmaxLoss(tau=TAU)), sl), (self.called, mine)):
            grads = loss.gradients(pos, neg).or_zero(pos, neg)
            for ax, x, g in ((push, neg, grads[1]), (pull, pos, -grads[0])):
                equal = g.abs().mean()
                ax.plot(x[0], g[0] / (equal if equal else 1), **look)
        push.set(xlabel="score of a negative", ylabel="push, over an equal share")
        pull.set(xlabel="score of a positive", ylabel="pull, over an equal share")
        for ax in (push, pull):
            ax.set_ylim(min(-0.1, ax.get_ylim()[0]))
            ax.spines[["top", "right"]].set_visible(False)
        push.legend(frameon=False)

    def _draw_leads(self, ax) -> None:
        from ..plots import loss_style

        names = [*self.trained.leads][::-1]
        for y, name in enumerate(names):
            mean, low, high = (100 * x for x in self.trained.leads[name].interval)
            color = loss_style(name)["color"]
            ax.errorbar(mean, y, xerr=[[mean - low], [high - mean]], fmt="o", color=color)
        ax.axvline(0, color="#888888", linewidth=0.8)
        ax.set_yticks(range(len(names)), [f"over {loss_style(n)['label']}" for n in names])
        ax.set(xlabel="lead in test NDCG@20 (%)", ylim=(-0.6, len(names) - 0.4))
        ax.spines[["top", "right"]].set_visible(False)

    def save(self, path: str | os.PathLike) -> None:
        """Write the report as one page of HTML, with its figure where there is matplotlib.

        Raises:
            ValueError: a name that does not end in ``.html``.
            OSError: the file cannot be written.
        """
        target = Path(path)
        if target.suffix != ".html":
            raise ValueError(f"path must end in .html, got {str(path)!r}")
        picture = ""
        if self.character is not None:
            try:
                buffer = io.StringIO()
                self.figure().savefig(buffer, format="svg")
                drawn = buffer.getvalue()
                picture = f"<figure>{drawn[drawn.index('<svg') :]}</figure>"
            except ImportError:
                pass
        title = html.escape(f"{self.name}: a loss, checked")
        target.write_text(
            f'<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width">\n<title>{title}</title>\n'
            f"<style>{STYLE}</style>\n<h1>{title}</h1>\n{picture}\n{self._repr_html_()}\n</html>\n",
            encoding="utf-8",
        )


def _number(form: str, value: float) -> str:
    return "–" if math.isnan(value) or math.isinf(value) else form.format(value)


def _text_table(heads: list[str], lines: list[list[str]]) -> str:
    """Columns as wide as they need be; the last one is not padded."""
    every = [heads, *lines]
    widths = [max(len(line[k]) for line in every) for k in range(len(heads))]
    return "\n".join(
        "  ".join(x.ljust(width) for x, width in zip(line, widths, strict=True)).rstrip()
        for line in every
    )
