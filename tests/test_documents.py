"""The documents: a site without a warning, pictures of the script, commands and Python that run, generated pages."""

from __future__ import annotations

import ast
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.cli import main as cli
from dashboard.cli import reference as commands
from dashboard.library.convert import convert_to_alf
from dashboard.model.sorting import SpikeSorting
from dashboard.page import link_reference as links
from dashboard.server import server as server_module
from dashboard.server.auth.passwords import add_user

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
PLUG_INS = ROOT / "docs" / "extending.md"  # tests/recipes installs what it describes
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
PROGRAM = "spike-dashboard "
ELSEWHERE = ("https://", "tcp://")
"""What only another machine answers: such commands are read by the parser, and `tests/cli/batch` runs a scheduler."""


def blocks(page: Path, kind: str) -> Iterator[str]:
    for indent, language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == kind:
            yield "\n".join(line.removeprefix(indent) for line in text.splitlines())


def command_lines() -> list[str]:
    lines = (line for page in PAGES if page != PLUG_INS for block in blocks(page, "") for line in block.splitlines())
    found = {line.split(" #")[0].strip().removeprefix(".venv/bin/") for line in lines}
    return sorted(line for line in found if f"{line} ".startswith(PROGRAM))


@pytest.mark.parametrize(("page", "made"), [("commands", commands.reference), ("links", links.reference)])
def test_a_generated_page_is_that_of_its_declarations(page: str, made: object) -> None:
    assert callable(made)
    assert (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") == made(), "run: make docs"


def test_the_site_builds_without_a_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the generator is in the docs extra")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", tmp_path / "trees", ROOT / "docs", tmp_path],
        capture_output=True, text=True, timeout=150, cwd=ROOT,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    pages = [path for path in tmp_path.rglob("*.html")]
    assert len(pages) > len(PAGES) - 2
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=.https?:", text), path.name
    for style in tmp_path.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?https?:", style.read_text(encoding="utf-8")), style.name


def test_every_picture_is_made_by_the_script() -> None:
    tree = ast.parse((ROOT / "docs" / "screenshots.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Shot"]
    named = [call.args[0] for call in calls if isinstance(call.args[0], ast.Constant)]  # others are made in a loop
    made = {f"{name.value}.png" for name in named}
    shown = {Path(found).name for page in PAGES for found in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text())}
    assert shown
    assert shown <= made
    assert {path.name for path in (ROOT / "docs" / "images").glob("*.png")} <= made


@pytest.fixture(scope="module")
def world(small_demo: SpikeSorting, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands name: a sorting in a lab's folders, lists, events, two clocks."""
    folder = tmp_path_factory.mktemp("documents")
    place = small_demo.ref.insertion
    convert_to_alf(small_demo, folder / "FOLDER")
    row = f"{place.eid},{place.probe},{place.number},{place.date},{place.subject},cortexlab,{place.pid}"
    (folder / "FILE.csv").write_text(f"eid,probe_name,session_number,date,subject,lab,pid\n{row}\n")
    (folder / "regions.csv").write_text(f"pid,acronym,n_clusters\n{place.pid},CA1,10\n")
    for name in ("insertions.txt", "insertions.csv"):
        (folder / name).write_text(("insertion\n" if name.endswith("csv") else "") + "demo\n")
    (folder / "events.csv").write_text("time,side\n" + "".join(f"{2 * n},{'LR'[n % 2]}\n" for n in range(1, 20)))
    add_user(folder / "users.json", "bob", "a long password")
    (folder / "sync.csv").write_text("0,0.1\n4000,4000.2\n")
    return folder


@pytest.mark.parametrize("line", command_lines())
def test_every_command_runs(line: str, world: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands, with names of files in place of the words in capitals."""
    named = {
        "INSERTION": "demo", "LIST": "insertions.txt", "URL": "http://127.0.0.1:9", "OUT": "OUT", "/data": "FOLDER",
        "FILE": "c.json" if "curation" in line else "FILE.csv",
    }  # fmt: skip
    words = [named.get(word, word) for word in shlex.split(line)[1:]]
    cli.build_parser().parse_args(words)
    if any(word.startswith(ELSEWHERE) for word in words if word != "https://lab.example.org/spikes"):
        return
    monkeypatch.chdir(world)
    monkeypatch.setenv("SPIKE_DASHBOARD_SPIKES", "50000")
    monkeypatch.setenv("SPIKE_DASHBOARD_PORT", "0")
    monkeypatch.setenv("SPIKE_DASHBOARD_NO_BROWSER", "yes")
    if "--query" in words:
        monkeypatch.setenv("SPIKE_DASHBOARD_DATA", str(world / "FOLDER"))
        monkeypatch.setenv("SPIKE_DASHBOARD_INSERTIONS", str(world / "FILE.csv"))
        monkeypatch.setenv("SPIKE_DASHBOARD_REGIONS", str(world / "regions.csv"))
    monkeypatch.setattr(server_module, "run", lambda server: server.process.close() or server.stop())
    monkeypatch.setattr("sys.stdin", io.StringIO("a long password\n"))
    if "import" in words:
        assert cli.main(["curation", "export", "demo", "c.json"]) == 0
    assert cli.main(words) == 0


PYTHON = [page for page in PAGES if page != PLUG_INS and any(blocks(page, "python"))]


@pytest.mark.parametrize("page", PYTHON, ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPIKE_DASHBOARD_SPIKES", "50000")
    code = "\n".join(blocks(page, "python"))
    code = re.sub(r"open_insertion\(\"[^\"]*\"", 'open_insertion("demo"', code)
    exec(compile(code, page.name, "exec"), {})
