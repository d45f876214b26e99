"""What a page computes from, read off its code without running it.

A page depends on its code cells and, through them, on

* the modules of this repository that it imports, and those that these import, wherever in a module
  an import stands. Importing ``a.b`` runs ``a`` as well, and ``from a import b`` may import
  ``a.b``. What a module's ``__getattr__`` imports is loaded when someone asks for its name, so it
  counts where page or modules use that name;
* the files below ``results/`` that this code names in a string or a path joined with ``/``, as in
  ``ROOT / "results" / "tables" / f"{name}.json"``. What is known only when the code runs stands for
  every name. A path that ends in a folder stands for the files in it;
* ``requirements.txt``.

Docstrings name files that nobody reads, so they do not count.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

DATA = "results"
ALWAYS = ("requirements.txt",)


@dataclass
class Facts:
    """What a piece of code imports, uses and reads."""

    imports: set[str] = field(default_factory=set)  # dotted; the last part may be no module
    on_demand: set[tuple[str, str]] = field(default_factory=set)  # name asked for, import
    names: set[str] = field(default_factory=set)  # attributes and imported names
    data: set[str] = field(default_factory=set)  # folders and glob patterns below DATA


class _Reader(ast.NodeVisitor):
    def __init__(self, package: str):
        self.package, self.facts, self.demanded = package, Facts(), False

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._imported(alias.name, alias)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        package = self.package.split(".")
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            self._imported(f"{base}.{alias.name}", alias)

    def _imported(self, name: str, alias: ast.alias) -> None:
        if self.demanded:
            self.facts.on_demand.add((alias.asname or alias.name, name))
        else:
            self.facts.imports.add(name)
            self.facts.names.add(alias.name)

    def visit_Module(self, node: ast.Module) -> None:
        for child in node.body:
            self.demanded = isinstance(child, ast.FunctionDef) and child.name == "__getattr__"
            self.visit(child)

    def visit_If(self, node: ast.If) -> None:
        # What is imported for a type checker alone is imported by no run.
        names = {getattr(part, "id", getattr(part, "attr", None)) for part in ast.walk(node.test)}
        run = [] if "TYPE_CHECKING" in names else [node.test, *node.body]
        for child in [*run, *node.orelse]:
            self.visit(child)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.facts.names.add(node.attr)
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        self._path(_text(node))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._path(_text(node))
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        pieces: list[ast.expr] = [node]
        while isinstance(pieces[0], ast.BinOp) and isinstance(pieces[0].op, ast.Div):
            pieces[:1] = [pieces[0].left, pieces[0].right]
        if len(pieces) == 1:
            return self.generic_visit(node)
        self._path("/".join(_text(piece) for piece in pieces))
        for piece in pieces:
            if not isinstance(piece, ast.Constant):
                self.visit(piece)

    def _path(self, text: str) -> None:
        found = re.fullmatch(rf"(?:\S*/)?{DATA}(?:/(\S*))?", text)
        if found:
            self.facts.data.add(re.sub(r"\*+", "*", found[1] or ""))


def _text(node: ast.expr) -> str:
    """A string, with a star for every part that only a run would tell."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    return "*"


@cache
def facts(source: str, package: str = "") -> Facts:
    """Read a piece of code; ``package`` is what its relative imports start from."""
    reader = _Reader(package)
    reader.visit(ast.parse(source))
    return reader.facts


def module_file(name: str, roots: Iterable[Path]) -> Path | None:
    """The file of a module of this repository, or None for anything else."""
    for root in roots:
        path = root.joinpath(*name.split("."))
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return file
    return None


def inputs(code: str, folder: Path, root: Path) -> set[Path]:
    """The files that Python code, run in ``folder``, computes from.

    Raises:
        SyntaxError: code or a module that is not Python.
    """
    files = {root / name for name in ALWAYS}
    wanted, demanded, names, data, seen = [], set(), set(), set(), set()

    def read(found: Facts) -> None:
        wanted.extend(found.imports)
        demanded.update(found.on_demand)
        names.update(found.names)
        data.update(found.data)

    read(facts(code))
    while wanted:
        parts = wanted.pop().split(".")
        for name in (".".join(parts[:n]) for n in range(1, len(parts) + 1)):
            file = None if name in seen else module_file(name, [folder, root])
            seen.add(name)
            if file:
                files.add(file)
                package = name if file.stem == "__init__" else name.rpartition(".")[0]
                read(facts(file.read_text(encoding="utf-8"), package))
        if not wanted:
            wanted = [name for asked, name in demanded if asked in names and name not in seen]
    for pattern in data:
        path = root / DATA / pattern
        files.update(path.iterdir() if path.is_dir() else (root / DATA).glob(pattern))
    return {file for file in files if file.is_file()}


def key(cells: Sequence[str], folder: Path, root: Path) -> str:
    """A name for what a page computes: other cells, or other inputs, another key."""
    transform = TransformerManager().transform_cell  # magics are no Python
    try:
        files = inputs("\n".join(map(transform, cells)), folder, root)
    except SyntaxError:  # the page fails, and is not kept
        files = set()
    digest = hashlib.sha256(repr((folder.relative_to(root).as_posix(), list(cells))).encode())
    for file in sorted(files):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]
