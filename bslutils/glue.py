"""Numbers that pages put into their text."""

from typing import Any


def glue(name: str, value: Any) -> None:
    """Put a value into the text, where ``{glue:text}`` has its name.

    In the book, through MyST-NB. Where that is not installed nothing happens: in a notebook that
    was downloaded the values stand in the text.

    Example:
        >>> glue("half", 0.5)
    """
    try:
        from myst_nb import glue as keep
    except ImportError:
        return
    keep(name, value, display=False)
