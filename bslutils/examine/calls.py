"""Checks of how a loss is called, and of what it does to what it is given."""

import time

import torch
from torch import Tensor

from .called import Called, Unusable
from .finding import FEW, Finding, differ, fault, fine, warning
from .rows import Rows

SLOW = 0.5  # seconds of a call, with which the checks alone would take a minute


def how_called(loss: Called, rows: Rows) -> list[Finding]:
    """Find how a loss wants its positives, and whether it gives a number; sets ``loss`` to it."""
    pos, neg = rows.pos.float(), rows.neg.float()
    refused = []
    for shape, several in (("many", pos), ("one", pos[:, :1]), ("flat", pos[:, 0])):
        try:
            value = loss.raw(several * 1, neg * 1)
        except Unusable as why:
            refused.append(str(why))
            continue
        loss.positives = shape
        break
    else:
        asked = f"loss(pos {tuple(pos.shape)}, neg {tuple(neg.shape)}) {refused[0]}"
        return [fault("call", asked, "give a function loss(pos, neg) of two tensors of scores")]
    found = [
        fine("call", "takes one positive a row, or several")
        if loss.positives == "many"
        else warning(
            "call",
            f"takes one positive a row: with several it {refused[0]}",
            "write pos as (B, P) and take the mean over P, to train on rows of several positives",
        )
        if loss.positives == "one"
        else fault(
            "call",
            f"takes pos as (B,) alone: as (B, 1) it {refused[1]}",
            "the trainer gives pos as (B, P), with P = 1 too",
        )
    ]
    if isinstance(value, Tensor) and value.ndim and value.numel() > 1:
        loss.mean = True
        where = f"gives a tensor of shape {tuple(value.shape)}"
        found.append(fault("number", where, "return one number, such as its .mean()"))
    start = time.perf_counter()  # of the second call: a first one may load what it needs
    try:
        value = loss(pos, neg)
    except Unusable as why:
        return [*found, fault("number", str(why), "return one number in a tensor of the scores")]
    if (seconds := time.perf_counter() - start) > SLOW:
        what = f"takes {seconds:.1f} s for {len(pos)} rows of {neg.shape[1]} negatives"
        advice = "a step should take milliseconds; nothing more was tried"
        return [*found, fault("time", what, advice)]
    try:
        loss(rows.pos, rows.neg)
    except Unusable as why:
        loss.dtype = torch.float32
        what = f"takes float32 alone: with float64 it {why}"
        found.append(warning("number", what, "make what it needs of the type of the scores"))
        return found
    if not loss.mean and value.dtype != pos.dtype:
        what = f"gives {value.dtype} for scores of {pos.dtype}"
        found.append(warning("number", what, "keep the type of the scores"))
    elif not loss.mean:
        found.append(fine("number", "gives one number of the type of the scores"))
    return found


def leaves_its_input(loss: Called, rows: Rows) -> Finding:
    """Whether the scores are what they were."""
    before = [x.to(loss.dtype or x.dtype) for x in (rows.pos, rows.neg)]
    pos, neg = (x.clone() for x in before)
    given = (
        pos if loss.positives == "many" else pos[:, :1] if loss.positives == "one" else pos[:, 0]
    )
    loss.raw(given, neg)
    changed = [
        name
        for name, x, y in zip(("pos", "neg"), (pos, neg), before, strict=True)
        if not torch.equal(x, y)
    ]
    if loss.meddles:
        return fault("input", "; ".join(sorted(loss.meddles)), "leave the program as it is")
    if changed:
        return fault("input", f"changes {' and '.join(changed)} in place", "work on a copy")
    return fine("input", "leaves the scores as they are")


def takes_masks(loss: Called, rows: Rows) -> Finding:
    """Whether it can be trained as it is, and what it makes of masked scores."""
    pos, neg = rows.pos[:FEW], rows.neg[:FEW]
    if loss.positives != "many":
        pos = pos[:, :1]
    try:
        loss(pos, neg, pos_mask=None, neg_mask=None)
    except Unusable as why:
        return warning(
            "masks",
            f"with pos_mask and neg_mask it {why}",
            "bslutils.fit calls loss(pos, neg, pos_mask=…, neg_mask=…): add both, None by default",
        )
    all_pos, all_neg = (torch.ones_like(x, dtype=torch.bool) for x in (pos, neg))
    sides = {"negatives": (neg, all_neg), "positives": (pos, all_pos)}
    if pos.shape[1] == 1:
        del sides["positives"]
    try:
        for name, (scores, every) in sides.items():
            keep = every.clone()
            keep[:, ::3] = False

            def at(scores, keep, name=name):
                if name == "negatives":
                    return loss(pos, scores, pos_mask=all_pos, neg_mask=keep)
                return loss(scores, neg, pos_mask=keep, neg_mask=all_neg)

            there = keep[0]
            a, b = at(scores, keep), at(scores.masked_fill(~keep, 1.0), keep)
            c = (
                at(scores[:, there], keep[:, there])
                if name == "negatives"
                else loss(scores[:, there], neg, pos_mask=all_pos[:, there], neg_mask=all_neg)
            )
            if differ(a, b) or differ(a, c):
                how = (
                    f"move it from {a:.4g} to {b:.4g}"
                    if differ(a, b)
                    else (f"give {a:.4g}, and left out altogether {c:.4g}")
                )
                return fault(
                    "masks",
                    f"{name} that are masked out {how}",
                    "leave out what the mask says, as with masked_fill(~neg_mask, -inf) before a "
                    "sum of exponentials, and divide by how many are left",
                )
            keep[0] = False
            try:
                lost = None if at(scores, keep).isfinite() else "is not finite"
            except Unusable as why:
                lost = str(why)
            if lost:
                return warning(
                    "masks",
                    f"{lost} where a row has none of its {name} left",
                    "let such a row count for nothing, as the losses of the package do",
                )
    except Unusable as why:
        return fault("masks", f"with masks of True and False it {why}", "see bslutils.losses")
    return fine("masks", "takes masks, and what is masked out does not count")


def is_repeatable(loss: Called, rows: Rows) -> Finding:
    """Whether it gives the same twice."""
    a, b = loss(rows.pos, rows.neg), loss(rows.pos, rows.neg)
    if differ(a, b, 0) and not (a == b or (a.isnan() and b.isnan())):  # "finite" tells of those
        return fault(
            "repeatable",
            f"gives {a:.6g}, and then {b:.6g} for the same scores",
            "draw nothing at random in a loss, and keep nothing from call to call",
        )
    return fine("repeatable", "gives the same twice")


def takes_large_batches(loss: Called, rows: Rows) -> Finding:
    """Whether it works at the size of a training, too."""
    pos, neg = (x.float().repeat(11, 1)[:256] for x in (rows.pos, rows.neg))
    for p, n in ((pos[:, :4], neg.repeat(1, 2)[:, :512]), (pos[:, :1], neg.repeat(1, 3)[:, :1024])):
        value = loss(p, n)
        if not value.isfinite():
            return fault(
                "size",
                f"is {value.item()} for pos {tuple(p.shape)} and neg {tuple(n.shape)}",
                "it must do for a large batch what it does for a small one",
            )
    return fine("size", "works for a batch of 256 rows, with 512 and with 1,024 negatives")
