"""Links that open a page's notebook on somebody else's machine, from the repository's address.

Colab opens the executed notebooks, which ``make notebooks`` makes, on a branch of their own; Binder
builds ``.binder/`` on the branch of the sources, and opens the page itself.
"""

import re

# A branch with what _build/notebooks/ holds: generated, so not beside the sources.
NOTEBOOKS = "notebooks"
GITHUB = re.compile(r"https://github\.com/(?P<repository>[\w.-]+/[\w.-]+?)(?:\.git)?/?")


def links(address: str, branch: str, page: str) -> dict[str, str]:
    """Name of a service -> where it opens a page; none without a repository.

    Raises:
        ValueError: an address that is not one of a repository on GitHub, which both ask for.

    Example:
        >>> links("", "main", "book/04-robust-loss")
        {}
    """
    if not address:
        return {}
    found = GITHUB.fullmatch(address)
    if found is None:
        raise ValueError(f"repository_url must be https://github.com/OWNER/NAME, got {address!r}")
    of = found["repository"]
    return {
        "Colab": f"https://colab.research.google.com/github/{of}/blob/{NOTEBOOKS}/reader/{page}.ipynb",
        "Binder": f"https://mybinder.org/v2/gh/{of}/{branch}?urlpath=lab/tree/{page}.md",
    }


def button(address: str, branch: str, page: str) -> dict | None:
    """The theme's button with these links, or None without a repository."""
    places = links(address, branch, page)
    if not places:
        return None
    return {
        "type": "group",
        "tooltip": "Run this page elsewhere",
        "icon": "fas fa-rocket",
        "label": "launch-buttons",
        "buttons": [
            {
                "type": "link",
                "text": name,
                "tooltip": f"Open in {name}",
                "url": url,
                "icon": "fas fa-play",
            }
            for name, url in places.items()
        ],
    }
