"""Negatives of several processes: two real ones against one that has all rows."""

import itertools
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from scipy.sparse import csr_array
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from bslutils.distributed import gather
from bslutils.in_batch import LogQ
from bslutils.losses import BilateralSoftmaxLoss, SoftmaxLoss
from bslutils.scoring import pair_scores, ready

RANKS, ROWS, USERS, ITEMS, NEGATIVES = 2, 8, 12, 30, 10
G = torch.Generator().manual_seed(0)
USER = torch.randint(USERS, (ROWS,), generator=G)
POS = torch.randint(ITEMS // 4, (ROWS, 3), generator=G)  # few items, so that some come twice
PADDED = torch.rand(ROWS, 3, generator=G) < 0.3
PADDED[:, 0] = False
NEG = torch.randint(ITEMS, (NEGATIVES,), generator=G)
TRAIN = csr_array((torch.ones(ROWS).numpy(), (USER.numpy(), POS[:, 0].numpy())), (USERS, ITEMS))
LOG_Q = LogQ(TRAIN)


class Towers(nn.Module):
    """A model of somebody's own."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.user = nn.Sequential(nn.Embedding(USERS, 8), nn.Linear(8, 6))
        self.item = nn.Sequential(nn.Embedding(ITEMS, 8), nn.Tanh(), nn.Linear(8, 6))

    def forward(self, user, items):
        return ready(self.user(user), "cosine"), ready(self.item(items), "cosine")


def in_batch(model, user, pos, padded, neg, join, log_q=None):
    """One positive; everyone's positives are the negatives."""
    users, items = model(user, pos[:, 0])
    ids, scores = join(pos[:, 0]), users @ join(items).T
    pos_scores = (users * items).sum(1)
    if log_q is not None:
        scores = scores - log_q.taken_off(ids, len(ids), tau=0.2)
    return pos_scores, scores, None, ids != pos[:, :1]


def corrected(*args):
    return in_batch(*args, log_q=LOG_Q)


def sampled(model, user, pos, padded, neg, join):
    """Each process draws a part of the negatives."""
    users, items = model(user, torch.cat([pos[:, 0], neg]))
    own, drawn = items.split([len(pos), len(neg)])
    return (users * own).sum(1), users @ join(drawn).T, None, None


def bilateral(model, user, pos, padded, neg, join):
    """Three positives of a row, of which some are padding."""
    users, items = model(user, torch.cat([pos.flatten(), neg]))
    own, drawn = items.split([pos.numel(), len(neg)])
    return pair_scores(users, own.view(*pos.shape, -1)), users @ join(drawn).T, ~padded, None


SOFTMAX = {"tau": 0.2, "pos_in_denominator": True}
WAYS = {
    "in-batch": (in_batch, SoftmaxLoss, SOFTMAX),
    "in-batch, logQ": (corrected, SoftmaxLoss, SOFTMAX),
    "sampled": (sampled, SoftmaxLoss, SOFTMAX),
    "bilateral": (bilateral, BilateralSoftmaxLoss, {"tau_pos": 0.3, "tau_neg": 0.2}),
}
SIZES = {"equal": (ROWS // 2, ROWS // 2), "unequal": (5, 3)}
CASES = [*itertools.product(WAYS, SIZES, ("plain", "ddp"))]


def one_process(way):
    """Loss and gradients with all rows."""
    scores_of, loss, params = WAYS[way]
    model = Towers()
    pos, neg, pos_mask, neg_mask = scores_of(model, USER, POS, PADDED, NEG, lambda x: x)
    value = loss(**params)(pos, neg, pos_mask=pos_mask, neg_mask=neg_mask)
    value.backward()
    return value.item(), [p.grad for p in model.parameters()]


def many_processes(rank, way, sizes, how):
    """The same of this process's rows, put together as a training loop does."""
    scores_of, loss, params = WAYS[way]
    model = Towers()
    called = DistributedDataParallel(model) if how == "ddp" else model
    rows = [x.split(SIZES[sizes])[rank] for x in (USER, POS, PADDED)]
    drawn = NEG.split([NEGATIVES - 3, 3])[rank]
    pos, neg, pos_mask, neg_mask = scores_of(called, *rows, drawn, gather)
    if sizes == "equal":
        value = loss(**params)(pos, neg, pos_mask=pos_mask, neg_mask=neg_mask)
    else:
        value = loss(**params, reduction="sum")(pos, neg, pos_mask=pos_mask, neg_mask=neg_mask)
        value = value * RANKS / ROWS
    value.backward()
    grads = [p.grad for p in model.parameters()]
    for shared in [value.detach()] + (grads if how == "plain" else []):
        dist.all_reduce(shared)
        shared /= RANKS
        if shared.ndim == 0:
            total = shared.item()
    return total, grads


def raised(function):
    try:
        function()
    except (ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"


def of_a_group(rank):
    """The first process by itself: identity, and an error in the other."""
    alone, x = dist.new_group([0]), torch.ones(1)
    if rank == 0:
        return gather(x, alone) is x
    return raised(lambda: gather(x, alone))


def others(rank):
    """What is no loss: other dtypes, errors, groups, a second derivative."""
    x = torch.full((2 - rank, 2), float(rank), requires_grad=True)  # two rows and one
    (first,) = torch.autograd.grad((gather(x) * (rank + 1)).square().sum(), x, create_graph=True)
    return {
        "rows": gather(x),
        "bool": gather(x > 0),
        "ids": gather(torch.tensor([rank + 7])),
        "half": gather(x.detach().bfloat16()),
        "wide": raised(lambda: gather(torch.ones(1, 2 + rank))),
        "types": raised(lambda: gather(torch.ones(1).to([torch.float32, torch.float64][rank]))),
        "gradients": raised(lambda: gather(x if rank else x.detach())),
        "second": raised(first.sum().backward),
        "group": of_a_group(rank),
    }


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=RANKS
    )
    found = {case: many_processes(rank, *case) for case in CASES} | others(rank)
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What two processes found, by rank: they are started once."""
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, (str(folder),), nprocs=RANKS)
    return [torch.load(folder / f"{rank}.pt") for rank in range(RANKS)]


@pytest.mark.parametrize("case", CASES, ids=", ".join)
def test_two_processes_are_one_with_all_rows(found, case):
    value, grads = one_process(case[0])
    assert min(grad.abs().max() for grad in grads) > 1e-3
    for rank in found:
        assert rank[case][0] == pytest.approx(value, rel=0, abs=1e-6)
        for ours, theirs in zip(rank[case][1], grads, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_rows_come_in_the_order_of_ranks_in_any_dtype(found):
    for rank in found:
        assert rank["rows"].tolist() == [[0, 0], [0, 0], [1, 1]]
        assert rank["bool"].tolist() == [[False, False], [False, False], [True, True]]
        assert rank["ids"].tolist() == [7, 8]
        assert rank["half"].dtype == torch.bfloat16
        assert torch.equal(rank["half"].float(), rank["rows"])


def test_what_does_not_fit_is_refused_in_every_process(found):
    for here, (rank, other) in zip(found, ((0, 1), (1, 0)), strict=True):
        wide, types, gradients = here["wide"], here["types"], here["gradients"]
        assert (
            f"(1, {2 + rank}) torch.float32 without gradients, but not so on ranks [{other}]"
            in wide
        )
        assert (
            f"(1,) torch.float{[32, 64][rank]} without gradients, but not so on ranks [{other}]"
            in types
        )
        assert f"{['without', 'with'][rank]} gradients, but not so on ranks [{other}]" in gradients
        assert "once_differentiable" in here["second"]
    assert found[0]["group"] is True
    assert found[1]["group"] == "ValueError: group must be one that this process belongs to"


@pytest.mark.parametrize("bad", [torch.tensor(1.0), [1.0], None])
def test_what_has_no_rows_is_refused(bad):
    with pytest.raises(ValueError, match="vectors must be a tensor of at least one dimension, got"):
        gather(bad)


def test_a_single_process_gathers_what_it_has(tmp_path):
    x = torch.ones(2, 3)
    assert gather(x) is x
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        assert gather(x) is x
    finally:
        dist.destroy_process_group()


PAGE = Path(__file__).parent.parent / "book" / "32-one-machine.md"


def start(script, size):
    """The processes of a script, as ``torchrun`` starts them; it itself looks up names of hosts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    return [
        subprocess.Popen(
            [sys.executable, script],
            env=os.environ | place | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def test_the_pages_script_does_the_same_in_two_processes(tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    [script] = re.findall(r"```python\n([^`]*init_process_group[^`]*)```", text)
    (tmp_path / "in_batch.py").write_text(script, encoding="utf-8")
    running = [start(tmp_path / "in_batch.py", size) for size in (1, 2)]
    said = [[process.communicate(timeout=300) for process in ranks] for ranks in running]
    assert {process.returncode for ranks in running for process in ranks} == {0}, said
    lines = ["".join(out for out, _ in ranks) for ranks in said]
    one, two = (re.fullmatch(r"(\d) process.*: (\d\.\d{4})\n", line) for line in lines)
    assert (one[1], two[1]) == ("1", "2")
    assert float(one[2]) < 7  # it starts at the logarithm of 2,078 items, 7.6
    assert float(two[2]) == pytest.approx(float(one[2]), abs=2e-3)
