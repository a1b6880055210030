"""The page as a lab has it: behind nginx, under a prefix, after a login."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from dashboard.server.auth.passwords import add_user, remove_user
from dashboard.server.server import _close_idle
from dashboard.sources.demo.source import DemoSource
from tests.browser.driver import Visit
from tests.serving import free_port, nginx, serving

pytestmark = pytest.mark.walk


def test_login_page_picture_and_file_under_a_prefix(visit: Visit, repository: Path, tmp_path: Path) -> None:
    page, front = visit.page, free_port()
    add_user(tmp_path / "users.json", "ann", "correct horse")
    settings = {
        "prefix": "/spikes", "behind_proxy": True, "users": tmp_path / "users.json", "origin": (f"127.0.0.1:{front}",),
    }  # fmt: skip
    location = (repository / "deploy" / "nginx.conf").read_text()
    with serving([DemoSource(tmp_path, n_spikes=20_000)], tmp_path, **settings) as server:
        location = location.replace("127.0.0.1:5006", f"127.0.0.1:{server.port}")
        with nginx(tmp_path, location, front) as url:
            page.goto(f"{url}/spikes/?insertion=demo&t=10,40")
            page.locator("input[name=name]").fill("ann")
            page.locator("input[name=password]").fill("wrong")
            page.keyboard.press("Enter")
            expect(page.get_by_text("Name or password is wrong")).to_be_visible()
            assert "403" in visit.complaints.pop()
            page.locator("input[name=name]").fill("ann")
            page.locator("input[name=password]").fill("correct horse")
            page.keyboard.press("Enter")
            page.locator("html[data-ready]").wait_for(state="attached", timeout=60_000)
            visit.wait_for_spikes()
            assert "t=10,40" in page.url.replace("%2C", ",")
            assert page.url.startswith(f"{url}/spikes/?")
            page.get_by_role("button", name="Export").click()
            dialog = page.get_by_role("dialog").filter(has_text="Figure").last
            expect(dialog).to_be_visible()
            picture = dialog.locator("img").first
            expect(picture).to_be_visible(timeout=60_000)
            assert "/spikes/" in str(picture.evaluate("image => image.src"))
            assert picture.evaluate("image => image.naturalWidth") > 100
            page.keyboard.press("Escape")
            page.get_by_role("button", name="Log out").click()
            page.wait_for_url("**/spikes/login")
            expect(page.locator("input[name=name]")).to_be_visible()
            page.goto(f"{url}/spikes/?insertion=demo&t=10,40")
            page.locator("input[name=name]").fill("ann")
            page.locator("input[name=password]").fill("correct horse")
            page.keyboard.press("Enter")
            page.locator("html[data-ready]").wait_for(state="attached", timeout=60_000)
            visit.wait_for_spikes()
            add_user(tmp_path / "users.json", "bob", "correct horse")
            remove_user(tmp_path / "users.json", "ann")
            server.io_loop.add_callback(_close_idle, server, server.process)
            lost = page.get_by_role("alert").filter(has_text="No connection to the server")
            expect(lost).to_be_visible()
            lost.get_by_role("button", name="Reload").click()
            expect(page.locator("input[name=name]")).to_be_visible()
            assert "10%2C40" in page.url or "10%252C40" in page.url or "10,40" in page.url
            page.goto("about:blank")


def test_page_preview_and_file_behind_a_proxy_that_takes_its_prefix_off(visit: Visit, tmp_path: Path) -> None:
    """As JupyterHub's does; the server knows nothing of the prefix, so every address is relative to the page."""
    page, front = visit.page, free_port()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with serving([DemoSource(tmp_path, n_spikes=20_000)], tmp_path, origin=(f"127.0.0.1:{front}",)) as server:
        location = (
            f"location /user/me/proxy/1/ {{ proxy_pass http://127.0.0.1:{server.port}/; proxy_http_version 1.1; "
            'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; '
            "proxy_set_header Host $http_host; }"
        )
        with nginx(tmp_path, location, front) as url:
            visit.open(f"{url}/user/me/proxy/1/?insertion=demo&t=10,40")
            visit.wait_for_spikes()
            page.keyboard.press("Control+Shift+E")
            preview = page.get_by_alt_text("Preview of the figure")
            expect(preview).to_be_visible(timeout=60_000)
            assert preview.evaluate("image => image.naturalWidth") > 100
            with page.expect_download() as waiting:
                page.get_by_role("button", name="Download").first.click()
            assert waiting.value.path().stat().st_size > 1000
            page.keyboard.press("Escape")
            for tab in ("Unit", "Events", "Probe", "Raw"):
                page.get_by_role("tab", name=tab, exact=True).click()
                expect(page.get_by_role("tab", name=tab, exact=True)).to_have_attribute("aria-selected", "true")
            home = f"{url}/user/me/proxy/1/"
            assert [each for each in asked if each.startswith("http") and not each.startswith(home)] == []
            page.goto("about:blank")
    assert visit.complaints == []
