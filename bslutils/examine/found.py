"""A loss in a file, and where its report goes."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..checks import check_file, shown


def find_loss(where: str) -> Callable[..., Any]:
    """The loss called ``NAME`` in ``FILE.py:NAME`` or ``package.module:NAME``.

    Raises:
        ValueError: no such file, module or name; or the file fails. The message says which.

    Example:
        >>> find_loss("bslutils.losses:bpr_loss").__name__
        'bpr_loss'
    """
    source, colon, name = where.rpartition(":")
    if not colon or not source or not name:
        raise ValueError(f"a loss is named as FILE:NAME, such as my_loss.py:my_loss, got {where!r}")
    if not source.endswith(".py") and Path(source).is_file():
        raise ValueError(f"{source} must end in .py")
    try:
        module = _file(Path(source)) if source.endswith(".py") else importlib.import_module(source)
    except FileNotFoundError:
        raise ValueError(f"there is no file {source}") from None
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"{source} cannot be imported: {what}") from error
    try:
        loss = getattr(module, name, None)
    except Exception as error:  # of a module that looks names up by itself
        raise ValueError(f"{source} fails when {name!r} is asked for: {error!r}") from None
    if loss is None:
        there = [x for x, value in vars(module).items() if callable(value) and x[0] != "_"]
        raise ValueError(
            f"{source} has no {name!r}; it has {', '.join(there) or 'nothing to call'}"
        )
    if not callable(loss):
        raise ValueError(f"{name} of {source} must be a function or a module, got {shown(loss)}")
    return loss


def _file(path: Path):
    if not path.is_file():
        raise FileNotFoundError(path)
    # A name that no other module has; it is known, since some libraries look modules up.
    name = f"bslutils_checked_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))  # for what it imports from beside it
    try:
        spec.loader.exec_module(module)
    finally:  # a loss may import its neighbours when it is called: last, so that none is hidden
        folder = str(path.resolve().parent)
        sys.path.remove(folder)
        sys.path.append(folder)
    return module


def page_to_write(path: Path) -> Path:
    """A page that can be written, known before a minute is spent on what shall be on it.

    Raises:
        ValueError: a name that does not end in ``.html``, a folder, or a folder that is not there
            or cannot be written to.
    """
    if path.suffix != ".html":
        raise ValueError(f"--out must end in .html, got {path}")
    check_file("--out", path)
    return path
