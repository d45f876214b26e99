"""Rows whose memory counts, each measured in a process of its own."""

import json
import sys

import torch

import bslutils as bsl
from bslutils.models import MatrixFactorization
from bslutils.scoring import ready, soft_maximum

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


if __name__ == "__main__":
    print(
        json.dumps({"catalogue": catalogue, "full": full}[sys.argv[1]](**json.loads(sys.argv[2])))
    )
