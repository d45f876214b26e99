"""Claims on one knob and two troubles: negatives that shift, and negatives that are mislabelled."""

import math

import numpy as np
from scipy.optimize import brentq

from .. import dro
from . import trained_models
from .claim import HU, PSL, WU_1, Finding, claim, fails, holds

TAUS = np.geomspace(0.1, 2.0, 20)  # temperatures in use, and above
STEP = 10  # one of so many people is looked at, of those who have hidden likes


@claim(
    "dro-shift",
    "Hence robustness: whatever the negatives' distribution turns out to be, its mean score "
    "is at most the loss plus τ KL(Q‖P).",
    source=WU_1,
    verdict="holds exactly",
    about=1,
    conditions="robust to a *shift* of the negatives; of wrong labels it says nothing",
)
def bounded():
    """Distributions of negatives that one meets: popular films, and hidden likes."""
    room = []
    popular = trained_models.data().item_degree + 1.0
    held = trained_models.data().test.toarray() + 0.0
    for user in range(0, trained_models.data().n_users, 20):
        f, p = trained_models.scores()[user], trained_models.negatives()[user]
        for q in (p * popular, p * held[user], p * popular**2):
            if q.sum() == 0:
                continue
            q = q / q.sum()
            eta = dro.divergence(q, p)
            for tau in TAUS:
                room.append(tau * eta + dro.robust_value(f, tau=tau, weights=p) - q @ f)
    return Finding(
        f"the guarantee is never broken; closest {min(room):.3f} score units",
        [holds("loss plus τ KL(Q‖P), less the mean score", room, at_least=-1e-12)],
    )


