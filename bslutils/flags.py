"""Flags for the data, and for the parameters of training, models and losses.

A flag is made from the signature that declares the parameter, and its help is what the docstring
says of it: a new loss or model has its flags without a line here.
"""

import argparse
import inspect
import re
import shlex
import sys
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from . import Interactions, TrainConfig, load, load_files, losses, models
from .data import LAYOUTS, SOURCES, SPLITTINGS
from .losses import LOSSES, VECTOR_LOSSES, loss_parameters
from .models import MODELS, model_parameters

EVERY_LOSS = LOSSES | VECTOR_LOSSES


def add_data(parser: argparse.ArgumentParser, name: str, **options) -> None:
    """Add the data, by ``name``, and how a file is read; :func:`read_data` loads it."""
    parser.add_argument(
        name, help=f"one of {', '.join(SOURCES)}, or a file: a table or lists of items", **options
    )
    parser.add_argument("--valid-fraction", type=float, default=0.1, help="held out of train (0.1)")
    group = parser.add_argument_group("files", "how your own file is read; found where it is clear")
    group.add_argument("--test-file", metavar="FILE", help="pairs to test on")
    group.add_argument(
        "--columns",
        nargs="+",
        metavar="ROLE",
        help="user, item, rating, time or - in order, or such as user=reviewerID item=1",
    )
    group.add_argument("--sep", help=r"what separates columns, such as , or :: or \t")
    group.add_argument("--header", action=argparse.BooleanOptionalAction, help="the first row")
    group.add_argument("--min-rating", type=float, help="rows rated lower are left out")
    group.add_argument("--split", choices=SPLITTINGS, help="without a test file (random)")
    group.add_argument("--test-fraction", type=float, help="without a test file (0.2)")
    group.add_argument("--layout", choices=LAYOUTS, help="a table, or lists: user item item …")
    group.add_argument("--encoding", help="of files (utf-8)")


def read_data(args: argparse.Namespace, data: str) -> Interactions:
    """The data set or the file called ``data``, read as the flags of :func:`add_data` say.

    Raises:
        ValueError: as :func:`bslutils.load` and :func:`bslutils.load_files`; flags of files with a
            data set.
    """
    apart = ("train", "test", "valid", "valid_fraction", "seed", "name")
    names = [name for name in inspect.signature(load_files).parameters if name not in apart]
    options = {name: value for name in names if (value := getattr(args, name)) is not None}
    given_file = args.test_file is not None or Path(data).exists()
    if data in SOURCES and args.test_file is None:
        if options:
            flag = next(iter(options)).replace("_", "-")
            raise ValueError(
                f"--{flag} is of a file, and {data!r} is a data set; ./{data} is a file"
            )
        return load(data, valid_fraction=args.valid_fraction)
    if not given_file and not re.search(r"[./\\]", data):
        raise ValueError(
            f"unknown data set {data!r}; choose one of {', '.join(SOURCES)}, or name a file"
        )
    if "sep" in options:
        options["sep"] = options["sep"].replace("\\t", "\t")
    if len(options.get("columns", ())) == 1 and "=" not in options["columns"][0]:
        options["columns"] = options["columns"][0].split(",")  # user,item,rating
    if any("=" in column for column in options.get("columns", ())):
        pairs = [column.partition("=")[::2] for column in options["columns"]]
        options["columns"] = {
            role: int(place) if place.isascii() and place.isdigit() else place
            for role, place in pairs
        }
        if len(options["columns"]) < len(pairs):
            raise ValueError("--columns names a role twice")
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = load_files(data, args.test_file, valid_fraction=args.valid_fraction, **options)
    except ValueError as error:
        raise ValueError(as_flags(str(error))) from None
    for warning in said:
        print(f"warning: {as_flags(str(warning.message))}", file=sys.stderr)
    return found


