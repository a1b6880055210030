"""Logins through a provider: what is refused at the start, who may come in, every route, forged cookies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from tornado.web import create_signed_value

from dashboard import cli
from dashboard.oauth import may_enter

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
        ((), SECRETS, "Nobody may come in: github"),
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
    assert cli.main(command) == 2
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


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own process: Panel keeps its OAuth settings for the whole of one."""
    folder = tmp_path_factory.mktemp("oauth")
    serve = [
        sys.executable, "-m", "dashboard", "serve", "--offline", "--no-browser", "--data", str(folder), "--port", "0",
        "--address", "127.0.0.1", "--prefix", "/spikes", "--oauth", "github", "--oauth-user", "ann",
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


def test_strangers_are_sent_to_the_provider_and_get_nothing_else(url: str) -> None:
    page = get(f"{url}/?insertion=demo")
    assert (page.status_code, page.headers["Location"].split("?")[0]) == (302, "/spikes/login")
    away = get(f"{url}/login")
    assert away.status_code == 302
    target = urlsplit(away.headers["Location"])
    assert target.netloc == "github.com"
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
