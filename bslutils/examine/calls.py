"""Checks of how a loss is called, and of what it does to what it is given."""

import torch
from torch import Tensor

from .called import Called, Unusable
from .finding import FEW, Finding, differ, fault, fine, warning
from .rows import Rows


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
    try:
        value = loss(pos, neg)
    except Unusable as why:
        return [*found, fault("number", str(why), "return one number in a tensor of the scores")]
    if not loss.mean and value.dtype != pos.dtype:
        what = f"gives {value.dtype} for scores of {pos.dtype}"
        found.append(warning("number", what, "keep the type of the scores"))
    elif not loss.mean:
        found.append(fine("number", "gives one number of the type of the scores"))
    return found


def leaves_its_input(loss: Called, rows: Rows) -> Finding:
    """Whether the scores are what they were."""
    pos, neg = rows.pos.clone(), rows.neg.clone()
    given = (
        pos if loss.positives == "many" else pos[:, :1] if loss.positives == "one" else pos[:, 0]
    )
    loss.raw(given, neg)
    changed = [
        name
        for name, x, y in (("pos", pos, rows.pos), ("neg", neg, rows.neg))
        if not torch.equal(x, y)
    ]
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
    keep = torch.ones_like(neg, dtype=torch.bool)
    keep[:, ::3] = False
    where = {"pos_mask": torch.ones_like(pos, dtype=torch.bool), "neg_mask": keep}
    moved = neg.masked_fill(~keep, 1.0)
    try:
        a, b = loss(pos, neg, **where), loss(pos, moved, **where)
    except Unusable as why:
        return fault("masks", f"with masks of True and False it {why}", "see bslutils.losses")
    if differ(a, b):
        return fault(
            "masks",
            f"negatives that are masked out move it from {a:.4g} to {b:.4g}",
            "leave out what neg_mask says, as with masked_fill(~neg_mask, -inf) before a sum of "
            "exponentials",
        )
    return fine("masks", "takes masks, and masked negatives do not move it")


def is_repeatable(loss: Called, rows: Rows) -> Finding:
    """Whether it gives the same twice."""
    a, b = loss(rows.pos, rows.neg), loss(rows.pos, rows.neg)
    if differ(a, b, 0):
        return fault(
            "repeatable",
            f"gives {a:.6g}, and then {b:.6g} for the same scores",
            "draw nothing at random in a loss, and keep nothing from call to call",
        )
    return fine("repeatable", "gives the same twice")
