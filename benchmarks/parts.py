"""Where the time of a training step goes."""

import torch

import bslutils as bsl
from bslutils.listed import listed_scores
from bslutils.optim import RowAdam
from bslutils.rows import distinct
from bslutils.scoring import ready, soft_maximum

from .engine import BATCH, DIM, NEGATIVES, TAU
from .timing import compare


def parts_of_step(
    data: bsl.Interactions, *, batch: int = BATCH, positives: int = 1, negatives: int = NEGATIVES
) -> list[dict]:
    """Seconds of the parts of a fast step with row-wise Adam, each timed by itself."""
    generator = torch.Generator().manual_seed(0)
    user = torch.randint(data.n_users, (batch,), generator=generator)
    listed = torch.randint(data.n_items, (batch * positives + negatives,), generator=generator)
    items, place = distinct(listed, data.n_items)
    own, drawn = place[: batch * positives].view(batch, positives), place[batch * positives :]
    tables = [
        torch.nn.Parameter(torch.randn(n, DIM, generator=generator))
        for n in (data.n_users, data.n_items)
    ]
    ids = user.unique(), items

    def leaf(rows: int) -> torch.Tensor:
        return ready(torch.randn(rows, DIM, generator=generator), "cosine").requires_grad_()

    users, found, candidates = leaf(batch), leaf(len(items)), leaf(negatives)

    def look_up() -> None:
        distinct(torch.randint(data.n_items, listed.shape, generator=generator), data.n_items)

    def gather() -> None:
        of_users = torch.nn.functional.embedding(user, tables[0], sparse=True)
        of_items = torch.nn.functional.embedding(items, tables[1], sparse=True)
        both = (
            ready(torch.nn.functional.dropout(of_users, 0.1), "cosine"),
            ready(of_items, "cosine"),
        )
        grads = [torch.ones_like(x) for x in both]
        torch.autograd.grad(both, tables, grads)

    def positive_scores() -> None:
        torch.autograd.grad(listed_scores(users, found, own).sum(), (users, found))

    def negative_vectors() -> None:
        torch.autograd.grad(found.index_select(0, drawn).sum(), found)

    def maximum() -> None:
        torch.autograd.grad(soft_maximum(users, candidates, tau=TAU).sum(), (users, candidates))

    def products() -> None:
        a, b = users.detach(), candidates.detach()
        scores = a @ b.T
        scores @ b
        scores.T @ a

    optimizer = RowAdam(tables)
    for table, rows in zip(tables, ids, strict=True):
        values = torch.randn(len(rows), DIM, generator=generator)
        table.grad = torch.sparse_coo_tensor(
            rows[None], values, table.shape, check_invariants=False
        )

    def rows_updated() -> None:
        for table, rows in zip(tables, ids, strict=True):
            optimizer.catch_up(table, rows)
        optimizer.step()

    ways = {
        "products alone": products,
        "soft maximum, both ways": maximum,
        "scores of the positives, both ways": positive_scores,
        "ids drawn, each looked up once": look_up,
        "gather, dropout, norms, both ways": gather,
        "vectors of the negatives, both ways": negative_vectors,
        "row-wise Adam": rows_updated,
    }
    seconds = compare(ways, rounds=9, calls=30)
    return [{"part": name, "seconds": value} for name, value in seconds.items()]
