"""Who gets in, and what they can reach: every route, forged cookies, origins, paths in place of insertions."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from bokeh.util.token import generate_jwt_token, generate_session_id

from dashboard.cli import main
from dashboard.model.errors import BadRequest, InsertionNotFound
from dashboard.server.auth.gate import COOKIE
from dashboard.server.auth.logins import FAILURES_S, MAX_FAILURES, Logins
from dashboard.server.auth.passwords import Accounts, add_user, hash_password
from dashboard.server.upstream.memory import anonymous_bytes
from dashboard.sources.demo.source import DemoSource
from dashboard.sources.folder import FolderSource
from dashboard.sources.locate import find
from tests.server.asking import PASSWORD, Site, connect, token_in, told_by

ROUTES = [
    "/ws", "/metrics", "/health", "/autoload.js", "/static/js/bokeh.min.js", "/static/extensions/panel/panel.min.js",
    "/components/x", "/favicon.ico", "/no/such/route", "/login/x", "//login", "/LOGIN", "/login%2f..", "/logout",
    "/static/../health", "/./metrics", "/rest/x",
]  # fmt: skip
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TRAVERSALS = [
    "../../../../etc/passwd", "/etc", "/etc/passwd", "~", "~/.ssh", "file:///etc/passwd", "..", ".", "", "\x00",
    "%2e%2e%2fetc", "..\\..\\windows", "a/2020-01-01/001/../../../../etc", "demo/../../etc", "${HOME}", "$(id)",
    "subject/2020-01-01/001/probe00/../../../..", "__import__('os').system('id')", "<script>alert(1)</script>",
]  # fmt: skip


@pytest.mark.parametrize("site", [{}, {"prefix": "/spikes"}], indirect=True, ids=["root", "prefix"])
def test_nothing_answers_without_a_login(site: Site) -> None:
    page = site.get("/?insertion=demo")
    assert page.status_code == 302
    assert page.headers["Location"].startswith(f"{site.server.prefix}/login?next=")
    for route in ROUTES:
        answer = site.get(route)
        assert (answer.status_code, answer.text) == (401, "Log in first\n"), route
    for method in ("post", "put", "delete", "patch", "head", "options"):
        assert requests.request(method, f"{site.url}/metrics", timeout=30).status_code == 401, method
    assert len(site.server.process.sessions) == 0, "a document was built"


def test_every_registered_route_is_behind_the_gate(site: Site) -> None:
    rules = site.server._tornado.wildcard_router.rules
    paths = {rule.matcher.regex.pattern.rstrip("$") for rule in rules if hasattr(rule.matcher, "regex")}
    assert len(paths) > 8
    for path in paths - {"/login", "/"}:
        filled = path.replace("(.*)", "x").replace("?", "")
        assert site.get(filled).status_code in (401, 302), path


@pytest.mark.parametrize("site", [{"open_health": True}], indirect=True)
def test_health_may_be_opened_alone(site: Site) -> None:
    answer = site.get("/health").json()
    assert set(answer) == {"status", "version", "sessions", "insertions_open", "bytes_held", "uptime_s"}
    assert site.get("/metrics").status_code == 401


def test_a_login_opens_the_routes_and_logging_out_closes_them(site: Site) -> None:
    answer = site.login(form={"next": "/?insertion=demo"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?insertion=demo")
    said = answer.headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Lax" in said
    token = answer.cookies[COOKIE]
    text = site.get("/metrics", token).text
    assert "spike_dashboard_sessions 0" in text
    assert 'spike_dashboard_render_seconds_bucket{le="+Inf"}' in text
    assert site.get("/health", token).json()["status"] == "ok"
    assert site.get("/", token).status_code == 200
    assert site.get("/health", token).json()["sessions"] == 1, "the page is one of an error"
    requests.post(f"{site.url}/logout", cookies={COOKIE: token}, allow_redirects=False, timeout=30)
    assert site.get("/metrics", token).status_code == 401


@pytest.mark.parametrize("site", [{"behind_proxy": True}], indirect=True)
def test_the_cookie_is_secure_behind_https(site: Site) -> None:
    assert "Secure" in site.login(headers={"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]


@pytest.mark.parametrize("cookie", ["", "x", "ann", "2|1:0|10:1|4:user|4:YW5u|" + "0" * 64, "A" * 4000])
def test_forged_cookies_are_worth_nothing(site: Site, cookie: str) -> None:
    assert site.get("/metrics", cookie).status_code == 401
    assert requests.get(f"{site.url}/metrics", cookies={"user": cookie, "is_guest": "1"}, timeout=30).status_code == 401


def test_wrong_passwords_are_refused_alike_and_then_have_to_wait(site: Site) -> None:
    texts = {site.login(name, "wrong").text for name in ("ann", "nobody")}
    assert len(texts) == 1, "the answer tells which names exist"
    codes = [site.login("ann", "wrong").status_code for _ in range(MAX_FAILURES)]
    assert codes[-1] == 429
    refused = site.login()
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= FAILURES_S + 1


def test_what_is_sent_with_a_login_is_no_larger_than_a_form_and_not_in_the_log(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    body = b"name=hunter2hunter2&password=%ff%fe-hunter2"
    said = requests.post(f"{site.url}/login", data=body, headers=FORM, timeout=30)
    assert (said.status_code, "Name or password is wrong" in said.text) == (403, True)
    assert requests.get(f"{site.url}/login?next=%ff%0d%0aX-Evil:1", timeout=30).status_code == 200
    assert site.login(form={"next": "/?a=1\r\nX-Evil: 1"}).headers["Location"] == "/"
    try:
        code = requests.post(f"{site.url}/login", data=b"name=" + bytes(20 << 20), headers=FORM, timeout=30).status_code
    except requests.ConnectionError:  # closed before all was sent
        code = 400
    assert code == 400
    assert "hunter2" not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil", "javascript:alert(1)", "/x"])
def test_a_login_goes_on_to_this_page_only(site: Site, target: str) -> None:
    assert site.login(form={"next": target}).headers["Location"] == "/"


def test_the_login_page_escapes_and_asks_no_other_host(site: Site) -> None:
    page = site.get("/login?next=" + quote('/?insertion="><script>alert(1)</script>'))
    assert "<script" not in page.text
    assert "http://" not in page.text.lower()
    assert "https://" not in page.text.lower()
    assert page.headers["X-Frame-Options"] == "DENY"
    assert site.login(headers={"Origin": "https://evil.example"}).status_code == 403


def test_websockets_need_a_login_and_the_right_origin(site: Site) -> None:
    cookie = site.login().cookies[COOKIE]
    token = token_in(site.get("/", cookie).text)
    here = f"http://localhost:{site.server.port}"
    assert connect(site.url, None, here, token) == 401
    assert connect(site.url, "forged", here, token) == 401
    assert connect(site.url, cookie, "https://evil.example", token) == 403
    assert connect(site.url, cookie, here, token) == 101


def test_sessions_are_opened_by_the_page_alone(site: Site) -> None:
    """A link with somebody's own session, a token made elsewhere, one that was changed: nobody joins, none is built."""
    cookie = site.login().cookies[COOKIE]
    token = token_in(site.get("/", cookie).text)
    here = f"http://localhost:{site.server.port}"
    for query in (f"bokeh-token={token}", "bokeh-session-id=known", "bokeh-token=xx", "bokeh-token=e30"):
        assert site.get(f"/?{query}", cookie).status_code == 403, query
    assert site.get("/", cookie, headers={"Bokeh-Session-Id": "known"}).status_code == 403
    made = generate_jwt_token(generate_session_id(), extra_payload={"session_expiry": 2**40})
    forged = ("", "x", "e30", "é", made, f"{made}.{token.split('.')[1]}", token[:-1], f"{token[:-1]}_")
    for each in forged:
        assert connect(site.url, cookie, here, quote(each)) == 403, each
    assert site.get("/health", cookie).json()["sessions"] == 1


