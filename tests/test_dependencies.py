"""What a page computes from, as the build reads it off the code."""

from pathlib import Path

import dependencies
import pytest


@pytest.fixture
def repository(tmp_path):
    """A package whose modules import each other in every way, and records."""
    files = {
        "requirements.txt": "",
        "pkg/__init__.py": """
            from .low import f
            def __getattr__(name):
                if name == "check":
                    from .tools import check
                    return check
        """,
        "pkg/low.py": '"""Nobody reads results/docstring.json."""',
        "pkg/tools.py": "",
        "pkg/alone.py": "import pkg.low as low",
        "pkg/late.py": """
            def f():
                from . import alone
        """,
        "pkg/sub/__init__.py": "",
        "pkg/sub/deep.py": "from ..late import f",
        "pkg/records.py": 'FOLDER = ROOT / "results"',
        "pkg/table.py": """
            def read(name, kind):
                return (ROOT / "results" / "tables" / f"{name}{kind}.json").read_text()
        """,
        "book/beside.py": "",
        "other.py": "from pkg import records",
        "results/a.jsonl": "",
        "results/b.jsonl": "",
        "results/one.json": "",
        "results/docstring.json": "",
        "results/tables/x.json": "",
        "results/tables/y.txt": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [line[12:] if line.startswith(" " * 12) else line for line in text.splitlines()]
        path.write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


PACKAGE = {"pkg/__init__.py", "pkg/low.py"}
RECORDS = {"results/a.jsonl", "results/b.jsonl", "results/one.json", "results/docstring.json"}


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("import numpy", set()),
        ("import pkg", PACKAGE),
        ("import pkg as p", PACKAGE),
        ("from pkg import f", PACKAGE),
        ("from pkg import alone", PACKAGE | {"pkg/alone.py"}),
        ("import pkg.alone", PACKAGE | {"pkg/alone.py"}),
        ("if x:\n  import pkg.late", PACKAGE | {"pkg/late.py", "pkg/alone.py"}),
        (
            "from pkg.sub import deep",
            PACKAGE | {"pkg/sub/__init__.py", "pkg/sub/deep.py", "pkg/late.py", "pkg/alone.py"},
        ),
        ("import pkg\npkg.check(1)", PACKAGE | {"pkg/tools.py"}),
        ("from pkg import check", PACKAGE | {"pkg/tools.py"}),
        ("import beside", {"book/beside.py"}),
        ("import other", PACKAGE | RECORDS | {"other.py", "pkg/records.py"}),
        ("from pkg.table import read", PACKAGE | {"pkg/table.py", "results/tables/x.json"}),
        ("open('../results/one.json')", {"results/one.json"}),
        ("open(f'../results/{name}.jsonl')", {"results/a.jsonl", "results/b.jsonl"}),
        ("Path('..', '.') / 'results/tables' / 'y.txt'", {"results/tables/y.txt"}),
        ("glob(ROOT / 'results' / 'tables')", {"results/tables/x.json", "results/tables/y.txt"}),
        ("'It is in results/one.json, or is it?'", set()),
        ("print('the results are in')", set()),
        ("'results/one.json'", set()),  # a docstring
    ],
)
def test_what_code_computes_from(repository, code, files):
    found = dependencies.inputs(code, repository / "book", repository)
    names = {path.relative_to(repository).as_posix() for path in found}
    assert names == files | {"requirements.txt"}


def test_a_key_follows_code_and_inputs(repository):
    def key(*cells, folder="book"):
        return dependencies.key(cells, repository / folder, repository)

    first = key("import pkg", "x = 1")
    assert key("import pkg", "x = 1") == first
    others = [key("import pkg", "x = 2"), key("import pkg\nx = 1"), key("import pkg", "")]
    others.append(key("import pkg", "x = 1", folder="."))  # other relative paths
    for name in ("pkg/low.py", "requirements.txt"):
        path = repository / name
        before = path.read_text(encoding="utf-8")
        path.write_text("changed = 1", encoding="utf-8")
        others.append(key("import pkg", "x = 1"))
        path.write_text(before, encoding="utf-8")
    assert len({first, *others}) == 1 + len(others)
    (repository / "pkg/alone.py").write_text("", encoding="utf-8")
    (repository / "results/a.jsonl").write_text("", encoding="utf-8")
    assert key("import pkg", "x = 1") == first


def test_magics_are_read_and_code_that_is_no_python_has_a_key(repository):
    folder = repository / "book"
    first = dependencies.key(["%matplotlib inline\nimport pkg.alone"], folder, repository)
    (repository / "pkg/alone.py").write_text("x = 1", encoding="utf-8")
    assert dependencies.key(["%matplotlib inline\nimport pkg.alone"], folder, repository) != first
    assert dependencies.key(["x = ="], folder, repository)


def test_what_a_type_checker_imports_is_not_run():
    source = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\nelse:\n    import b\n"
        "if c:\n    import d\n"
    )
    found = dependencies.facts(source).imports
    assert {"b", "d"} <= found and "a" not in found


def test_the_books_derivations_do_not_depend_on_its_records():
    """Records change often; to derive again what they do not touch would take a quarter hour."""
    root = Path(__file__).parent.parent
    imports = (
        "import bslutils as bsl\nfrom bslutils import dro, interactive, intervals, losses, plots"
    )
    found = dependencies.inputs(imports, root / "book", root)
    names = {path.relative_to(root).as_posix() for path in found}
    assert "bslutils/losses/softmax.py" in names
    assert not any(name.startswith(("results", "bslutils/experiments")) for name in names)
    found = dependencies.inputs("from bslutils import experiments", root / "book", root)
    assert set(root.glob("results/*.jsonl")) <= found
