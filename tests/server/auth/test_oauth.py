"""Logins through a provider: what is refused at the start, who may come in, every route, forged cookies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from tornado.web import create_signed_value

from dashboard.cli import main
from dashboard.server.auth.oauth import may_enter
from tests.hostile import MARKUP, NAMES, Shape
from tests.server.asking import connect, token_in, told_by

SECRETS = {
    "SPIKE_DASHBOARD_OAUTH_KEY": "client-1",
    "SPIKE_DASHBOARD_OAUTH_SECRET": "hunter2hunter2",
    "SPIKE_DASHBOARD_COOKIE_SECRET": "0123456789abcdef" * 4,
}
ROUTES = [
    "/metrics",
    "/health",
    "/ws",
    "/autoload.js",
    "/static/js/bokeh.min.js",
    "/no/such/route",
    "/login/x",
    "//login",
]


@pytest.mark.parametrize(
    ("arguments", "secrets", "said"),
    [
        ((), {}, "OAuth lacks secrets: github"),
        ((), SECRETS, "Nobody may log in: github"),
        (("--oauth-users", "nosuch.txt"), SECRETS, "Cannot read the file of OAuth users: nosuch.txt"),
        (("--oauth-user", "*"), SECRETS | {"SPIKE_DASHBOARD_COOKIE_SECRET": "short"}, "The cookie secret is short"),
        (("--oauth-user", "*", "--users", "users.json"), SECRETS, "from --users or from --oauth, not both"),
        (("--oauth-user", "*", "--oauth-extra", "tenant"), SECRETS, "Bad value of --oauth-extra: tenant"),
        (("--oauth", "myspace"), {}, "'myspace' is none of"),
    ],
)
def test_settings_that_cannot_work_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...], secrets: dict[str, str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    command = ["serve", "--offline", "--port", "0", "--data", str(tmp_path), "--oauth", "github", *arguments]
    assert main.main(command) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert "hunter2" not in error


@pytest.mark.parametrize(
    ("user", "allowed", "enters"),
    [
        ("ann", ("ann",), True),
        ("Ann", ("aNN",), True),
        ("bob", ("ann",), False),
        ("ann@lab.org", ("@lab.org",), True),
        ("ann@evil.org", ("@lab.org",), False),
        ("ann@evil-lab.org", ("@lab.org",), False),
        ("lab.org", ("@lab.org",), False),
        ("@lab.org@evil.org", ("@lab.org",), False),
        ("anybody", ("*",), True),
        ("", ("*",), False),
        ("", ("@",), False),
    ],
)
def test_who_may_come_in(user: str, allowed: tuple[str, ...], enters: bool) -> None:
    assert may_enter(user, allowed) is enters


class Provider(BaseHTTPRequestHandler):
    """Knows one person, lets them in at once, and checks what a provider checks."""

    person = "zoe"
    asked: ClassVar[dict[str, list[str]]] = {}

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        if target.path == "/authorize":
            Provider.asked = parse_qs(target.query)
            back, state = Provider.asked["redirect_uri"][0], quote(Provider.asked["state"][0])
            self.answer(302, b"", Location=f"{back}?code=hunter2code&state={state}")
        elif "hunter2token" in self.headers.get("Authorization", "") + target.query:
            self.answer(200, json.dumps({"login": Provider.person}).encode())
        else:
            self.answer(401, b"")

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        wanted = {"code": ["hunter2code"], "client_secret": ["hunter2hunter2"], "client_id": ["client-1"]}
        is_right = all(form.get(name) == value for name, value in wanted.items())
        self.answer(200 if is_right else 401, json.dumps({"access_token": "hunter2token"}).encode())

    def answer(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of those who may come in."""
    path = tmp_path_factory.mktemp("guests") / "guests.txt"
    path.write_text("# who may come in\nzoe  # until June\n\n@lab.org\n")
    return path


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, guests: Path, provider: str) -> Iterator[str]:
    """A server of its own process: Panel keeps its OAuth settings for the whole of one."""
    folder = tmp_path_factory.mktemp("oauth")
    serve = [
        sys.executable, "-m", "dashboard", "serve", "--offline", "--no-browser", "--data", str(folder), "--port", "0",
        "--address", "127.0.0.1", "--prefix", "/spikes", "--oauth", "generic", "--oauth-user", "ann",
        "--oauth-extra", f"AUTHORIZE_URL={provider}/authorize", "--oauth-extra", f"TOKEN_URL={provider}/token",
        "--oauth-extra", f"USER_URL={provider}/user", "--oauth-name", "login",
        "--oauth-users", str(guests), "--behind-proxy",
    ]  # fmt: skip
    environment = os.environ | SECRETS | {"SPIKE_DASHBOARD_CACHE": str(folder)}
    process = subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().strip().rstrip("/")
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "hunter2" not in said


def get(
    url: str, user: str | None = None, *, secret: str = SECRETS["SPIKE_DASHBOARD_COOKIE_SECRET"]
) -> requests.Response:
    cookies = {"user": create_signed_value(secret, "user", user).decode()} if user is not None else None
    return requests.get(url, cookies=cookies, allow_redirects=False, timeout=30)