def test_a_page_does_not_tell_its_own_login(site: Site) -> None:
    """The cookie is kept from scripts; the page's token is not."""
    cookie = site.login().cookies[COOKIE]
    page = site.get("/?tab=Unit", cookie, headers={"Authorization": "Bearer hunter2"})
    told = told_by(token_in(page.text))
    assert (told["headers"], told["cookies"], set(told["arguments"])) == ({}, {}, {"tab"})
    assert cookie not in page.text + str(told)


@pytest.mark.parametrize(
    "path", ["/components/antigravity/a/css/b", "/autoload.js?bokeh-autoload-element=x", "/metadata"]
)
def test_routes_of_the_libraries_that_no_page_needs_are_closed(site: Site, path: str) -> None:
    """The first imports whatever module an address names; the second is the page, for any other site."""
    answer = site.get(path, site.login().cookies[COOKIE])
    assert (answer.status_code, answer.text) == (404, "There is nothing here\n")
    assert "antigravity" not in sys.modules
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert site.server.process.sessions == {}


@pytest.mark.parametrize("site", [{"max_sessions": 1}], indirect=True)
def test_a_full_server_says_so(site: Site) -> None:
    token = site.login().cookies[COOKIE]
    assert site.get("/", token).status_code == 200
    answer = site.get("/", token)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "as many sessions open as it may. This page tries again" in answer.text
    assert site.get("/health", token).json()["sessions"] == 1


