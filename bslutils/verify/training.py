"""Claims on how the package trains: shared negatives, one log-sum-exp, row-wise Adam."""

import itertools
import math

import numpy as np
import torch
from scipy.sparse import csr_array

from .. import in_batch, losses, optim, scoring
from . import trained_models
from .claim import LOGQ, YI, Finding, claim, fails, holds


def _vectors() -> tuple[torch.Tensor, torch.Tensor]:
    """Users and items of the reference model, float64."""
    model = trained_models.trained("softmax", tau=0.2)
    return tuple(table.detach().double() for table in model.embed())


def covariance(x: np.ndarray, y: np.ndarray) -> float:
    """Mean inner product of the deviations of two lists of vectors ``(n, d)``, over the list."""
    return float(((x - x.mean(0)) * (y - y.mean(0))).sum(1).mean())


def _by_draw(user: torch.Tensor, items: torch.Tensor, n: int) -> np.ndarray:
    """Gradient of a row of softmax loss by the item vectors, for every list of n negatives.

    The positive is the last item; ``(draws, items * dim)``.
    """
    found = []
    for draw in itertools.product(range(len(items) - 1), repeat=n):
        table = items.clone().requires_grad_()
        scores = table @ user
        value = losses.softmax_loss(scores[-1:], scores[list(draw)][None], tau=0.2)
        found.append(torch.autograd.grad(value, table)[0].flatten().numpy())
    return np.array(found)


def _of_batch(rows: list[np.ndarray], n_lists: int) -> np.ndarray:
    """Gradient of a batch for every way to draw its lists: ``(draws ** n_lists, items * dim)``."""
    total = np.zeros((1, rows[0].shape[1]))
    for part in np.split(np.array(rows), n_lists):
        total = (total[:, None] + part.sum(0) / len(rows)).reshape(-1, total.shape[1])
    return total


