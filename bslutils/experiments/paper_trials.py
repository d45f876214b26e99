"""The trials of noise on the paper's data: at a level, to start from, and to tune."""

from dataclasses import replace

from . import every_loss
from .facts import facts_of
from .paper_benches import Bench, Level
from .records import MissingRun, Records
from .trial import Trial
from .walk import Goal, Knob, Walk, valid

# How each setting of a loss is moved when it is tuned, if it is set at all; last the L2 term.
# Beyond a tau_pos of 2 the bilateral loss is all but softmax loss in its risk form: a quarter of
# the variance of a row's positive scores is what is left between the two.
TAU, L2 = Knob(1.4), Knob(3.0)
KNOBS: dict[str, dict[str, Knob]] = {
    "softmax": {"tau": TAU},
    "bilateral_softmax": {"tau_neg": TAU, "tau_pos": Knob(1.7, high=2.1)},
    "reweighted_softmax": {"tau": TAU, "neg_weight": Knob(1.1)},
    "bpr": {"tau": TAU},
    "bce": {
        "tau": TAU,
        "neg_weight": Knob(2.0),
        "intercept": Knob(1.0, add=True, low=-12.0, high=0.0),
    },
    "mse": {"neg_weight": Knob(2.0)},
    "ccl": {"margin": Knob(0.1, add=True, high=0.9), "neg_weight": Knob(2.0)},
    "psl_relu": {"tau": TAU},
}
STEPS = 12  # trials of a loss at a level

# Where losses on Yelp2018 and Gowalla start from: what the sweep ``published`` chose on Yelp2018;
# for the bilateral loss and CCL, which it lacks, settings that are near enough to walk from.
STARTS: dict[str, dict[str, float | str]] = {
    "softmax": {"tau": 0.11},
    "bilateral_softmax": {"tau_neg": 0.11, "tau_pos": 0.5},
    "reweighted_softmax": {"tau": 0.14, "neg_weight": 1.2},
    "bpr": {"tau": 1.0, "score": "dot", "lr": 1e-2},
    "bce": {"tau": 1.0, "neg_weight": 10.0, "score": "dot", "lr": 2e-2},
    "mse": {"neg_weight": 25.0, "score": "dot", "lr": 1e-2},
    "ccl": {"margin": 0.8, "neg_weight": 50.0},
}
START_L2 = {"cosine": 3e-3, "dot": 1e-5}


def ratio(data: str, share: float) -> float:
    """The weight of a positive among the negatives at which a share of them is false."""
    if share == 0:
        return 0.0
    return float(f"{facts_of(data)['ratio of a share'][str(share)]:.3g}")


def at(trial: Trial, level: Level) -> Trial:
    """The trial at a level of noise."""
    kind, amount = level
    weight = ratio(trial.data, amount) if kind == "negatives" else 1.0
    config = replace(trial.config, negative_noise=weight)
    fraction = amount if kind == "positives" else 0.0
    score = " inner product" if trial.score == "dot" else ""
    noisy = replace(trial, config=config, false_positives=fraction, label="")
    extra = f"{score} L2={config.weight_decay:g} {config.epochs} epochs"
    return replace(noisy, label=noisy.label + extra)


def start(bench: Bench, loss: str, records: Records) -> Trial:
    """The trial that tuning on clean data starts from.

    On MovieLens-1M and Amazon-Electronics it has the settings that the sweep ``field`` found.

    Raises:
        MissingRun: a run of that sweep is not recorded.
    """
    config = replace(bench.config, epochs=bench.tuning_epochs)
    if bench.in_field:
        found = every_loss.choice(bench.data, loss, records).final
        if not found:
            raise MissingRun(f"a run is missing: of the tuning of {loss} on {bench.data}")
        params, model, l2 = found[0].params, found[0].model, found[0].config.weight_decay
    else:
        params = dict(STARTS[loss])
        config = replace(config, lr=params.pop("lr", config.lr))
        score = params.pop("score", "cosine")
        model = {"user_dropout": 0.1} | ({"score": score} if score != "cosine" else {})
        l2 = START_L2[score]
        if score == "cosine" and loss in every_loss.IN_SCORES:
            l2 /= 5
    return Trial(bench.data, loss, params, replace(config, weight_decay=l2), "MF", model)


def walk(
    origin: Trial,
    level: Level,
    names: tuple[str, ...] = (),
    *,
    steps: int = STEPS,
    goal: Goal = valid,
) -> Walk:
    """The tuning of a loss at a level, from a trial on; by default in all that the trial sets."""
    begin = {**origin.params, "weight_decay": origin.config.weight_decay}
    knobs = KNOBS[origin.loss] | {"weight_decay": L2}
    knobs = {name: knobs[name] for name in knobs if name in (names or begin)}

    def trial(values: dict[str, float]) -> Trial:
        l2 = values.pop("weight_decay", origin.config.weight_decay)
        config = replace(origin.config, weight_decay=l2)
        return at(replace(origin, params=origin.params | values, config=config), level)

    return Walk({name: begin[name] for name in knobs}, knobs, trial, steps, goal)
