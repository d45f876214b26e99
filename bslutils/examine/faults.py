"""What may be wrong with a loss: every check, in the order of the report.

A *fault* is wrong in any loss. A *warning* tells of something that some losses do by design, and
that others do by mistake.
"""

from collections.abc import Callable

from . import calls, ranking, values
from .called import Called, Unusable
from .finding import Finding, fault
from .rows import Rows

CHECKS: dict[str, Callable[[Called, Rows], Finding]] = {
    "input": calls.leaves_its_input,
    "repeatable": calls.is_repeatable,
    "finite": values.is_finite,
    "gradient": values.has_gradient,
    "signs": ranking.has_right_signs,
    "rows": ranking.has_separate_rows,
    "order": ranking.ignores_order,
    "shift": ranking.ignores_level,
    "saturates": ranking.wants_the_worst,
    "count": ranking.counts_fairly,
    "adam": values.suits_adam,
    "size": calls.takes_large_batches,
    "masks": calls.takes_masks,
}


def findings(loss: Called, rows: Rows) -> list[Finding]:
    """What every check found; the first ones alone where a loss gives no number."""
    found = calls.how_called(loss, rows)
    if found[-1].check == "time":
        return found
    try:
        loss(rows.pos.float(), rows.neg.float())
    except Unusable:
        return found
    failed: dict[str, str] = {}  # how -> the first check in which it did
    for name, check in CHECKS.items():
        try:
            found.append(check(loss, rows))
        except Unusable as why:
            how = f"it {why}"
            known = f"it fails as in '{failed[how]}'" if how in failed else how
            failed.setdefault(how, name)
            found.append(fault(name, known, "it must do for all scores what it does for some"))
    return found