def test_a_server_that_has_used_its_memory_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is in stays in; whatever opened insertions are mapped from files does not count."""
    token = site.login().cookies[COOKIE]
    assert site.get("/", token).status_code == 200
    with monkeypatch.context() as patched:
        patched.setattr("dashboard.server.server.anonymous_bytes", lambda: 1 << 40)
        answer = site.get("/", token)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
        assert "uses as much memory as it may. This page tries again" in answer.text
        metrics = dict(line.rsplit(" ", 1) for line in site.get("/metrics", token).text.splitlines() if line[0] != "#")
        assert float(metrics["spike_dashboard_anonymous_bytes"]) == 1 << 40
    assert site.get("/", token).status_code == 200
    assert 1 << 20 < anonymous_bytes() < 1 << 40


def test_idle_logins_end_and_removed_users_are_out(tmp_path: Path) -> None:
    now, users = [0.0], tmp_path / "users.json"
    add_user(users, "ann", PASSWORD)
    add_user(users, "bob", PASSWORD)
    logins = Logins(Accounts(users), 60.0, lambda: now[0])
    token, other = logins.start("ann"), logins.start("bob")
    now[0] = 50.0
    assert logins.user(token) == "ann"
    now[0] = 100.0
    assert (logins.user(token, touch=False), logins.user(other)) == ("ann", None)
    now[0] = 120.0
    assert logins.user(token) is None
    token = logins.start("ann")
    users.write_text(json.dumps({"bob": hash_password("something else")}))
    assert logins.user(token) is None


def test_the_users_file_holds_salted_hashes_and_is_private(tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    add_user(users, "ann", PASSWORD)
    add_user(users, "bob", PASSWORD)
    assert PASSWORD not in users.read_text()
    assert len(set(json.loads(users.read_text()).values())) == 2
    assert users.stat().st_mode & 0o077 == 0
    accounts = Accounts(users)
    assert accounts.check("ann", PASSWORD)
    assert not accounts.check("ann", PASSWORD + " ")
    assert not accounts.check("eve", PASSWORD)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"ann": "plain"}', '{"ann": "scrypt$1$1$1$zz$00"}'])
def test_a_users_file_that_lets_nobody_in_is_refused(tmp_path: Path, content: str) -> None:
    users = tmp_path / "users.json"
    users.write_text(content)
    with pytest.raises(BadRequest, match=r"users\.json"):
        Accounts(users)
    with pytest.raises(BadRequest, match="Cannot read"):
        Accounts(tmp_path / "absent.json")


def test_a_mistyped_users_file_stops_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main(["serve", "--address", "0.0.0.0", "--users", str(tmp_path / "usres"), "--offline", "--port", "0"])
    assert code == 2
    assert "Cannot read the users file" in capsys.readouterr().err


def test_the_password_comes_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    users = tmp_path / "users.json"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert main.main(["user", "add", "ann", "--users", str(users)]) == 0
    assert Accounts(users).check("ann", PASSWORD)
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main.main(["user", "add", "bob", "--users", str(users)]) == 2


@pytest.mark.parametrize("text", TRAVERSALS)
def test_text_of_the_page_never_becomes_a_path(tmp_path: Path, cache: Path, text: str) -> None:
    """Also not the existing folder beside the configured one, whichever way it is written."""
    inside, outside = tmp_path / "data", tmp_path / "secret" / "alf" / "probe00"
    inside.mkdir()
    outside.mkdir(parents=True)
    (outside / "spikes.times.npy").write_bytes(b"")
    sources = [FolderSource(inside), DemoSource(cache, n_spikes=50_000)]
    for written in (text, str(outside), f"../secret/{text}", str(outside.parents[1])):
        with pytest.raises(InsertionNotFound):
            find(written, sources)


def test_a_free_port_is_not_taken_beyond_loopback(site: Site) -> None:
    with socket.socket() as other:
        other.settimeout(1)
        name = socket.gethostbyname(socket.gethostname())
        if name.startswith("127."):
            pytest.skip("this machine has no address but the loopback")
        assert other.connect_ex((name, site.server.port)) != 0


def test_a_page_belongs_to_the_login_that_it_was_made_for(tmp_path: Path, site: Site) -> None:
    add_user(tmp_path / "users.json", "bob", PASSWORD)
    ann, bob = (site.login(name).cookies[COOKIE] for name in ("ann", "bob"))
    token = token_in(site.get("/", ann).text)
    here = f"http://localhost:{site.server.port}"
    assert connect(site.url, bob, here, token) == 403
    again = site.login("ann").cookies[COOKIE]
    assert connect(site.url, again, here, token) == 101, "whoever logs in once more loses the page"
    assert "ann" not in str(told_by(token))


def test_every_answer_tells_browsers_what_they_may_do(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages, files, what is not there, what is not modified, what raises, and websockets that are refused."""
    monkeypatch.setattr(site.server.process, "metrics", lambda: 1 / 0)
    cookie = site.login().cookies[COOKIE]
    session_downloads = site.server.process.downloads.of_session("ann")
    (path := session_downloads.new_path("a.csv")).write_text("a")
    script, socket = "/static/js/bokeh.min.js", {"Upgrade": "websocket", "Connection": "Upgrade"}
    etag = site.get(script, cookie).headers["Etag"]
    asked: dict[str, tuple[set[int], dict[str, str]]] = {
        "/": ({200, 302}, {}), "/login": ({200}, {}), "/health": ({200, 401}, {}), "/nosuch": ({404, 401}, {}),
        "/metrics": ({500, 401}, {}), "/autoload.js": ({404, 401}, {}), "/logout": ({405, 401}, {}),
        "/download/x": ({404, 401}, {}), f"/{session_downloads.put(path, 'a.csv')}": ({200, 401}, {}),
        script: ({304, 401}, {"If-None-Match": etag}), f"{script}?v=x": ({200, 401}, {}),
        "/docs": ({301, 302, 404}, {}), "/docs/": ({200, 302, 404}, {}), "/docs/nosuch": ({404, 302}, {}),
        "/ws": ({400, 403, 401}, {}), "/ws?": ({401, 403}, socket), "/?bokeh-token=x": ({403, 302}, {}),
    }  # fmt: skip
    for path, (codes, headers) in asked.items():
        for answer in (site.get(path, cookie, headers=headers), site.get(path, headers=headers)):
            said = answer.headers
            assert answer.status_code in codes, (path, answer.status_code)
            assert said["X-Content-Type-Options"] == "nosniff", path
            assert said["Referrer-Policy"] == "same-origin", path
            assert said["X-Frame-Options"] == "DENY", path
            policy = said["Content-Security-Policy"]
            assert "default-src 'none'" in policy, path
            assert "frame-ancestors 'none'" in policy, path
            assert "ZeroDivisionError" not in answer.text, path


def test_scripts_of_a_page_carry_its_nonce_and_no_other_runs(site: Site) -> None:
    cookie, nonces = site.login().cookies[COOKIE], set()
    for _ in range(3):  # the third has a head that was kept of the two before
        page = site.get("/?insertion=" + quote('"><script>alert(1)</script>'), cookie)
        rules = dict(rule.split(" ", 1) for rule in page.headers["Content-Security-Policy"].split("; "))
        nonce = re.search(r"'nonce-([\w-]+)'", rules["script-src"])
        assert nonce is not None
        assert "unsafe-inline" not in rules["script-src"]
        assert page.text.count("<script") == page.text.count(f'<script nonce="{nonce[1]}"') > 3
        assert "alert(1)</script>" not in page.text
        nonces.add(nonce[1])
    assert len(nonces) == 3


@pytest.mark.parametrize("site", [{"frame_ancestor": ("https://wiki.example.org",)}], indirect=True)
def test_a_lab_may_name_who_shows_the_dashboard_in_a_frame(site: Site) -> None:
    answer = site.get("/", site.login().cookies[COOKIE])
    assert "frame-ancestors https://wiki.example.org" in answer.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in answer.headers