def test_strangers_are_sent_to_the_provider_and_get_nothing_else(url: str, provider: str) -> None:
    page = get(f"{url}/?insertion=demo")
    assert (page.status_code, page.headers["Location"].split("?")[0]) == (302, "/spikes/login")
    away = get(f"{url}/login")
    assert away.status_code == 302
    target = urlsplit(away.headers["Location"])
    assert f"{target.scheme}://{target.netloc}" == provider
    asked = parse_qs(target.query)
    assert asked["client_id"] == ["client-1"]
    assert "client_secret" not in asked
    for route in ROUTES:
        assert get(f"{url}{route}").status_code == 401, route


@pytest.mark.parametrize("secret", ["x" * 64, ""])
def test_forged_cookies_are_worth_nothing(url: str, secret: str) -> None:
    assert get(f"{url}/metrics", "ann", secret=secret).status_code == 401
    plain = requests.get(f"{url}/metrics", cookies={"user": "ann", "is_guest": "1"}, timeout=30)
    assert plain.status_code == 401


def test_those_named_come_in_and_other_accounts_do_not(url: str) -> None:
    assert get(f"{url}/metrics", "ann").status_code == 200
    assert get(f"{url}/health", "ANN").json()["status"] == "ok"
    page = get(f"{url}/", "ann")
    assert page.status_code == 200
    assert get(f"{url}/health", "ann").json()["sessions"] == 1, "the page is one of an error"
    for route in ("/", *ROUTES):
        assert get(f"{url}{route}", "mallory").status_code == 403, route


def test_names_of_the_provider_are_text(url: str, guests: Path) -> None:
    """Of who may come in, on the page; of who may not, nowhere."""
    for name in NAMES:
        refused = get(f"{url}/", name)
        assert refused.status_code in (401, 403), name
        assert refused.headers["Content-Type"].startswith("text/plain")
        assert "BITTEN" not in refused.text
    known = guests.read_text()
    guests.write_text("".join(f"{name}\n" for name in MARKUP) + known)
    try:
        expected = Shape(get(f"{url}/", "zoe").text).found
        for name in MARKUP[:3]:
            page = get(f"{url}/", name)
            assert page.status_code == 200, name
            assert "BITTEN" not in page.text
            assert Shape(page.text).found == expected
    finally:
        guests.write_text(known)


def test_the_whole_way_through_the_provider(url: str, guests: Path) -> None:
    """From the page to the provider and back to the view that was asked for; in as the person that it named."""
    Provider.person = "zoe"
    with requests.Session() as browser:
        page = browser.get(f"{url}/?insertion=demo&t=0,60", timeout=60)
        assert (page.status_code, page.url) == (200, f"{url}/?insertion=demo&t=0,60")
        assert Provider.asked["redirect_uri"] == [url], "people are sent to where nobody listens"
        assert connect(url, None, url.removesuffix("/spikes"), token_in(page.text)) == 401
        assert {"headers": {}, "cookies": {}}.items() <= told_by(token_in(page.text)).items()
        assert browser.get(f"{url}/metrics", timeout=30).status_code == 200
        browser.post(f"{url}/logout", timeout=30)
        assert browser.get(f"{url}/metrics", timeout=30).status_code == 401
    Provider.person = "max"
    with requests.Session() as browser:
        assert browser.get(f"{url}/", timeout=60).status_code == 403


def test_who_is_in_the_file_comes_and_goes_without_a_restart(url: str, guests: Path) -> None:
    def codes() -> list[int]:
        return [get(f"{url}/metrics", user).status_code for user in ("ann", "zoe", "kim@lab.org", "max")]

    sound = guests.read_text()
    assert codes() == [200, 200, 200, 403]
    guests.write_text(sound.replace("zoe", "max"))
    assert codes() == [200, 403, 200, 200]
    guests.unlink()
    assert codes() == [200, 403, 403, 403], "nobody of a file that cannot be read"
    guests.write_text(sound)
    assert codes() == [200, 200, 200, 403]


def test_cookies_of_the_provider_are_kept_from_scripts_other_sites_and_plain_http(url: str) -> None:
    def cookies(path: str, **headers: str) -> list[str]:
        answer = requests.get(f"{url}{path}", headers=headers, allow_redirects=False, timeout=30)
        return answer.raw.headers.getlist("Set-Cookie")

    (plain,), (safe,) = cookies("/login"), cookies("/login", **{"X-Forwarded-Proto": "https"})
    assert "Secure" in safe and "Secure" not in plain
    for said in (plain, safe):
        assert "HttpOnly" in said and "SameSite=Lax" in said and "Path=/spikes/" in said
    gone = {said.partition("=")[0]: said for said in cookies("/logout")}
    assert {"user", "access_token", "id_token", "refresh_token"} <= set(gone)
    assert all("Path=/spikes/" in said for said in gone.values()), "cleared where they are not: nobody is logged out"


def test_a_code_of_the_provider_is_not_in_the_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    assert get(f"{url}/login?code=hunter2hunter2&state=hunter2hunter2").status_code == 401  # and see the end of `url`
