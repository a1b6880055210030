"""Logins outlive the process, count in every process, and end when they should."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from dashboard.cli import main
from dashboard.model.errors import BadRequest
from dashboard.server.auth import passwords
from dashboard.server.auth.gate import COOKIE
from dashboard.server.auth.logins import FILE, FRESH_S, MAX_FAILURES, MAX_FOR_A_NAME, WRITE_S, Logins
from dashboard.server.auth.passwords import Accounts, add_user, hash_password, remove_user
from dashboard.sources.demo.source import DemoSource
from tests.server.asking import PASSWORD, Site
from tests.serving import serving

IDLE_S = 3600.0


class Lab:
    """A users file, a cache and a clock, and processes that share them."""

    def __init__(self, folder: Path) -> None:
        self.users, self.cache, self.now = folder / "users.json", folder / "cache", 1e9
        for name in ("ann", "bob"):
            add_user(self.users, name, PASSWORD)

    def process(self, **more: float) -> Logins:
        return Logins(Accounts(self.users), IDLE_S, lambda: self.now, folder=self.cache, **more)

    def texts(self) -> str:
        with sqlite3.connect(self.cache / FILE) as file:
            found = str(list(file.iterdump()))
        file.close()
        return found


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_a_restart_logs_nobody_out(lab: Lab) -> None:
    first = lab.process()
    token = first.start("ann")
    lab.now += 600
    assert first.user(token) == "ann"
    first.close()
    lab.now += IDLE_S - 1
    again = lab.process()
    assert again.user(token) == "ann", "when it was used last was lost"
    lab.now += IDLE_S + 1
    assert again.user(token) is None
    assert lab.process().user(token) is None, "what was idle came back"


def test_a_login_counts_in_every_process_and_ends_in_every_one(lab: Lab) -> None:
    here, there = lab.process(), lab.process()
    token = here.start("ann")
    assert there.user(token) == "ann"
    lab.now += IDLE_S - WRITE_S
    assert here.user(token) == "ann"
    lab.now += IDLE_S - WRITE_S
    assert there.user(token) == "ann", "it was used in another process"
    here.end(token)
    assert here.user(token) is None
    lab.now += FRESH_S + 1
    assert there.user(token) is None
    assert lab.process().user(token) is None


def test_a_login_ends_however_much_it_is_used(lab: Lab) -> None:
    logins = lab.process(longest_s=2 * IDLE_S)
    token = logins.start("ann")
    for _ in range(3):
        lab.now += 0.6 * IDLE_S
        assert logins.user(token) == "ann"
    lab.now += 0.6 * IDLE_S
    assert logins.user(token) is None


def test_who_is_removed_is_out_and_a_new_password_ends_old_logins(lab: Lab) -> None:
    logins, other = lab.process(), lab.process()
    ann, bob = logins.start("ann"), logins.start("bob")
    assert other.user(ann) == "ann"
    remove_user(lab.users, "ann")
    assert (logins.user(ann), other.user(ann), logins.user(bob)) == (None, None, "bob")
    add_user(lab.users, "ann", PASSWORD)
    assert logins.user(ann) is None, "a login came back with the name"
    add_user(lab.users, "bob", PASSWORD + "2")
    assert logins.user(bob) is None
    with pytest.raises(BadRequest, match="No such user: eve"):
        remove_user(lab.users, "eve")


@pytest.mark.parametrize("content", ["", "{", '{"ann": "plain"}', None], ids=["empty", "cut", "plain", "absent"])
def test_nobody_gets_in_while_the_users_file_cannot_be_read(
    lab: Lab, caplog: pytest.LogCaptureFixture, content: str | None
) -> None:
    """As an editor leaves it for a moment: logins are not lost by it."""
    logins = lab.process()
    token, sound = logins.start("ann"), lab.users.read_text()
    if content is None:
        lab.users.unlink()
    else:
        lab.users.write_text(content)
    assert [logins.user(token) for _ in range(3)] == [None] * 3
    assert not logins.accounts.check("ann", PASSWORD)
    assert [record.levelname for record in caplog.records] == ["ERROR"], "it is said once"
    lab.users.write_text(sound)
    assert logins.user(token) == "ann"


def test_the_file_holds_no_token_and_no_name_that_was_tried(lab: Lab) -> None:
    logins = lab.process()
    token = logins.start("ann")
    logins.failed("10.0.0.9", "correct horse battery")
    held = lab.texts()
    assert token not in held
    assert "battery" not in held and "10.0.0.9" not in held
    assert (lab.cache / FILE).stat().st_mode & 0o077 == 0
    guess = lab.process()
    for forged in ("", "x", token[:-1], token.lower(), "' OR 1=1 --", "\x00", "ann", "é" * 99):
        assert guess.user(forged) is None


def test_failures_count_in_all_processes_and_after_a_restart(lab: Lab) -> None:
    processes = [lab.process() for _ in range(2)]
    for number in range(MAX_FAILURES):
        processes[number % 2].failed("10.0.0.9", f"name {number}")
    assert min(logins.wait_s("10.0.0.9", "bob") for logins in (*processes, lab.process())) > 290
    assert processes[0].wait_s("10.0.0.8", "bob") == 0
    lab.now += 301
    assert lab.process().wait_s("10.0.0.9", "bob") == 0


def test_one_address_cannot_lock_a_name(lab: Lab) -> None:
    """It has to wait before there are enough failures for that; many addresses together do not get past the name."""
    logins, n_addresses = lab.process(), 0
    while logins.wait_s("10.9.9.9", "ann") == 0:
        n_addresses += 1
        while logins.wait_s(f"10.0.0.{n_addresses}", "ann") == 0:
            logins.failed(f"10.0.0.{n_addresses}", "ann")
    assert n_addresses == MAX_FOR_A_NAME / MAX_FAILURES
    assert lab.process().wait_s("10.9.9.9", "ann") > 290
    lab.now += 301
    assert logins.wait_s("10.9.9.9", "ann") == 0


def test_a_right_login_forgives_its_own_name_only(lab: Lab) -> None:
    """Or whoever has a login of their own could guess without end, and lock out whom they like."""
    logins = lab.process()
    for _ in range(MAX_FAILURES - 1):
        logins.failed("10.0.0.9", "ann")
    logins.failed("10.0.0.9", "eve")
    logins.succeeded("eve")
    for process in (logins, lab.process()):
        assert process.wait_s("10.0.0.9", "eve") == 0
    logins.failed("10.0.0.9", "ann")
    for process in (logins, lab.process()):
        assert process.wait_s("10.0.0.9", "eve") > 290, "what it did to another name was forgiven"
    logins.succeeded("ann")
    assert {process.wait_s("10.0.0.9", "ann") for process in (logins, lab.process())} == {0}


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("", "unix", False),
    ],
)
def test_an_address_is_counted_with_its_network(lab: Lab, one: str, other: str, is_same: bool) -> None:
    logins = lab.process()
    for _ in range(MAX_FAILURES):
        logins.failed(one, "ann")
    assert bool(logins.wait_s(other, "bob")) is is_same


@pytest.mark.parametrize(("behind_proxy", "codes"), [(False, {403, 429}), (True, {403})])
def test_the_peer_itself_is_counted_where_no_proxy_is_named(
    tmp_path: Path, cache: Path, behind_proxy: bool, codes: set[int]
) -> None:
    add_user(tmp_path / "users.json", "ann", PASSWORD)
    (cache / FILE).unlink(missing_ok=True)
    with serving([], cache, users=tmp_path / "users.json", behind_proxy=behind_proxy) as server:
        site = Site(f"http://127.0.0.1:{server.port}", server)
        said = {
            site.login(
                "ann", "wrong", headers={"X-Forwarded-For": f"10.0.0.{k}", "X-Real-IP": f"10.0.0.{k}"}
            ).status_code
            for k in range(MAX_FAILURES + 2)
        }
    assert said == codes


def test_cleared_by_hand_everybody_is_out_and_may_come_again(lab: Lab) -> None:
    logins = lab.process()
    token = logins.start("ann")
    assert main.main(["cache", "clear", FILE, "--cache", str(lab.cache)]) == 0
    lab.now += FRESH_S + 1
    assert logins.user(token) is None
    again = logins.start("ann")
    assert lab.process().user(again) == "ann"


def test_without_its_file_logins_hold_in_their_process_and_are_kept_later(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """Locked by somebody who does not let go, as a volume that is full would: people come in all the same."""
    logins = lab.process()
    assert logins.user("x") is None
    holder = sqlite3.connect(lab.cache / FILE, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    token = logins.start("ann")
    for _ in range(3):
        lab.now += FRESH_S + 1
        assert logins.user(token) == "ann"
    said = [record for record in caplog.records if record.name == "dashboard.server.auth.logins"]
    assert len(said) == 1, "it is said once"
    assert "locked" in caplog.text
    holder.execute("ROLLBACK")
    holder.close()
    assert lab.process().user(token) is None
    lab.now += WRITE_S + 1
    assert logins.user(token) == "ann"
    assert lab.process().user(token) == "ann", "it was not kept once the file could be used again"


def test_a_server_that_is_started_again_knows_who_was_logged_in(
    tmp_path: Path, small_demo: object, cache: Path
) -> None:
    add_user(tmp_path / "users.json", "ann", PASSWORD)
    source, codes, cookie = DemoSource(cache, n_spikes=50_000), [], None
    for _ in range(2):
        with serving([source], cache, users=tmp_path / "users.json") as server:
            site = Site(f"http://127.0.0.1:{server.port}", server)
            cookie = cookie or site.login().cookies[COOKIE]
            codes.append(site.get("/metrics", cookie).status_code)
            codes.append(site.get("/metrics", cookie[::-1]).status_code)
    assert codes == [200, 401] * 2


def test_the_command_takes_users_out(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["user", "remove", "ann", "--users", str(lab.users)]) == 0
    assert set(json.loads(lab.users.read_text())) == {"bob"}
    assert main.main(["user", "remove", "ann", "--users", str(lab.users)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_hash_that_nobody_can_compute_lets_nobody_in(lab: Lab) -> None:
    odd = "scrypt$3$1$1$aa$" + "0" * 64
    lab.users.write_text(json.dumps({"ann": odd, "bob": hash_password(PASSWORD)}))
    accounts = Accounts(lab.users)
    assert not accounts.check("ann", PASSWORD)
    assert accounts.check("bob", PASSWORD)


def test_an_old_hash_is_made_anew_at_the_next_login_and_ends_no_other(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = tmp_path / "users.json"
    for name in ("ann", "bob"):
        add_user(users, name, PASSWORD)
    before = json.loads(users.read_text())
    (cache / FILE).unlink(missing_ok=True)
    other = Logins(Accounts(users), IDLE_S, folder=cache)
    elsewhere = other.start("ann")
    monkeypatch.setattr(passwords, "N", 2**11)
    with serving([], cache, users=users) as server:
        site = Site(f"http://127.0.0.1:{server.port}", server)
        first = site.login().cookies[COOKIE]
        after = json.loads(users.read_text())
        assert after["ann"].startswith("scrypt$2048$8$1$")
        assert after["bob"] == before["bob"]
        assert users.stat().st_mode & 0o077 == 0
        assert site.login("ann", "wrong").status_code == 403
        assert json.loads(users.read_text()) == after, "it was made anew twice, or by a wrong password"
        assert [site.get("/metrics", cookie).status_code for cookie in (first, elsewhere)] == [200, 200]
        assert other.user(elsewhere) == "ann", "another process ended it"
        users.chmod(0o400)
        assert site.login("bob").status_code == 303


def test_passwords_cost_what_todays_guidance_asks() -> None:
    text = Path(passwords.__file__).read_text(encoding="utf-8")
    assert "N, R, P = 2**17, 8, 1" in text
    assert passwords._scrypt("x", b"salt" * 4, 2**17, 8, 1)