def as_flags(message: str) -> str:
    """What an error says of arguments of :func:`bslutils.load_files`, in flags.

    Example:
        >>> as_flags("say columns={'user': 'who', 'item': 'what'}, or header=False")
        'say --columns user=who item=what, or --no-header'
        >>> as_flags("load_files('a.csv', columns=('user', 'item')) keeps; min_rating=4 does not")
        "'a.csv' --columns user item keeps; --min-rating 4 does not"
    """

    def columns(found: re.Match) -> str:
        words = re.findall(r"'([^']*)'(?:: (?:'([^']*)'|([\w…]+)))?", found[1])
        roles = ("=".join(filter(None, word)) for word in words)
        return "--columns " + " ".join(shlex.quote(role) for role in roles)

    message = re.sub(r"columns=[({]((?:'[^']*'|[^'(){}])*)[)}]", columns, message)
    message = re.sub(r"load_files\(('[^']*'), ([^()]*)\)", r"\1 \2", message)
    message = message.replace("header=False", "--no-header").replace("header=True", "--header")
    names = "sep|split|layout|encoding|min_rating|test_fraction|valid_fraction"
    return re.sub(
        rf"\b({names})=('[^']*'|[\w.+-]*\w)",
        lambda found: f"--{found[1].replace('_', '-')} {shlex.quote(found[2].strip(chr(39)))}",
        message,
    )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every parameter; :func:`given` has the values that were given.

    A name that training and models share, ``seed``, is one flag for both. A name that a model
    shares with a loss is ``--name`` for the loss and ``--model-name`` for the model.
    """
    specs, texts = {}, {}
    for kind, taker, spec, text in parameters():
        key = kind, spec.name
        specs.setdefault(key, spec)
        default = "required" if spec.default is spec.empty else f"default: {spec.default}"
        texts.setdefault(key, {}).setdefault((text, default), []).append(taker)
    groups = {
        "training": parser.add_argument_group("training", "--seed seeds the model, too"),
        "model": parser.add_argument_group(
            "model", "in brackets: the models that take it; --model-NAME where a loss has that NAME"
        ),
        "loss": parser.add_argument_group("loss", "in brackets: the losses that take it"),
    }
    for (kind, name), spec in specs.items():
        shared = kind == "model" and ("loss", name) in specs
        text = " / ".join(
            f"{text} ({'; '.join(filter(None, [', '.join(takers), default]))})"
            for (text, default), takers in texts[kind, name].items()
        )
        groups[kind].add_argument(
            f"--{'model-' * shared}{name.replace('_', '-')}",
            dest=f"{kind}.{name}",
            default=argparse.SUPPRESS,
            help=text.replace("%", "%%"),
            **_reading(spec),
        )


def given(args: argparse.Namespace, kind: str) -> dict[str, Any]:
    """The parameters of ``"training"``, ``"model"`` or ``"loss"`` that were given, by name."""
    found = ((dest.partition("."), value) for dest, value in vars(args).items())
    return {name: value for (group, _, name), value in found if group == kind and name}


def parameters() -> Iterator[tuple[str, str, inspect.Parameter, str]]:
    """What can be given: its kind, who takes it, its declaration, and what is said of it."""
    for name, spec in inspect.signature(TrainConfig).parameters.items():
        if name != "progress":  # it is --no-progress
            yield "training", "", spec, explained(TrainConfig.__doc__, name)
    for model, made in MODELS.items():
        for name, spec in model_parameters(model).items():
            if name != "seed":  # that of the training
                yield "model", model, spec, explained(made.__doc__, name, models)
    for loss, made in EVERY_LOSS.items():
        for name, spec in loss_parameters(loss).items():
            yield "loss", loss, spec, explained(made.function.__doc__, name, losses)


def explained(doc: str, name: str, package: ModuleType | None = None) -> str:
    """What a docstring says of an argument, or the docstring that it refers to.

    Args:
        doc: the docstring; "as in :class:`X`", of one argument or of all, refers to that of X.
        name: of the argument.
        package: where X is.

    Example:
        >>> explained(TrainConfig.__doc__, "n_negatives")
        'negatives in a list; in-batch and full sampling ignore it'
        >>> explained(MODELS["NGCF"].__doc__, "dim", models)  # as in LightGCN
        'length of a vector, d'
    """
    _, _, section = inspect.cleandoc(doc).partition("\nArgs:\n")
    section = re.split(r"\n(?=\S)", section)[0]
    entries = re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    text = next((text for names, text in entries if name in names.split(", ")), "")
    if package is not None and (not text or text.startswith("as in")):
        other = re.search(r"\bas\s+(?:in\s+)?:\w+:`(?:\w+\.)*(\w+)`", text or doc)
        return (
            explained(getattr(package, other[1], package).__doc__, name, package) if other else ""
        )
    text = re.sub(r"(:\w+:)?`+", "", " ".join(text.split())).rstrip(".")
    # A command line gives numbers: that they may be tensors is for readers of the docstring.
    return "; ".join(part for part in text.split("; ") if "tensor" not in part)


def _reading(spec: inspect.Parameter) -> dict[str, Any]:
    """How a flag reads its value: by the type that the signature declares."""
    kinds = typing.get_args(spec.annotation) or (spec.annotation,)
    if bool in kinds:
        return {"action": argparse.BooleanOptionalAction}
    kind = next(kind for kind in (int, float, str) if kind in kinds)

    def read(text: str) -> int | float | str | None:
        return None if text == "None" and type(None) in kinds else kind(text)

    read.__name__ = kind.__name__  # argparse names it where a value cannot be read
    return {"type": read, "metavar": kind.__name__.upper()}
