"""Row-wise Adam: an update that costs what the batch touches, not what the table holds."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim.adam import adam

from .rows import distinct, summed_rows

WINDOW = 256  # steps after which a gradient is forgotten: 0.9004**256 is 2e-12
PLAIN = {"amsgrad": False, "maximize": False}  # variants of Adam that this is not


class Moments(NamedTuple):
    """Of the rows of a table: both moments ``(n, d)`` and the step up to which they stand."""

    m: Tensor
    v: Tensor
    last: Tensor  # (n,)

    def read(self, rows: Tensor) -> "Moments":
        return Moments(*(part.index_select(0, rows) for part in self))

    def write(self, rows: Tensor, moments: "Moments") -> None:
        for part, new in zip(self, moments, strict=True):
            part.index_copy_(0, rows, new)


class RowAdam(torch.optim.Optimizer):
    r"""Adam on tables whose gradients are sparse: what dense Adam does, row by row, when read.

    Dense Adam moves every row in every step. A row without a gradient since step a still drifts
    on by what is left of its first moment,

    .. math:: \theta_b = \theta_a - \frac{m_a}{\sqrt{v_a}} \sum_{s=a+1}^{b} c_s\, r^{s-a}, \quad
              c_s = \eta_s \frac{\sqrt{1-\beta_2^s}}{1-\beta_1^s}, \quad
              r = \frac{\beta_1}{\sqrt{\beta_2}},

    while m and v fade by the powers of their β. The sum is the same for all rows last touched at
    a, so each row's arrears can be paid at once when it is next read: :meth:`catch_up` does so,
    for the rows of a batch before they are used and for all rows before the table is. A step
    then costs the same at ten million rows as at ten thousand.

    The trajectory is that of dense Adam but for ε, which is left out of the drift (and for an L2
    term, which acts on touched rows only).

    Args:
        params: tables ``(n, d)`` whose gradients are sparse (``F.embedding(…, sparse=True)``).
        lr: learning rate; a schedule may change it between steps.
        betas: decay of the moments, :math:`\beta_1 < \sqrt{\beta_2}`.
        eps: added to the root of the second moment.
        weight_decay: L2 term on the touched rows.

    Raises:
        ValueError: a setting outside its domain; in ``step``, a gradient that is not sparse.

    Example:
        >>> table = torch.nn.Parameter(torch.zeros(4, 2))
        >>> optimizer = RowAdam([table], lr=0.1)
        >>> rows = torch.nn.functional.embedding(torch.tensor([1, 1]), table, sparse=True)
        >>> rows.sum().backward()
        >>> optimizer.step()
        >>> table.detach()[:, 0]
        tensor([ 0.0000, -0.1000,  0.0000,  0.0000])

    Source: Kingma and Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015, algorithm 1.
    The sum is derived, and the cost measured, in the chapter *Speed and memory*.
    """

    def __init__(
        self,
        params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        if not 0 < lr < float("inf"):
            raise ValueError(f"lr must be positive and finite, got {lr}")
        if not (0 <= betas[0] < betas[1] ** 0.5 < 1):
            raise ValueError(f"betas must satisfy 0 <= beta1 < sqrt(beta2) < 1, got {betas}")
        if not 0 <= weight_decay < float("inf"):
            raise ValueError(f"weight_decay must be at least 0, got {weight_decay}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        self.clock = 0  # steps so far
        # By table: rows and their moments, caught up and not yet written back, since the step
        # that follows wants them again.
        self.held: dict[Tensor, tuple[Tensor, Moments]] = {}
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            # owed[a]: the sum above for a row last touched at step a, up to now.
            group["owed"] = group["params"][0].new_zeros(4 * WINDOW)
            ratio = torch.tensor(beta1 / beta2**0.5, dtype=torch.float64)
            group["fade"] = (ratio ** torch.arange(WINDOW, 0, -1)).to(group["owed"])

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows that have a gradient."""
        before, self.clock = self.clock, self.clock + 1
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            settings = {name: group[name] for name in ("lr", "weight_decay", "eps")}
            settings |= {"beta1": beta1, "beta2": beta2, "fused": True}
            for table in group["params"]:
                if table.grad is None:
                    continue
                if not table.grad.is_sparse:
                    raise ValueError("RowAdam needs sparse gradients: F.embedding(…, sparse=True)")
                if table not in self.state:
                    last = torch.zeros(len(table), dtype=torch.int32, device=table.device)
                    moments = Moments(torch.zeros_like(table), torch.zeros_like(table), last)
                    self.state[table] = moments._asdict()
                rows, grad = summed_rows(table.grad)  # (R,), (R, d)
                value, moments = table.index_select(0, rows), self._take(table, rows)
                if (moments.last < before).any():
                    self._pay(value, moments, group, before)
                # One pass over the rows, for all that Adam does with them.
                count = torch.tensor(float(before), device=table.device)
                adam([value], [grad], [moments.m], [moments.v], [], [count], **PLAIN, **settings)
                moments.last.fill_(self.clock)
                Moments(**self.state[table]).write(rows, moments)
                table.index_copy_(0, rows, value)
            whole = 1 - beta1**self.clock, 1 - beta2**self.clock
            self._owe(group, group["lr"] * whole[1] ** 0.5 / whole[0])

    @torch.no_grad()
    def catch_up(self, table: Tensor | None = None, ids: Tensor | None = None) -> None:
        """Bring rows of a table to where dense Adam has them by now.

        Args:
            table: which; by default every one.
            ids: of the rows, any shape; by default all of them.
        """
        for group in self.param_groups:
            for other in group["params"]:
                if other in self.state and (table is None or table is other):
                    if ids is None:
                        rows = torch.arange(len(other), device=other.device)
                    else:
                        rows, _ = distinct(ids, len(other))
                    # In blocks, so that there is no second copy of a large table.
                    for block in rows.split(1 << 16):
                        self._catch_up(other, block, group)

    def state_dict(self) -> dict[str, Any]:
        """As of any optimiser of torch, so that training can go on from it."""
        for table in list(self.held):
            rows, moments = self.held.pop(table)
            Moments(**self.state[table]).write(rows, moments)
        return super().state_dict() | {"clock": self.clock}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        super().load_state_dict(state)
        self.held.clear()
        self.clock = state["clock"]
        tables = [table for group in self.param_groups for table in group["params"]]
        for place, moments in state["state"].items():  # torch makes numbers of the type of a table
            self.state[tables[place]]["last"] = moments["last"].to(tables[place].device)

    def _catch_up(self, table: Tensor, rows: Tensor, group: dict) -> None:
        value, moments = table.index_select(0, rows), self._take(table, rows)
        self._pay(value, moments, group, self.clock)
        self.held[table] = rows, moments
        table.index_copy_(0, rows, value)

    def _take(self, table: Tensor, rows: Tensor) -> Moments:
        """Moments of rows: those held if they are the same rows, else what is written down."""
        written = Moments(**self.state[table])
        if table in self.held:
            held, moments = self.held.pop(table)
            if torch.equal(held, rows):
                return moments
            written.write(held, moments)
        return written.read(rows)

    @staticmethod
    def _pay(value: Tensor, moments: Moments, group: dict, now: int) -> None:
        """Drift ``value (R, d)`` and fade its moments, in place, up to step ``now``."""
        beta1, beta2 = group["betas"]
        m, v, last = moments
        owed = group["owed"].index_select(0, last).unsqueeze(1)  # (R, 1)
        root = v.sqrt().add_(group["eps"] * (1 - beta2 ** max(now, 1)) ** 0.5)
        value.addcdiv_(m * owed, root, value=-1)
        age = (now - last).unsqueeze(1).to(value)
        m.mul_(beta1**age)
        v.mul_(beta2**age)
        last.fill_(now)

    def _owe(self, group: dict, rate: float) -> None:
        """Note what the step just made moves the rows that it did not touch."""
        if self.clock >= len(group["owed"]):
            group["owed"] = torch.cat([group["owed"], torch.zeros_like(group["owed"])])
        window = min(WINDOW, self.clock)
        group["owed"][self.clock - window : self.clock] += rate * group["fade"][-window:]


class Together:
    """Several optimisers that step as one."""

    def __init__(self, *optimizers: torch.optim.Optimizer):
        self.optimizers = optimizers

    @property
    def param_groups(self) -> list[dict]:
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none)

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for optimizer, own in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(own)