@claim(
    "train-shared",
    "L lists of negatives shared by the rows of a batch leave the expected gradient as it is, "
    "and add (1/L − 1/B) times the covariance between rows to its variance.",
    source="this book",
    verdict="holds exactly",
    conditions="the noise of shared negatives is larger, as the identity says",
)
def shared():
    """All draws of two negatives out of three, for four people: in one list, two lists or four."""
    users, items = _vectors()
    popular = np.argsort(-trained_models.data().item_degree, kind="stable")[:4]
    means, variances, louder = [], [], {1: [], 2: []}
    for u in range(0, 40, 4):
        rows = [_by_draw(user, items[popular], 2) for user in users[u : u + 4]]
        alone = np.mean([covariance(x, x) for x in rows])
        each = _of_batch(rows, 4)
        for n_lists in (1, 2, 4):
            parts = [range(k, k + 4 // n_lists) for k in range(0, 4, 4 // n_lists)]
            pairs = [pair for part in parts for pair in itertools.permutations(part, 2)]
            together = np.mean([covariance(rows[b], rows[c]) for b, c in pairs] or [0])
            batch = _of_batch(rows, n_lists)
            stated = alone / 4 + (1 / n_lists - 1 / 4) * together
            means.append(np.abs(batch.mean(0) - each.mean(0)).max())
            variances.append(abs(covariance(batch, batch) / stated - 1))
            if n_lists in louder:
                louder[n_lists].append(covariance(batch, batch) / covariance(each, each))
    one, two = (np.median(found) for found in louder.values())
    return Finding(
        f"every draw of 2 of 3 items, 10 batches of 4 people: expectations and variances as stated "
        f"to {max(means + variances):.0e}; a list makes the noise {one:.2f} times as large, two "
        f"{two:.2f} (medians)",
        [
            holds("difference of the expected gradients", means, at_most=1e-9),
            holds("relative error of the variance", variances, at_most=1e-9),
            holds("noise of one list over none shared, less two lists'", one - two, at_least=0.05),
            holds("noise of two lists over none shared, less one", two - 1, at_least=0.05),
        ],
    )


@claim(
    "train-soft-maximum",
    "All that a softmax loss takes from a user's negatives is their soft maximum, whose "
    "gradient is the worst-case distribution.",
    source="this book",
    verdict="holds exactly",
)
def soft_maximum():
    """The written-out operation against plain automatic ones, and the loss that takes it."""
    users, items = _vectors()
    users, gaps = users[::30], []
    for tau in (0.05, 0.2, 1.0):
        found = []
        for operation in (
            lambda a, p, tau=tau: scoring.soft_maximum(a, p, tau=tau),
            lambda a, p, tau=tau: tau * torch.logsumexp(a @ p.T / tau, 1),
        ):
            a, p = users.clone().requires_grad_(), items.clone().requires_grad_()
            value = operation(a, p)
            # One row weighs unlike another, as in a loss.
            (value * torch.linspace(0.5, 1.5, len(value))).sum().backward()
            found.append((value.detach(), a.grad, p.grad))
        loss, table = losses.SoftmaxLoss(tau=tau), users @ items.T
        best = scoring.soft_maximum(users, items, **losses.negative_form(loss))
        found[0] += (loss(table[:, :1], best[:, None]),)  # the loss sees one number
        found[1] += (loss(table[:, :1], table),)
        gaps.append([(x - y).abs().max().item() for x, y in zip(*found, strict=True)])
    value, by_user, by_item, by_loss = zip(*gaps, strict=True)
    return Finding(
        f"{len(users)} people, {len(items)} items: equal to {np.max(gaps):.0e}",
        [
            holds("gap of the soft maxima", value, at_most=1e-10),
            holds("gap of the gradients by users", by_user, at_most=1e-10),
            holds("gap of the gradients by items", by_item, at_most=1e-10),
            holds("gap of the losses that take them", by_loss, at_most=1e-10),
        ],
    )


@claim(
    "train-row-adam",
    "Row-wise Adam, which moves a row when it is next read, follows dense Adam.",
    source="this book",
    verdict="holds under conditions",
    conditions="when all rows have been caught up with, and up to ε",
)
def row_adam():
    """The same sparse gradients to both, before and after the last payment."""
    start = _vectors()[1][:250]
    tables = [torch.nn.Parameter(start.clone()) for _ in range(2)]
    rows, dense = tables
    steps = (optim.RowAdam([rows], lr=0.01), torch.optim.Adam([dense], lr=0.01))
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        touched = torch.randint(len(start), (5,), generator=generator)
        push = torch.randn(5, start.shape[1], generator=generator, dtype=start.dtype)
        for table, step in zip(tables, steps, strict=True):
            step.zero_grad()
            read = torch.nn.functional.embedding(touched, table, sparse=table is rows)
            (read * push).sum().backward()
            step.step()
    behind = (rows - dense).abs().max().item()
    steps[0].catch_up()
    apart = (rows - dense).abs().max().item()
    moved = (dense - start).abs().max().item()
    return Finding(
        f"400 steps, 5 of 250 rows each, which move a number by up to {moved:.1f}: {apart:.0e} "
        f"apart; rows not yet read lag by up to {behind:.2f}",
        [
            holds("distance when all are caught up with", apart, at_most=1e-4),
            fails("distance before", behind, at_least=1e-2),
        ],
    )


def _every_batch(pair: int, pairs: torch.Tensor, size: int) -> torch.Tensor:
    """Items of the other rows of every batch with a pair, ``(batches, size - 1)``."""
    others = [n for n in range(len(pairs)) if n != pair]
    return pairs[torch.tensor(list(itertools.combinations(others, size - 1)))][:, :, 1]


@claim(
    "train-logq",
    "In-batch negatives, corrected by the logarithm of how often a row meets them, and a positive "
    "that is not corrected, estimate the denominator of the softmax over all items without bias.",
    source=f"{YI}; {LOGQ}; this book",
    verdict="holds exactly",
    conditions="with the positive corrected too, or no correction, the denominator is biased",
)
def logq():
    """Scores of the reference model, three pairs each of a few people, and every batch of four."""
    users, items = _vectors()
    train, tau, size = trained_models.data().train, 0.2, 4
    pairs = torch.tensor([(u, j) for u in range(4) for j in train[[u]].indices[:3].tolist()])
    shelf, place = pairs[:, 1].unique(return_inverse=True)
    pairs = torch.stack([pairs[:, 0], place], 1)
    pairs = torch.cat([pairs, torch.tensor([[4, 0], [5, 0], [6, 0], [5, 1]])])  # popular items
    counts = torch.bincount(pairs[:, 1])
    matrix = csr_array((np.ones(len(pairs)), pairs.T.numpy()))
    log_q = in_batch.LogQ(matrix)
    gaps = {"corrected": [], "positive too": [], "neither": []}
    for n, (u, p) in enumerate(pairs.tolist()):
        scores = items[shelf] @ users[u]
        drawn = _every_batch(n, pairs, size)
        every = torch.arange(len(shelf))
        off = log_q.taken_off(every, size, tau=tau).double()  # (items,)
        lone = (scores[p] / tau).exp()
        want = (scores / tau).exp().sum()
        counted = drawn != p
        found = {}
        for name, shift in (("corrected", off), ("neither", 0 * off)):
            terms = ((scores - shift) / tau).exp()[drawn] * counted
            found[name] = lone + terms.sum(1).mean()
        # The positive's own term, too, over how often it is met: as a share of that term.
        own = log_q.taken_off(torch.tensor([p]), size, tau=tau).double().item()
        found["positive too"] = lone + (found["corrected"] - lone) * math.exp(own / tau)
        for name, value in found.items():
            gaps[name].append(abs(value / want - 1).item())
    either = [np.median(gaps[name]) for name in ("positive too", "neither")]
    return Finding(
        f"{len(pairs)} pairs of {len(counts)} items, every batch of {size}: right to "
        f"{max(gaps['corrected']):.0e}; off by {either[0]:.0%} with the positive corrected, too, "
        f"and by {either[1]:.0%} with none (medians)",
        [
            holds("relative gap of the denominators", gaps["corrected"], at_most=1e-5),
            fails("relative gap, positive corrected too", either[0], at_least=0.1),
            fails("relative gap, none corrected", either[1], at_least=0.1),
        ],
    )
