"""Rows whose memory counts, each measured in a process of its own."""

import json
import sys
import time

import torch

import bslutils as bsl
from bslutils.batch import batch_scores
from bslutils.models import MatrixFactorization
from bslutils.scoring import ready, soft_maximum
from bslutils.stream import ParquetPairs
from bslutils.updates import make_optimizer, row_updates, update

from .engine import BATCH, DIM, NEGATIVES, TAU, stepper
from .timing import compare, memory

USERS = 30_000


def catalogue(optimizer: str, items: int) -> dict:
    """A training step of shared negatives."""
    model = MatrixFactorization(USERS, items, dim=DIM)
    config = bsl.TrainConfig(batch_size=BATCH, n_negatives=NEGATIVES, optimizer=optimizer)
    before = memory()
    calls = 50 if optimizer == "row-adam" else 5
    with stepper(model, config, n_users=USERS, n_items=items) as step:
        seconds = compare({"step": step}, rounds=5, calls=calls)["step"]
    return {
        "optimizer": optimizer,
        "items": items,
        "seconds": seconds,
        "peak_bytes": memory(peak=True),
        "bytes_before": before,
        "table_bytes": 4 * DIM * items,
    }


def full(way: str, items: int) -> dict:
    """The soft maximum over all items and its gradient."""
    generator = torch.Generator().manual_seed(0)
    users, vectors = (
        ready(torch.randn(n, DIM, generator=generator), "cosine").requires_grad_()
        for n in (BATCH, items)
    )
    soft_maximum(users, vectors[:100], tau=TAU).sum().backward()  # what a first call loads

    def once() -> None:
        users.grad = vectors.grad = None
        if way == "blocks":
            value = soft_maximum(users, vectors, tau=TAU)
        else:
            value = TAU * torch.logsumexp(users @ vectors.T / TAU, 1)
        value.sum().backward()

    seconds = compare({"once": once}, rounds=3)["once"]
    return {
        "way": way,
        "items": items,
        "seconds": seconds,
        "peak_bytes": memory(peak=True),
        "table_bytes": 4 * DIM * items,
    }


def stream(what: str, folder: str, dim: int, negatives: int, batch: int) -> dict:
    """An epoch of pairs in Parquet: reading them, or training with softmax loss on them."""
    start = time.perf_counter()
    pairs = ParquetPairs(folder)
    opened = time.perf_counter() - start
    generator = torch.Generator().manual_seed(0)
    losses, caught_up = torch.zeros(-(-pairs.n_pairs // batch)), 0.0
    if what == "reading":
        start = time.perf_counter()
        seen = sum(len(user) for user, _ in pairs.batches(batch, generator))
        seconds = time.perf_counter() - start
    else:
        model = MatrixFactorization(pairs.n_users, pairs.n_items, dim=dim)
        config = bsl.TrainConfig(
            batch_size=batch, n_negatives=negatives, optimizer="row-adam", lr=0.01
        )
        loss, optimizer = bsl.losses.SoftmaxLoss(tau=TAU), make_optimizer(model, config)
        seen = 0
        start = time.perf_counter()
        with row_updates(model, optimizer):
            for step, (user, pos) in enumerate(pairs.batches(batch, generator)):
                scores = batch_scores(
                    model, user, pos, None, config, pairs.n_items, generator, loss=loss
                )
                losses[step] = update(loss, optimizer, scores)
                seen += len(user)
        seconds = time.perf_counter() - start
        optimizer.catch_up()  # once, for all rows of the tables, however many pairs there were
        caught_up = time.perf_counter() - start - seconds
    if seen != pairs.n_pairs:
        raise RuntimeError(f"{seen} of {pairs.n_pairs} pairs were seen")
    found = losses.tensor_split(20) if what == "training" else []
    return {
        "what": what,
        "pairs": seen,
        "users": pairs.n_users,
        "items": pairs.n_items,
        "seconds": seconds,
        "opened_seconds": opened,
        "catch_up_seconds": caught_up,
        "peak_bytes": memory(peak=True),
        "loss of each twentieth": [round(part.mean().item(), 4) for part in found if len(part)],
    }


if __name__ == "__main__":
    row = {"catalogue": catalogue, "full": full, "stream": stream}[sys.argv[1]]
    print(json.dumps(row(**json.loads(sys.argv[2]))))
