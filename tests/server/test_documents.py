"""The site of the documents under /docs: where it is built, where it is not, and behind a login."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

from dashboard.page.browser import help as help_module
from dashboard.server import documents
from dashboard.sources.demo.source import DemoSource
from tests.server.asking import PASSWORD, Site
from tests.serving import serving

INLINE = "document.body.dataset.theme"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    words = "of every page " * 200  # long enough to be compressed
    (folder / "index.html").write_text(f"<h1>Tour</h1><p>{words}</p><script>{INLINE}</script>")
    for module in (documents, help_module):
        monkeypatch.setattr(module, "DOCUMENTS", folder)
    return folder


@pytest.mark.parametrize("prefix", ["", "/spikes"])
def test_the_site_is_served_with_its_own_scripts_alone(built: Path, cache: Path, prefix: str) -> None:
    with serving([DemoSource(cache, n_spikes=50_000)], cache, prefix=prefix) as server:
        got = requests.get(f"http://127.0.0.1:{server.port}{prefix}/docs", timeout=30)
        outside = requests.get(f"http://127.0.0.1:{server.port}{prefix}/docs/%2e%2e/users.json", timeout=30)
    assert got.status_code == 200
    assert got.url.endswith(f"{prefix}/docs/")
    assert "<h1>Tour</h1>" in got.text
    assert got.headers["Content-Encoding"] == "gzip"
    policy = got.headers["Content-Security-Policy"]
    assert re.search(r"script-src 'self' 'sha256-[A-Za-z0-9+/]{43}='; ", policy)
    assert outside.status_code in (403, 404)
    assert 'href="docs/"' in help_module.help_text()


def test_where_it_was_not_built_it_says_how(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (documents, help_module):
        monkeypatch.setattr(module, "DOCUMENTS", tmp_path / "nothing")
    with serving([DemoSource(cache, n_spikes=50_000)], cache) as server:
        got = requests.get(f"http://127.0.0.1:{server.port}/docs/tour.html", timeout=30)
    assert (got.status_code, got.text.strip()) == (404, help_module.ABSENT)
    assert "make docs" in help_module.help_text()


def test_it_is_behind_the_login_which_leads_back_to_it(built: Path, site: Site) -> None:
    asked = requests.get(f"{site.url}/docs/index.html", timeout=30)
    assert "Tour" not in asked.text
    assert "next=%2Fdocs%2Findex.html" in asked.url
    form = {"name": "ann", "password": PASSWORD, "next": "/docs/index.html"}
    with requests.Session() as session:
        assert "<h1>Tour</h1>" in session.post(f"{site.url}/login", data=form, timeout=30).text
