"""Exported files: only to who asked for them, whole, and gone afterwards."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from dashboard.page.export.downloads import FOLDER, STALE_S, Downloads, SessionDownloads
from dashboard.server.auth.gate import COOKIE
from dashboard.server.auth.passwords import add_user
from dashboard.server.server import stop_gently
from dashboard.sources.demo.source import DemoSource
from tests.replay.downloading import until
from tests.server.asking import PASSWORD, Site
from tests.serving import free_port, nginx, serving


def put(
    session_downloads: SessionDownloads, name: str = "a b.svg", content: bytes = b"x" * 3_000_000
) -> tuple[Path, str]:
    path = session_downloads.new_path(name)
    path.write_bytes(content)
    return path, session_downloads.put(path, name)


@pytest.mark.parametrize("site", [{}, {"prefix": "/spikes"}], indirect=True, ids=["root", "prefix"])
def test_a_file_goes_only_to_who_asked_for_it(site: Site, tmp_path: Path) -> None:
    add_user(tmp_path / "users.json", "bob", PASSWORD)
    session_downloads = site.server.process.downloads.of_session("ann")
    _, address = put(session_downloads)
    address = f"/{address}"  # relative to the page
    assert site.get(address).status_code == 401
    ann, bob = (site.login(name).cookies[COOKIE] for name in ("ann", "bob"))
    assert site.get(address, bob).status_code == 404
    answer = site.get(address, ann)
    assert answer.content == b"x" * 3_000_000
    assert answer.headers["Content-Length"] == "3000000"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%20b.svg"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]
    guess = address[:-20] + "A" * 8 + address[-12:]
    assert site.get(guess, ann).status_code == 404
    session_downloads.close()
    gone = site.get(address, ann)
    assert (gone.status_code, gone.text) == (404, "This file is gone; export it again\n")


def test_a_file_comes_through_a_proxy_that_takes_its_prefix_off(tmp_path: Path) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    with serving([], tmp_path / "cache") as server:
        session_downloads = server.process.downloads.of_session()
        _, address = put(session_downloads, content=b"whole")
        location = f"location /user/me/proxy/1/ {{ proxy_pass http://127.0.0.1:{server.port}/; }}"
        with nginx(folder, location, free_port()) as url:
            page = f"{url}/user/me/proxy/1/?insertion=demo"
            assert requests.get(urljoin(page, address), timeout=30).content == b"whole"
        session_downloads.close()


def test_a_shelf_keeps_the_last_files_and_none_once_closed(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path)
    session_downloads = downloads.of_session()
    paths = [put(session_downloads, f"{i}.npz", b"1")[0] for i in range(SessionDownloads.MOST + 3)]
    assert [path.exists() for path in paths] == [False] * 3 + [True] * SessionDownloads.MOST
    session_downloads.close()
    assert not any(path.exists() for path in paths)
    late, _ = put(session_downloads)
    assert not late.exists(), "made for a browser that has gone"
    downloads.close()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_leftovers_of_a_killed_process_are_removed_when_old(tmp_path: Path) -> None:
    old, new = tmp_path / FOLDER / "old", tmp_path / FOLDER / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "x.npz").write_bytes(b"1")
    stamp = time.time() - STALE_S - 60
    os.utime(old, (stamp, stamp))
    downloads = Downloads(tmp_path)
    downloads.new_path("a.png")
    assert not old.exists()
    assert new.exists()
    downloads.close()


def test_a_stop_lets_a_file_that_is_on_its_way_arrive(small_demo: object, cache: Path) -> None:
    """One that is larger than what the system takes at once; nobody new gets in meanwhile."""
    n_bytes = 64 << 20
    with serving([DemoSource(cache, n_spikes=50_000)], cache) as server:
        downloads = server.process.downloads
        _, address = put(downloads.of_session(), "big.npz", bytes(n_bytes))
        url = f"http://127.0.0.1:{server.port}"
        with requests.get(f"{url}/{address}", stream=True, timeout=30) as answer:
            blocks = answer.iter_content(1 << 20)
            come = len(next(blocks))
            assert downloads.n_sending == 1
            server.io_loop.add_callback(stop_gently, server)
            until(lambda: refuses(url), 10)
            come += sum(map(len, blocks))
        assert come == n_bytes
        until(lambda: downloads.n_sending == 0)


def refuses(url: str) -> bool:
    try:
        requests.get(f"{url}/health", timeout=10)
    except requests.ConnectionError:
        return True
    return False
