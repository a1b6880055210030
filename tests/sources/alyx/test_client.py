"""ONE's client, subclassed: time-outs, refusals, retries, threads; nothing asked, nothing written."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dashboard.model.errors import BadRequest, SourceUnavailable
from dashboard.sources.alyx.client import Client
from tests.replay.server import Replay

PID = "983a6668-5d02-4273-8f0d-1f59989c80c2"


@pytest.fixture
def sleeps() -> list[float]:
    return []


@pytest.fixture
def client(replay: Replay, sleeps: list[float]) -> Client:
    return Client(replay.url, "alice", "alicepass", sleep=sleeps.append)


def test_reads(client: Client) -> None:
    assert client.read(f"/insertions/{PID}")["name"] == "probe00"


@pytest.mark.parametrize("path", ["/insertions/00000000-0000-4000-8000-000000000000", "/insertions/notuuid"])
def test_unknown_is_none(client: Client, path: str) -> None:
    assert client.read(path) is None


def test_pages_hold_every_row_once(client: Client, replay: Replay) -> None:
    rows = [row["id"] for page in client.pages("/sessions", {"limit": "50"}) for row in page]
    assert len(rows) == len(set(rows)) == 305


def test_next_is_followed_at_our_address(client: Client, replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy the server names itself by an address that nobody can reach."""
    monkeypatch.setattr("dashboard.sources.alyx.client.PAGE", 100)
    original = replay.rewritten
    monkeypatch.setattr(
        replay, "rewritten", lambda body: original(body).replace(replay.url.encode(), b"http://inner:80")
    )
    assert sum(len(page) for page in client.pages("/sessions")) == 305


def test_rows_that_come_twice_are_given_once(client: Client) -> None:
    (page,) = client.pages("/sessions", {"atlas_acronym": "CA1"})
    assert len(page) == len({row["id"] for row in page}) < 4


def test_one_login_for_many_threads(client: Client, replay: Replay) -> None:
    threads = [threading.Thread(target=client.read, args=(f"/insertions/{PID}",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replay.count("/auth-token", "POST") == 1


def test_an_expired_token_is_renewed_once(client: Client, replay: Replay) -> None:
    client.read(f"/insertions/{PID}")
    replay.tokens.clear()
    assert client.read(f"/insertions/{PID}") is not None
    assert replay.count("/auth-token", "POST") == 2


def test_an_expired_token_is_renewed_once_for_all_threads(client: Client, replay: Replay) -> None:
    client.read(f"/insertions/{PID}")
    replay.tokens.clear()
    # the refusals come late enough that all threads have asked with the old token
    replay.faults.add("/insertions/*", "delay", delay=0.3, times=6)
    threads = [threading.Thread(target=client.read, args=(f"/insertions/{PID}",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replay.count("/auth-token", "POST") == 2


def test_a_token_instead_of_a_password(replay: Replay) -> None:
    replay.tokens.add("t0ken")
    assert Client(replay.url, token="t0ken").read(f"/insertions/{PID}") is not None
    assert replay.count("/auth-token", "POST") == 0


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"user": "alice", "password": "nope"}, "refused the password of alice"),
        ({"token": "bad"}, r"refused the login \(Invalid token\)"),
        ({}, "There is no login"),
        ({"user": "alice"}, "There is no login"),
    ],
)
def test_refused(replay: Replay, login: dict[str, str], words: str) -> None:
    with pytest.raises(SourceUnavailable, match=words) as caught:
        Client(replay.url, **login).read("/sessions")
    assert "SPIKE_DASHBOARD_ALYX_USER" in str(caught.value)
    assert "nope" not in str(caught.value)


def test_never_prompts(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    def prompt(*args: object) -> str:
        raise AssertionError("it asked on the console")

    monkeypatch.setattr("builtins.input", prompt)
    monkeypatch.setattr("one.webclient.getpass", prompt)
    with pytest.raises(SourceUnavailable):
        Client(replay.url).read("/sessions")


def test_netrc_does_not_overrule_the_token(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert client.read(f"/insertions/{PID}") is not None


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_a_passing_error_is_asked_again(client: Client, replay: Replay, sleeps: list[float], code: int) -> None:
    replay.faults.add("/insertions/*", "status", code=code, times=2)
    assert client.read(f"/insertions/{PID}") is not None
    assert sleeps == [0.6, 1.2]


def test_retry_after_is_honoured(client: Client, replay: Replay, sleeps: list[float]) -> None:
    replay.faults.add("/insertions/*", "status", code=429, retry_after="7")
    assert client.read(f"/insertions/{PID}") is not None
    assert sleeps == [7.0]


def test_a_long_retry_after_is_reported(client: Client, replay: Replay, sleeps: list[float]) -> None:
    replay.faults.add("/insertions/*", "status", code=429, retry_after="60", times=None)
    with pytest.raises(SourceUnavailable, match="asks to wait 60 s"):
        client.read(f"/insertions/{PID}")
    assert sleeps == []


def test_a_lasting_error_is_reported(client: Client, replay: Replay) -> None:
    with pytest.raises(SourceUnavailable, match="answered 500"):
        client.read("/insertions", {"django": "nofield,1"})
    assert replay.count("/insertions") == 3


def test_a_bad_filter_is_reported_at_once(client: Client, replay: Replay) -> None:
    with pytest.raises(SourceUnavailable, match="answered 400"):
        client.read("/insertions", {"session": "notuuid"})
    assert replay.count("/insertions") == 1


def test_a_server_that_stalls(replay: Replay) -> None:
    replay.faults.add("*", "stall_headers", times=None)
    with pytest.raises(SourceUnavailable, match="in time"):
        Client(replay.url, "alice", "alicepass", read_s=0.5).read(f"/insertions/{PID}")


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(SourceUnavailable, match="cannot be reached"):
        Client("http://127.0.0.1:9", "alice", "alicepass").read("/sessions")


def test_a_login_page_of_the_network(client: Client, replay: Replay) -> None:
    replay.faults.add("/insertions/*", "not_json", times=None)
    with pytest.raises(SourceUnavailable, match="not Alyx's"):
        client.read(f"/insertions/{PID}")


@pytest.mark.parametrize("url", ["", "alyx.example.org", "ftp://alyx.example.org", "https://"])
def test_not_an_address(url: str) -> None:
    with pytest.raises(BadRequest):
        Client(url)


def test_passwords_are_never_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    client.read(f"/insertions/{PID}")
    token = (client._token or {})["token"]
    assert "alicepass" not in caplog.text and token not in caplog.text
    assert "alicepass" not in repr(client)


def test_ones_own_methods_go_the_same_way(client: Client, replay: Replay) -> None:
    """`rest` checks against the server's schema, `get` joins pages: both are ONE's."""
    assert client.rest("insertions", "read", id=PID)["name"] == "probe00"
    assert len(client.get("/sessions?subject=KM_001")) == 1
    assert list(Path.home().iterdir()) == []


def test_a_login_that_is_redirected_takes_no_password_along(client: Client, replay: Replay, alyx_folder: Path) -> None:
    with Replay(alyx_folder) as other:
        replay.faults.add("/auth-token", "redirect", location=f"{other.url}/auth-token", times=None)
        with pytest.raises(SourceUnavailable, match="moved"):
            client.read(f"/insertions/{PID}")
        assert other.seen == []
