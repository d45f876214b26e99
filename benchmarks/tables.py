"""The tables: what is measured against what. Each gives ``{"rows": [...], ...}``."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import torch

import bslutils as bsl
from bslutils.graph import normalised_adjacency, spread
from bslutils.models import MatrixFactorization, make_model
from bslutils.rank import CHUNK
from bslutils.sampling import batches

from .engine import BATCH, DIM, NEGATIVES, TAU, stepper
from .frontier import frontier
from .parts import parts_of_step
from .reference import ReferenceTrainer, reference_evaluate
from .streaming import stream
from .timing import compare, in_own_process, product_rate


def _yelp() -> tuple[bsl.Interactions, MatrixFactorization]:
    data = bsl.load("yelp2018").paper_protocol()
    model = MatrixFactorization(data.n_users, data.n_items, dim=DIM, user_dropout=0.1)
    return data, model


def step() -> dict:
    """One training step on Yelp2018, from the reference to the fast path."""
    data, model = _yelp()
    sizes = {"n_users": data.n_users, "n_items": data.n_items}
    reference = ReferenceTrainer(
        model, tau=TAU, n_negatives=NEGATIVES, lr=1e-4, l2=1e-3, generator=torch.Generator()
    )
    user, pos, _ = next(batches(data.train, BATCH, generator=torch.Generator().manual_seed(0)))
    ways = {"reference": lambda: reference.step(user, pos[:, 0])}
    kinds = {
        "no copies of vectors": ("independent", False, "adam"),
        "shared negatives": ("shared", False, "adam"),
        "… and soft maximum": ("shared", True, "adam"),
        "… and row-wise Adam": ("shared", True, "row-adam"),
    }
    with ExitStack() as stack:
        for name, (sampler, fused, optimizer) in kinds.items():
            config = bsl.TrainConfig(
                batch_size=BATCH, n_negatives=NEGATIVES, optimizer=optimizer, sampler=sampler
            )
            copy = MatrixFactorization(**sizes, dim=DIM, user_dropout=0.1)
            ways[name] = stack.enter_context(stepper(copy, config, fused=fused, **sizes))
        calls = {name: 1 if name == "reference" else 50 for name in ways}
        seconds = compare(ways, rounds=5, calls=calls)
    # The three products of a step, at the rate that the machine reaches on their shapes.
    flops = 3 * 2 * BATCH * NEGATIVES * DIM
    floor = flops / product_rate(BATCH, DIM, NEGATIVES)
    rows = [
        {"way": name, "seconds": value, "times faster": seconds["reference"] / value}
        for name, value in seconds.items()
    ]
    return {
        "batch": BATCH,
        "negatives": NEGATIVES,
        "dim": DIM,
        "flops": flops,
        "floor_seconds": floor,
        "peak_flops_per_second": product_rate(),
        "parts": parts_of_step(data),
        "rows": rows,
    }


def positives() -> dict:
    """One training step on MovieLens-1M, rows of 16 positives, with either Adam."""
    data = bsl.load("ml-1m")
    sizes = {"n_users": data.n_users, "n_items": data.n_items}
    shape = {"batch": 256, "positives": 16, "negatives": 256}
    config = bsl.TrainConfig(
        batch_size=shape["batch"], positives=shape["positives"], n_negatives=shape["negatives"]
    )
    ways = {}
    with ExitStack() as stack:
        for name, optimizer in (("dense Adam", "adam"), ("row-wise Adam", "row-adam")):
            model = MatrixFactorization(**sizes, dim=DIM, user_dropout=0.1)
            one = stepper(model, replace(config, optimizer=optimizer), **sizes)
            ways[name] = stack.enter_context(one)
        seconds = compare(ways, rounds=9, calls=50)
    return {
        **shape,
        "dim": DIM,
        "steps_of_an_epoch": int(-(-(-(-data.user_degree // 16)).sum() // shape["batch"])),
        "parts": parts_of_step(data, **shape),
        "rows": [{"way": name, "seconds": value} for name, value in seconds.items()],
    }


def epoch() -> dict:
    """One epoch of training on Yelp2018, against the reference."""
    data, model = _yelp()
    config = bsl.TrainConfig(
        epochs=1,
        batch_size=BATCH,
        n_negatives=NEGATIVES,
        optimizer="row-adam",
        progress=False,
    )
    steps = -(-data.train.nnz // BATCH)
    run = bsl.fit(model, data, bsl.losses.SoftmaxLoss(tau=TAU), config)
    ours = run.history[-1]["seconds"]
    _, other = _yelp()
    generator = torch.Generator().manual_seed(0)
    reference = ReferenceTrainer(
        other, tau=TAU, n_negatives=NEGATIVES, lr=1e-4, l2=1e-3, generator=generator
    )
    timed, seconds = 20, 0.0
    for count, (user, pos, _) in enumerate(batches(data.train, BATCH, generator=generator)):
        start = time.perf_counter()
        reference.step(user, pos[:, 0])
        if count:  # the first allocates
            seconds += time.perf_counter() - start
        if count == timed:
            break
    theirs = seconds / timed * steps
    return {
        "steps": steps,
        "reference_steps_timed": timed,
        "rows": [
            {"way": "reference", "seconds": theirs, "times faster": 1.0},
            {"way": "fast path", "seconds": ours, "times faster": theirs / ours},
        ],
    }


def evaluation() -> dict:
    """Full ranking of Yelp2018 with its metrics, against a plain one."""
    data, model = _yelp()
    users, items = (vectors.detach() for vectors in model.embed())

    blocks = users.split(CHUNK["cpu"] // data.n_items)
    memory = users.new_empty(len(blocks[0]), data.n_items)

    def products() -> None:
        for block in blocks:
            torch.mm(block, items.T, out=memory[: len(block)])

    seconds = compare(
        {
            "products alone": products,
            "reference": lambda: reference_evaluate(model, data, k=20),
            "package": lambda: bsl.evaluate(model, data),
            "package, with ten groups": lambda: bsl.evaluate(
                model, data, groups=data.popularity_groups(10)
            ),
        },
        rounds=3,
    )
    return {
        "users": data.n_users,
        "items": data.n_items,
        "rows": [
            {"way": name, "seconds": value, "times faster": seconds["reference"] / value}
            for name, value in seconds.items()
        ],
    }


def catalogue() -> dict:
    """Seconds and memory of a step as the catalogue grows, 1e4 to 1e7 items."""
    rows = [
        in_own_process("catalogue", {"optimizer": optimizer, "items": items})
        for items in (10**4, 10**5, 10**6, 10**7)
        for optimizer in ("row-adam", "adam")
    ]
    return {"batch": BATCH, "negatives": NEGATIVES, "dim": DIM, "rows": rows}


def full() -> dict:
    """Memory and seconds of the soft maximum over all items, in blocks and at once."""
    rows = [
        in_own_process("full", {"way": way, "items": items})
        for items in (10**4, 10**5, 10**6)
        for way in ("blocks", "at once")
        if not (way == "at once" and items > 10**5)  # 1e6 items at once: see the slope
    ]
    return {"batch": BATCH, "dim": DIM, "rows": rows}


def negatives() -> dict:
    """Seconds of a step by batch size and number of negatives."""
    data, _ = _yelp()
    sizes = {"n_users": data.n_users, "n_items": data.n_items}
    rows = []
    for batch in (256, 1024, 4096):
        for n in (64, 256, 1024, 4096):
            config = bsl.TrainConfig(batch_size=batch, n_negatives=n, optimizer="row-adam")
            model = MatrixFactorization(**sizes, dim=DIM, user_dropout=0.1)
            with stepper(model, config, **sizes) as one:
                seconds = compare({"step": one}, rounds=3, calls=20)["step"]
            rows.append({"batch": batch, "negatives": n, "seconds": seconds})
    return {"dim": DIM, "rows": rows}


def lists() -> dict:
    """A step on Yelp2018 whose rows share 800 negatives each, in one list and in more."""
    data, _ = _yelp()
    sizes = {"n_users": data.n_users, "n_items": data.n_items}
    ways = {}
    with ExitStack() as stack:
        for n in (1, 8, 64):
            config = bsl.TrainConfig(
                batch_size=BATCH, n_negatives=NEGATIVES, n_lists=n, optimizer="row-adam"
            )
            model = MatrixFactorization(**sizes, dim=DIM, user_dropout=0.1)
            ways[n] = stack.enter_context(stepper(model, config, **sizes))
        seconds = compare(ways, rounds=5, calls=20)
    rows = [
        {"lists": n, "seconds": value, "times slower": value / seconds[1]}
        for n, value in seconds.items()
    ]
    return {"batch": BATCH, "negatives": NEGATIVES, "dim": DIM, "rows": rows}


def graph() -> dict:
    """One product with the graph of Gowalla, and its gradient: three ways."""
    data = bsl.load("gowalla").paper_protocol()
    adjacency = normalised_adjacency(data.train)
    coo = adjacency.to_sparse_coo()
    vectors = torch.randn(adjacency.shape[0], DIM, requires_grad=True)

    def both(product):
        def way() -> None:
            vectors.grad = None
            product().sum().backward()

        return way

    seconds = compare(
        {
            "COO, autograd": both(lambda: torch.sparse.mm(coo, vectors)),
            "CSR, autograd": both(lambda: adjacency @ vectors),
            "CSR, symmetric": both(lambda: spread(adjacency, vectors)),
        },
        rounds=3,
    )
    slowest = seconds["COO, autograd"]
    return {
        "nodes": adjacency.shape[0],
        "edges": 2 * data.train.nnz,
        "rows": [
            {"way": name, "seconds": value, "times faster": slowest / value}
            for name, value in seconds.items()
        ],
    }


def gpu() -> dict:
    """On a GPU: a step on Yelp2018 against the reference there, full ranking, the graph."""
    data, model = _yelp()
    sizes = {"n_users": data.n_users, "n_items": data.n_items}
    generator = torch.Generator("cuda").manual_seed(0)
    reference = ReferenceTrainer(
        model.to("cuda"), tau=TAU, n_negatives=NEGATIVES, lr=1e-4, l2=1e-3, generator=generator
    )
    user, pos, _ = next(batches(data.train, BATCH, generator=generator))
    base = bsl.TrainConfig(batch_size=BATCH, n_negatives=NEGATIVES, device="cuda")
    full = replace(base, sampler="full")
    graph = replace(base, sampler="in-batch")
    kinds = {
        "shared negatives, launched": ("MF", replace(base, replay=False)),
        "shared negatives, replayed": ("MF", base),
        "shared negatives, row-wise Adam": ("MF", replace(base, optimizer="row-adam")),
        "all items": ("MF", full),
        "all items, bfloat16": ("MF", replace(full, precision="bfloat16")),
        "all items, batch 4,096": ("MF", replace(full, batch_size=4 * BATCH)),
        "all items, bfloat16, batch 4,096": (
            "MF",
            replace(full, batch_size=4 * BATCH, precision="bfloat16"),
        ),
        "LightGCN, in-batch, launched": ("LightGCN", replace(graph, replay=False)),
        "LightGCN, in-batch, replayed": ("LightGCN", graph),
    }
    calls = 30

    def many(one: Callable[[], object]) -> Callable[[], None]:
        def way() -> None:
            for _ in range(calls):
                one()
            torch.cuda.synchronize()  # launching is not yet doing

        return way

    with ExitStack() as stack:
        ways = {"reference": many(lambda: reference.step(user, pos[:, 0]))}
        for name, (backbone, config) in kinds.items():
            other = make_model(backbone, data, dim=DIM)
            ways[name] = many(stack.enter_context(stepper(other, config, **sizes)))
        seconds = {name: value / calls for name, value in compare(ways, rounds=5).items()}
        for name, (_, config) in kinds.items():  # of a larger batch, for as many pairs
            seconds[name] *= BATCH / config.batch_size
        ranking = compare({"ranking": lambda: bsl.evaluate(model, data)}, rounds=3)["ranking"]
    return {
        "batch": BATCH,
        "negatives": NEGATIVES,
        "dim": DIM,
        "steps_of_an_epoch": -(-data.train.nnz // BATCH),
        "ranking_seconds": ranking,
        "rows": [
            {"way": name, "seconds": value, "times faster": seconds["reference"] / value}
            for name, value in seconds.items()
        ],
    }


ON_CPU = (step, positives, epoch, evaluation, catalogue, full, negatives, lists, graph)
TABLES = {table.__name__: table for table in (*ON_CPU, frontier, stream, gpu)}
