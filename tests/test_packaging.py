"""The distribution: what it depends on, what it ships, and that it works when installed."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml


def normalised(requirement: str) -> str:
    """Name of a requirement as package indexes compare it."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name.group()).lower()


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def of_users(project: dict[str, Any]) -> list[str]:
    """Return the dependencies, and those of the extras that users install."""
    extras: dict[str, list[str]] = project["optional-dependencies"]
    return [*project["dependencies"], *extras["cluster"], *extras["lfpack"], *extras["nwb"], *extras["zarr"]]


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the build backend is in the test extra")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_environment_and_pyproject_name_the_same_dependencies(repository: Path, project: dict[str, Any]) -> None:
    environment = yaml.safe_load((repository / "environment.yml").read_text())["dependencies"]
    conda = [item for item in environment if isinstance(item, str)]
    pip = next(item["pip"] for item in environment if isinstance(item, dict))
    listed = {normalised(item): item for item in [*conda, *pip] if not item.startswith("-")}
    python = listed.pop("python")
    listed.pop("pip")
    wanted = {normalised(item): item for item in of_users(project)}
    assert listed.keys() == wanted.keys()
    for name, requirement in wanted.items():
        assert listed[name].lower() == requirement.lower(), "the bounds differ"
    assert project["requires-python"] in python


def test_every_dependency_is_pinned_in_the_constraints(repository: Path, project: dict[str, Any]) -> None:
    lines = (repository / "constraints.txt").read_text().splitlines()
    pinned = {normalised(line) for line in lines if line and not line.startswith("#")}
    extras = project["optional-dependencies"]
    wanted = [*of_users(project), *extras["docs"], *extras["test"]]
    assert {normalised(item) for item in wanted} <= pinned
    assert not [line for line in lines if "://" in line or line.startswith("-")]


def test_what_is_imported_is_declared(repository: Path, project: dict[str, Any]) -> None:
    """Not only brought along by something else that is."""
    declared = {normalised(item) for item in of_users(project)}
    owners = importlib.metadata.packages_distributions()
    undeclared = set()
    for path in (repository / "dashboard").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"dashboard"}:
                if not {normalised(owner) for owner in owners.get(top, [])} & declared:
                    undeclared.add(f"{top} in {path.name}")
    assert undeclared == set()


def test_the_wheel_holds_assets_types_and_nothing_else(wheel: Path, repository: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assets = [path for path in (repository / "assets").rglob("*") if path.is_file()]
    assert assets
    for path in assets:
        assert f"dashboard/{path.relative_to(repository)}" in names
    # a folder of assets is that of a room, or lies in one
    site = repository / "assets" / "server" / "docs"  # where `make docs` has built it
    for folder in {path.parent for path in assets if site not in path.parents}:
        room = repository / "dashboard" / folder.relative_to(repository / "assets")
        assert room.is_dir() or room.parent.is_dir()
    assert "dashboard/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"dashboard", "spike_dashboard"}


def test_an_installed_wheel_finds_its_assets_and_runs(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment away from the checkout, with only the dependencies borrowed."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    offline = ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *offline, str(wheel)], check=True)
    # A path file, as an editable install writes: dependencies come after what was just installed.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = subprocess.run(
        [python, "-I", "-c", "from dashboard.page.core.assets import assets_folder; print(assets_folder())"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    ).stdout.strip()
    assert Path(where).is_relative_to(site)
    assert any(Path(where).iterdir())
    done = subprocess.run(
        [home / "bin" / "spike-dashboard", "--help"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert "demo" in done.stdout
