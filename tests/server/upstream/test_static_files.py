"""Scripts and style sheets: compressed for who can read that, kept for as long as their address is the same."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from dashboard.server.upstream.static_files import YEAR, compressed
from dashboard.sources.demo.source import DemoSource
from tests.serving import free_port, nginx, serving

MAX_BYTES = 1_500_000
"""Of all scripts and style sheets that the page names: with the page and its pictures 2.5 MB."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cache = tmp_path_factory.mktemp("cache")
    with serving([DemoSource(cache, n_spikes=20_000)], cache, prefix="/spikes", behind_proxy=True) as server:
        yield f"http://127.0.0.1:{server.port}/spikes"


def named(url: str) -> list[str]:
    """Return the addresses of scripts and style sheets of a page."""
    page = requests.get(f"{url}/", timeout=60).text
    found = re.findall(r'(?:src|href)="(static/[^"]+\.(?:js|css)[^"]*)"', page)
    return [f"{url}/{name}" for name in (*found, *re.findall(r'importShim\("\./([^"]+)"', page))]


def plain(address: str, **headers: str) -> requests.Response:
    return requests.get(address, headers={"Accept-Encoding": "identity", **headers}, timeout=60)


def test_what_a_page_needs_leaves_the_server_small(url: str) -> None:
    addresses = named(url)
    sizes = {}
    for address in addresses:
        answer = requests.get(address, headers={"Accept-Encoding": "br;q=1.0, gzip;q=0.8, *;q=0.1"}, timeout=60)
        assert answer.status_code == 200
        assert answer.content == plain(address).content
        assert answer.headers["Vary"] == "Accept-Encoding"
        sizes[address] = int(answer.headers["Content-Length"])
    assert sum(sizes.values()) < MAX_BYTES
    assert any("bokeh.min.js" in address for address in addresses)
    assert not any(name in address for address in addresses for name in ("bokeh-gl", "material-icons"))


def test_a_file_is_kept_where_its_address_names_its_content(url: str) -> None:
    addresses = named(url)
    for address in addresses:
        is_named = "?" in address or "@" in address
        assert requests.get(address, timeout=60).headers["Cache-Control"] == (YEAR if is_named else "no-cache")
    unnamed = next(address for address in addresses if "luxon" in address)
    answer = requests.get(unnamed, timeout=60)
    assert requests.get(unnamed, headers={"If-None-Match": answer.headers["ETag"]}, timeout=60).status_code == 304
    assert plain(unnamed).headers["ETag"] != answer.headers["ETag"]


@pytest.mark.parametrize("accepts", ["identity", "gzip;q=0", "gzip; q=0.0, deflate", "xgzip", ""])
def test_who_cannot_read_it_gets_the_file_as_it_is(url: str, accepts: str) -> None:
    answer = requests.get(f"{url}/static/js/bokeh.min.js", headers={"Accept-Encoding": accepts}, timeout=60)
    assert "Content-Encoding" not in answer.headers
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_a_part_of_a_file_is_a_part_of_the_file(url: str) -> None:
    address = f"{url}/static/js/bokeh.min.js"
    answer = requests.get(address, headers={"Range": "bytes=100-199", "Accept-Encoding": "gzip"}, timeout=60)
    assert answer.status_code == 206
    assert answer.content == plain(address).content[100:200]
    head = requests.head(address, headers={"Accept-Encoding": "gzip"}, timeout=60)
    assert head.headers["Content-Encoding"] == "gzip"
    assert not head.content


def test_a_file_outside_is_as_absent_as_before(url: str) -> None:
    for path in ("static/../../server.js", "static/extensions/panel/..%2f..%2fx.js", "static/js/none.js"):
        assert requests.get(f"{url}/{path}", timeout=60).status_code in (403, 404)


def test_what_was_compressed_is_compressed_anew_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "a.js"
    for text in ("a" * 5_000, "b" * 6_000):
        file.write_text(text)
        stat = file.stat()
        packed = compressed(str(file), stat.st_mtime_ns, stat.st_size)
        assert packed is not None
        assert gzip.decompress(packed).decode() == text


def test_it_stays_compressed_behind_nginx(url: str, repository: Path, tmp_path: Path) -> None:
    location = (repository / "deploy" / "nginx.conf").read_text()
    location = location.replace("127.0.0.1:5006", urlsplit(url).netloc)
    with nginx(tmp_path, location, free_port()) as front:
        answer = requests.get(f"{front}/spikes/static/js/bokeh.min.js?v=1", timeout=60)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Cache-Control"] == YEAR
