"""Imports only point down: a floor knows those below it, and none above."""

import ast
from pathlib import Path

import pytest

from bslutils import store

PACKAGE = Path(__file__).parent.parent / "bslutils"

# From the ground up. What stands in one line may import one another, but not in a circle.
FLOORS = (
    "version",
    "provenance published",
    "atomic checks distributed dro in_batch listed rows sampling scoring stream tuning",
    "losses",
    "data graph",
    "models",
    "adapters auc baselines batch checkpoint config evaluate exposure first_batch intervals optim"
    " rank recommend replay saved store told train updates",
    "experiments",
    "examine glue interactive page page_benches plots",
    "verify",
    "cli flags __main__",
)
FLOOR_OF = {name: level for level, names in enumerate(FLOORS) for name in names.split()}


def modules() -> dict[str, Path]:
    """Dotted name below the package -> file; a folder goes by its own name."""
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del names[""]  # the package itself, which offers what people use most
    return names


MODULES = modules()


def imports(name: str) -> set[str]:
    """The modules of the package that a module imports, anywhere in its code."""
    path, found = MODULES[name], set()
    folder = [*name.split(".")] if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            wanted = [alias.name for alias in node.names if alias.name.split(".")[0] == "bslutils"]
            assert not wanted, f"{name} imports {wanted[0]} by its full name"
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = folder[: len(folder) - (node.level - 1)]
        base += node.module.split(".") if node.module else []
        for alias in node.names:
            target = ".".join([*base, alias.name])
            found.add(target if target in MODULES else ".".join(base))
    return found - {""}


def test_every_module_has_a_floor_and_every_floor_its_modules():
    assert {name.split(".")[0] for name in MODULES} == set(FLOOR_OF)


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_point_down(name):
    def floor(module):
        return FLOOR_OF[module.split(".")[0]]

    above = [target for target in imports(name) if floor(target) > floor(name)]
    assert above == []


def test_no_module_imports_itself_through_others():
    left = {name: imports(name) - {name} for name in MODULES}
    while left:
        # A folder's own file may name its modules, which know nothing of it.
        free = [name for name, wanted in left.items() if not wanted & set(left)]
        assert free, f"a circle among {', '.join(sorted(left))}"
        for name in free:
            del left[name]


def test_a_change_above_the_trainer_trains_no_model_of_the_book_again():
    above = {name for name, level in FLOOR_OF.items() if level > FLOOR_OF["train"]}
    assert set(store.ABOVE) == above | {"store"}