@claim(
    "dro-false-negatives",
    "Hence softmax loss plays false negatives down.",
    source=f"{WU_1}, read as a claim on labels",
    verdict="does not hold",
    about=1,
    conditions="the worst case seeks high scores, and false negatives have them, in part because "
    "many of them are popular",
)
def false_negatives():
    q = dro.worst_case_weights(trained_models.scores(), tau=0.2, weights=trained_models.negatives())
    liked = trained_models.data().test.toarray()
    has = liked.any(1)
    share, fair = ((w * liked).sum(1)[has].mean() for w in (q, trained_models.negatives()))
    by_degree = np.argsort(trained_models.data().item_degree, kind="stable")
    popular = liked[:, by_degree[-len(by_degree) // 10 :]].sum() / liked.sum()
    return Finding(
        f"hidden likes are {fair:.1%} of the negatives and carry {share:.1%} of the push, "
        f"{share / fair:.1f} times their share; {popular:.0%} of them are of the most popular "
        "tenth of the films",
        [fails("push on hidden likes over their share", share / fair, at_least=2)],
    )


@claim(
    "psl-noise",
    "Robust optimisation does not protect against noisy labels: a false negative at score g "
    "moves the loss by τ(exp((g − V)/τ) − 1) per unit of contamination.",
    source=f"{PSL}, section 3",
    verdict="holds exactly",
    about=1,
    conditions="exact is the formula; that a larger radius does not protect in training was "
    "measured (`trained-radius`). The more so the lower τ, as long as g stands out at it: a higher "
    "temperature is what protects",
)
def influence():
    """How a little contamination at a score g moves the loss: an exponential of g."""
    errors, strength = [], []
    h = 1e-6
    for f, p in zip(*trained_models.some(), strict=True):
        for tau in (0.1, 0.2, 0.5):
            value = dro.robust_value(f, tau=tau, weights=p)
            g = f.max()
            mixed = dro.robust_value(np.append(f, g), tau=tau, weights=np.append((1 - h) * p, h))
            slope = (mixed - value) / h
            law = tau * math.expm1((g - value) / tau)
            errors.append(abs(slope / law - 1))
            strength.append(law / (g - p @ f))
    stronger = np.median(strength)
    return Finding(
        f"derivative to {max(errors):.0e}; a false negative at the top moves the loss "
        f"{stronger:.0f} times as far as it moves a mean (median)",
        [
            holds("relative error of the law", errors, at_most=1e-3),
            holds("move of the loss over that of a mean", stronger, at_least=2),
        ],
    )


@claim(
    "shift-tightest",
    "Of all temperatures the one that promises most against a shift of a given size falls as the "
    "shift grows.",
    source=f"this book; after {HU}",
    verdict="holds exactly",
    about=1,
    conditions="for a table of scores; which temperature is best to *train* with is a matter of "
    "measurement",
)
def tightest():
    """The bound on every shift of η nats over the temperature: where it is lowest."""
    radii, off, above, falls = (0.05, 0.2, 0.8, 1.6), [], [], []
    for f, p in zip(*trained_models.some(8), strict=True):
        grid = np.geomspace(0.02, 3, 120)
        values = np.array([dro.robust_value(f, tau=tau, weights=p) for tau in grid])
        taus = []
        for radius in radii:
            tau = dro.tau_of_radius(f, radius=radius, weights=p)
            least = dro.robust_value(f, tau=tau, weights=p) + tau * radius
            bound = values + grid * radius
            k = bound.argmin()
            off.append(abs(np.log(grid[k] / tau)))
            above.append(bound.min() - least)
            taus.append(tau)
        falls.append(-np.diff(taus))
    step = float(np.log(grid[1] / grid[0]))
    return Finding(
        f"for {len(falls)} people and shifts of {radii[0]:g} to {radii[-1]:g} nats the bound is "
        f"lowest at the temperature of that radius, to {max(off) / step:.1f} steps of a fine grid "
        f"of temperatures; from one shift to the next larger one that temperature falls, for "
        f"everybody, by {np.min(falls):.3f} at least",
        [
            holds("place of the lowest bound, in steps of the grid", max(off) / step, at_most=1.01),
            holds("bound elsewhere less that at the temperature", above, at_least=-1e-12),
            holds("fall of that temperature", falls, at_least=1e-6),
        ],
    )


def mislabelled(user: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """A user's negatives, of which a share is mislabelled: all the weights, and those of these.

    The mislabelled ones are the user's hidden likes, one as often as another.
    """
    hidden = trained_models.data().test[[user]].toarray()[0] > 0
    rest = trained_models.negatives()[user] * ~hidden
    false = share * hidden / hidden.sum()
    return (1 - share) * rest / rest.sum() + false, false


def push(user: int, share: float, tau: float) -> float:
    """What part of the push the mislabelled ones among a user's negatives take."""
    weights, false = mislabelled(user, share)
    f = trained_models.scores()[user]
    return float(dro.worst_case_weights(f, tau=tau, weights=weights)[false > 0].sum())


@claim(
    "shift-mislabelled",
    "The part of the push that mislabelled negatives take falls as the temperature rises; so the "
    "temperature that keeps it to a given part rises with the amount of them.",
    source=f"this book; the direction, {PSL}, section 3",
    verdict="holds under conditions",
    about=1,
    conditions="where the mean score that the adversary sees among the mislabelled ones is above "
    "the one among the rest, at the temperatures that are compared",
)
def taken():
    """The law of that part, its slope, and how many people fulfil its condition."""
    hidden = trained_models.data().test
    people = np.flatnonzero(np.diff(hidden.indptr) > 0)[::STEP]
    law, slope, fulfil, monotone, other, rises = [], [], [], [], [], []
    share = 0.05
    for user in people:
        f, (weights, false) = trained_models.scores()[user], mislabelled(user, share)
        sides = false / share, (weights - false) / (1 - share)

        def gap(tau: float, f=f, sides=sides) -> float:
            """Tilted mean of the mislabelled less that of the rest."""
            q, p = (dro.worst_case_weights(f, tau=tau, weights=w) for w in sides)
            return float((q - p) @ f)

        part = np.array([push(user, share, tau) for tau in TAUS])
        values = [[dro.robust_value(f, tau=tau, weights=w) / tau for tau in TAUS] for w in sides]
        odds = share / (1 - share) * np.exp(np.subtract(*values))
        law.append(np.abs(part / (odds / (1 + odds)) - 1).max())
        tau, h = 0.2, 1e-6
        low, here, high = (push(user, share, tau * (1 + x)) for x in (-h, 0, h))
        exact = -here * (1 - here) * gap(tau) / tau**2
        slope.append(abs((high - low) / (2 * h * tau) / exact - 1))
        fulfil.append(all(gap(tau) > 0 for tau in TAUS))
        (monotone if fulfil[-1] else other).append(np.diff(part).max())
        if fulfil[-1] and push(user, 0.02, TAUS[0]) > 0.1:
            rises.append(tau_of_part(user, 0.04, 0.1) - tau_of_part(user, 0.02, 0.1))
    return Finding(
        f"the law to {max(law):.0e}; at temperatures from {TAUS[0]:g} on {np.mean(fulfil):.0%} of "
        f"{len(people)} people fulfil the condition, and of all of these it is true; with 4 "
        "instead of 2 % mislabelled ones the temperature that keeps them to a tenth of the push is "
        f"higher by {np.median(rises or 0):.2f} in the median",
        [
            holds("relative error of the law", law, at_most=1e-9),
            holds("relative error of its slope", slope, at_most=1e-4),
            holds("people who fulfil the condition", np.mean(fulfil), at_least=0.7),
            holds("rise of the part with the temperature, under it", monotone, at_most=-1e-9),
            holds("rise of the temperature with the amount, under it", rises or 0, at_least=1e-6),
            fails(
                "rise of the part with the temperature, without it",
                np.max(other, initial=0),
                at_least=1e-6,
            ),
        ],
    )


def tau_of_part(user: int, share: float, part: float) -> float:
    """The temperature, from the lowest of ``TAUS`` on, where mislabelled ones take that part."""
    return brentq(lambda tau: push(user, share, tau) - part, TAUS[0], 1e3, xtol=1e-10)
