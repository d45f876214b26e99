"""Row-wise Adam: an update that costs what the batch touches, not what the table holds."""

import torch
from torch import Tensor

WINDOW = 256  # steps after which a gradient is forgotten: 0.9004**256 is 2e-12


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
        self.held: dict[Tensor, tuple[Tensor, Tensor]] = {}
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            # owed[a]: the sum above for a row last touched at step a, up to now.
            group["owed"] = group["params"][0].new_zeros(4 * WINDOW)
            ratio = torch.tensor(beta1 / beta2**0.5, dtype=torch.float64)
            group["fade"] = (ratio ** torch.arange(WINDOW, 0, -1)).to(group["owed"])

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows that have a gradient."""
        self.clock += 1
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            whole = 1 - beta1**self.clock, 1 - beta2**self.clock
            for table in group["params"]:
                if table.grad is None:
                    continue
                if not table.grad.is_sparse:
                    raise ValueError("RowAdam needs sparse gradients: F.embedding(…, sparse=True)")
                if table not in self.state:
                    width = 2 * table.shape[1] + 1
                    self.state[table]["moments"] = table.new_zeros(len(table), width)
                rows, grad = summed_rows(table.grad)  # (R,), (R, d)
                value, state = table.index_select(0, rows), self._take(table, rows)
                m, v, last = _parts(state)
                if (last < self.clock - 1).any():
                    self._pay(value, state, group, self.clock - 1)
                if group["weight_decay"]:
                    grad.add_(value, alpha=group["weight_decay"])
                m.lerp_(grad, 1 - beta1)
                v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                last.fill_(self.clock)
                root = v.sqrt().div_(whole[1] ** 0.5).add_(group["eps"])
                value.addcdiv_(m, root, value=-group["lr"] / whole[0])
                self.state[table]["moments"].index_copy_(0, rows, state)
                table.index_copy_(0, rows, value)
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
                    # In blocks, so that there is no second copy of a large table.
                    device, size = other.device, len(other)
                    rows = torch.arange(size, device=device) if ids is None else ids.unique()
                    for block in rows.split(1 << 16):
                        self._catch_up(other, block, group)

    def _catch_up(self, table: Tensor, rows: Tensor, group: dict) -> None:
        value, state = table.index_select(0, rows), self._take(table, rows)
        self._pay(value, state, group, self.clock)
        self.held[table] = rows, state
        table.index_copy_(0, rows, value)

    def _take(self, table: Tensor, rows: Tensor) -> Tensor:
        """Moments of rows: those held if they are the same rows, else what is written down."""
        moments = self.state[table]["moments"]
        if table in self.held:
            held, state = self.held.pop(table)
            if torch.equal(held, rows):
                return state
            moments.index_copy_(0, held, state)
        return moments.index_select(0, rows)

    @staticmethod
    def _pay(value: Tensor, state: Tensor, group: dict, now: int) -> None:
        """Drift ``value (R, d)`` and fade ``state (R, 2d + 1)``, in place, up to step ``now``."""
        beta1, beta2 = group["betas"]
        m, v, last = _parts(state)
        owed = group["owed"][last.long()]  # (R, 1)
        root = v.sqrt().add_(group["eps"] * (1 - beta2 ** max(now, 1)) ** 0.5)
        value.sub_((m / root).mul_(owed))
        age = now - last
        m.mul_(beta1**age)
        v.mul_(beta2**age)
        last.fill_(now)

    def _owe(self, group: dict, rate: float) -> None:
        """Note what the step just made moves the rows that it did not touch."""
        if self.clock >= len(group["owed"]):
            group["owed"] = torch.cat([group["owed"], torch.zeros_like(group["owed"])])
        window = min(WINDOW, self.clock)
        group["owed"][self.clock - window : self.clock] += rate * group["fade"][-window:]


def _parts(state: Tensor) -> list[Tensor]:
    """Views of m ``(R, d)``, v ``(R, d)`` and the step of the last update ``(R, 1)``."""
    width = state.shape[1] // 2
    return state.split([width, width, 1], dim=1)


def summed_rows(grad: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows of a sparse gradient and the sum of each row's entries: ``(R,), (R, d)``."""
    ids, values = grad._indices()[0], grad._values()
    rows, place = ids.unique(return_inverse=True)
    return rows, values.new_zeros(len(rows), values.shape[1]).index_add_(0, place, values)
