"""No text from a browser reaches the file system: every part of a link and every field, watched by an audit hook."""

from __future__ import annotations

import inspect
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.document import Document

from dashboard.library.catalogue import Catalogue
from dashboard.library.store import InsertionStore
from dashboard.library.userdata import UserData, UserSession
from dashboard.model.facets import Facets
from dashboard.page import link as links
from dashboard.page.core.fair_pool import FairPool
from dashboard.page.export.downloads import Downloads
from dashboard.page.search.search import Search
from dashboard.page.session import DashboardSession
from dashboard.sources.folder import FolderSource
from tests.library.alf_folder import write_session

KEY = "MOUSE_1/2024-01-02/001/probe00"
TEXT_FIELDS = (pmui.TextInput, pmui.TextAreaInput, pmui.AutocompleteInput, pmui.PasswordInput, pn.widgets.TextInput)

SEARCH_KINDS = re.findall(r'case "(\w+)"', inspect.getsource(Search._act))
SEARCH_FIELDS = ("key", "text", "first", "at", "by", "on", "author", "verdict", "comment", "facets")
SEARCH_FACETS = tuple(field.name for field in fields(Facets))

_touched: list[str] = []
_watched: list[str] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    """Note every path below the watched folder that is opened, listed or changed; hooks stay for good, so once."""
    if _watched and event in (
        "open",
        "os.listdir",
        "os.scandir",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "shutil.rmtree",
    ):
        for argument in arguments[:2]:
            if isinstance(argument, str | bytes | os.PathLike):
                path = os.path.realpath(os.fsdecode(argument))
                if path.startswith(_watched[0]):
                    _touched.append(f"{event} {path}")


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real sorting outside of what is configured."""
    folder = tmp_path_factory.mktemp("secret")
    write_session(folder)
    sys.addaudithook(_audit)
    _watched[:] = [os.path.realpath(folder)]
    yield folder
    _watched.clear()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, secret: Path) -> Iterator[DashboardSession]:
    folder = tmp_path_factory.mktemp("served")
    write_session(folder / "data")
    source = FolderSource(folder / "data")
    pool = FairPool(1)
    made = DashboardSession(
        InsertionStore([source], folder / "cache"), pool.session(), Document(), "", Catalogue([source]),  # type: ignore[arg-type]
        UserSession(UserData.in_folder(folder / "cache")), Downloads(folder / "cache").of_session(),
    )  # fmt: skip
    yield made
    made.close()
    pool.shutdown()


def ways(secret: Path, served: Path) -> list[str]:
    """Write the secret folder in many ways."""
    inside = secret / "labx" / "Subjects" / "MOUSE_1" / "2024-01-02" / "001"
    up = os.path.relpath(inside, served)
    return [
        str(secret), str(inside), str(inside / "alf" / "probe00"), f"{inside}/", f"file://{inside}", up, f"./{up}",
        f"MOUSE_1/../../../{up}", f"{KEY}/../../../../{up}", quote(str(inside), safe=""),
        str(inside).replace("/", "\\"),
        f"{inside}\x00.npy", f"~/../..{inside}", f"demo{inside}", f"{inside}/alf/probe00/pykilosort/spikes.times.npy",
    ]  # fmt: skip


def settle() -> None:
    """Wait for the threads that open things."""
    until = time.monotonic() + 0.3
    while time.monotonic() < until or any(thread.name.startswith("load") for thread in threading.enumerate()):
        time.sleep(0.02)


def test_the_hook_sees_what_is_opened(secret: Path) -> None:
    _touched.clear()
    next(secret.rglob("spikes.times.npy")).read_bytes()
    assert _touched


@pytest.mark.parametrize("word", [*links.words(), *links.FILTER_KEYS])
def test_every_word_of_a_link(session: DashboardSession, secret: Path, word: str) -> None:
    served = next(iter(session._store.sources)).root  # type: ignore[attr-defined]
    texts = ways(secret, served)
    _touched.clear()
    for text in texts:
        link = links.parse(
            f"insertion={KEY}&{word}={quote(text, safe='')}" if word != "insertion" else f"{word}={quote(text)}"
        )
        session._visit(link)
        if word in ("insertion", "sorter", "revision"):
            values = {
                "insertion": KEY,
                **{k: v for k, v in link.values.items() if k in ("insertion", "sorter", "revision")},
            }
            with pytest.raises(Exception, match=r".") as caught:
                session._store.open(values["insertion"], values.get("sorter"), values.get("revision") or "2000-01-01")
            assert "Traceback" not in str(caught.value)
    settle()
    assert _touched == []


def test_every_text_field_of_the_page(session: DashboardSession, secret: Path) -> None:
    served = next(iter(session._store.sources)).root  # type: ignore[attr-defined]
    for name in session.rail.panels:  # these come when they are first looked at
        session.rail.fill(name)
    assert session.export_controller.dialog
    widgets = [widget for kind in TEXT_FIELDS for widget in session.page.select(kind)]
    assert len(widgets) > 5
    _touched.clear()
    for field in widgets:
        for text in ways(secret, served)[:6]:
            field.value = text
    settle()
    assert _touched == []


@pytest.mark.parametrize("kind", SEARCH_KINDS)
def test_every_message_of_the_search(session: DashboardSession, secret: Path, kind: str) -> None:
    """What a browser that is not ours may send: paths and other types wherever a message has a place for something."""
    served = next(iter(session._store.sources)).root  # type: ignore[attr-defined]
    search = session.search
    _touched.clear()
    for value in (*ways(secret, served), {"a": [1]}, [None], -3, 1e300, float("nan"), True, None):
        message = dict.fromkeys(SEARCH_FIELDS, value)
        search._act({**message, "kind": kind})
        search._act({**message, "kind": kind, "facets": dict.fromkeys((*SEARCH_FACETS, "nosuch"), value)})
        search.panel._handle_msg(value)
    settle()
    assert _touched == []
