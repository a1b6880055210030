"""What keeps the code readable, checked by machine: layers, sizes of modules, no printing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

MOST_LINES = 400
PAGE_LIBRARIES = ("panel", "panel_material_ui", "holoviews", "bokeh")
BELOW_VIEWS = ("model", "sources", "loading", "compute")


def modules(repository: Path) -> list[Path]:
    return sorted((repository / "dashboard").rglob("*.py"))


def dotted(path: Path, repository: Path) -> str:
    return ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__")


def test_layers_import_one_way(repository: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_contract_names_every_module(repository: Path) -> None:
    content = (repository / "pyproject.toml").read_text(encoding="utf-8")
    layers = content[content.index("layers = [") : content.index("]", content.index("layers = ["))]
    for path in (repository / "dashboard").iterdir():
        name = path.stem
        if name == "__init__" or not (path.suffix == ".py" or (path / "__init__.py").is_file()):
            continue
        assert re.search(rf"\b{name}\b", layers), f"{name} is in no layer of pyproject.toml"


def test_nothing_below_the_views_loads_the_libraries_of_the_page(repository: Path) -> None:
    """Whatever the imports look like in the source, and through other libraries too."""
    names = [dotted(path, repository) for path in modules(repository)]
    below = [name for name in names if name.split(".")[1:2] and name.split(".")[1] in BELOW_VIEWS]
    assert len(below) > len(BELOW_VIEWS)
    program = (
        "import importlib, sys\n"
        f"for name in {[*below, 'dashboard.library.open', 'dashboard.export.save']!r}: importlib.import_module(name)\n"
        f"print(sorted(set(sys.modules) & set({PAGE_LIBRARIES!r})))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_help_does_not_wait_for_heavy_libraries(repository: Path) -> None:
    program = (
        "import sys\nfrom dashboard.cli.main import build_parser\nbuild_parser().format_help()\n"
        "print(sorted(set(sys.modules) & {'numpy', 'pandas', 'numba', 'panel', 'bokeh', 'matplotlib', 'one'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=repository, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_modules_are_short(repository: Path) -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(repository)}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_the_package_speaks_through_logging(repository: Path) -> None:
    for path in modules(repository):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert called != "print", path


@pytest.mark.parametrize("pattern", ["TODO", "FIXME", "NotImplementedError"])
def test_nothing_is_left_for_later(repository: Path, pattern: str) -> None:
    assert [path.name for path in modules(repository) if pattern in path.read_text(encoding="utf-8")] == []
