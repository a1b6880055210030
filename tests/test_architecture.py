"""What holds the house: rooms in layers, no circle in any of them, tabs apart, light imports, logging."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOMS = {
    "model", "config", "sources", "engine", "analysis", "figures", "export", "library", "page", "server", "cli"
}  # fmt: skip
BELOW_PAGE = ("model", "config", "sources", "engine", "analysis", "export", "library")
PAGE_LIBRARIES = ("panel", "panel_material_ui", "holoviews", "bokeh")
MAX_ROOT_NODES = 17


def modules(repository: Path) -> list[Path]:
    return sorted((repository / "dashboard").rglob("*.py"))


def dotted(path: Path, repository: Path) -> str:
    return ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__")


def is_for_types(node: ast.AST) -> TypeGuard[ast.If]:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imported(path: Path, repository: Path) -> Iterator[str]:
    """Modules of the package that a file imports anywhere, but for the annotations of `TYPE_CHECKING`."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dashboard":
            folder = repository.joinpath(*(node.module or "").split("."))
            for name in node.names:
                is_module = (folder / f"{name.name}.py").is_file() or (folder / name.name / "__init__.py").is_file()
                yield f"{node.module}.{name.name}" if is_module else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("dashboard."))
        for child in ast.iter_child_nodes(node):
            waiting.extend(child.orelse if is_for_types(child) else [child])


@pytest.fixture(scope="module")
def imports(repository: Path) -> dict[str, set[str]]:
    """Name of each module -> modules that it imports."""
    return {dotted(path, repository): set(imported(path, repository)) for path in modules(repository)}


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Nodes of one circle, empty where there is none."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for other in sorted(edges.get(node, ())):
            if found := walk(other, [*way, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(edges) if (found := walk(node, []))), [])


def children(package: str, imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Modules and packages right inside a package -> those of them that they import."""
    depth = package.count(".") + 2

    def child(name: str) -> str | None:
        return ".".join(name.split(".")[:depth]) if name.startswith(f"{package}.") else None

    edges: dict[str, set[str]] = {}
    for name, others in imports.items():
        if (own := child(name)) is not None:
            edges.setdefault(own, set()).update(found for other in others if (found := child(other)) not in (None, own))
    return edges


def test_layers_import_one_way(repository: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_root_holds_rooms_only(repository: Path, imports: dict[str, set[str]]) -> None:
    nodes = children("dashboard", imports)
    assert {name.removeprefix("dashboard.") for name in nodes} - ROOMS == {"__main__", "version", "compute"}
    assert len(nodes) <= MAX_ROOT_NODES


def test_no_room_has_a_circle(repository: Path, imports: dict[str, set[str]]) -> None:
    packages = {name.rpartition(".")[0] for name in imports} - {""}
    assert {"dashboard", "dashboard.page.tabs.compare", "dashboard.engine.count"} <= packages
    found = {package: way for package in sorted(packages) if (way := circle(children(package, imports)))}
    assert found == {}


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_nothing_below_the_page_loads_its_libraries(repository: Path) -> None:
    """Whatever the imports look like in the source, and through other libraries too."""
    names = [dotted(path, repository) for path in modules(repository)]
    below = [name for name in names if name.split(".")[1:2] and name.split(".")[1] in BELOW_PAGE]
    assert {name.split(".")[1] for name in below} == set(BELOW_PAGE)
    program = (
        f"import importlib, sys\nfor name in {below!r}: importlib.import_module(name)\n"
        f"print(sorted(set(sys.modules) & set({PAGE_LIBRARIES!r})))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "statement", ["import dashboard", "from dashboard.cli.main import build_parser\nbuild_parser().format_help()"]
)
def test_help_does_not_wait_for_heavy_libraries(repository: Path, statement: str) -> None:
    heavy = {"numpy", "pandas", "numba", "panel", "bokeh", "holoviews", "matplotlib", "one"}
    program = f"import sys\n{statement}\nprint(sorted(set(sys.modules) & {heavy!r}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_sorting_is_opened_without_the_database_of_users(repository: Path) -> None:
    program = "import sys\nfrom dashboard import open_insertion\nprint('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_the_package_speaks_through_logging(repository: Path) -> None:
    for path in modules(repository):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert called != "print", path


def test_one_module_gives_whole_files_their_names(repository: Path) -> None:
    """`dashboard.model.files` does; a download renames what it may resume, the demo a whole folder."""
    allowed = {"model/files.py", "sources/download/partial.py", "sources/demo/source.py"}
    renaming = {
        path.relative_to(repository / "dashboard").as_posix()
        for path in modules(repository)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        # `replace` of a text takes two, that of a dataclass names its fields
        and ((node.func.attr == "replace" and len(node.args) == 1 and not node.keywords) or node.func.attr == "mkstemp")
    }
    assert renaming <= allowed
