"""The password of the data server: sent to it, and to nobody else."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import requests

from dashboard.sources.download.downloader import Downloader, Fetched
from dashboard.sources.download.transfer import Item
from dashboard.sources.download.transport import Sockets, Transport
from tests.replay.downloading import COLLECTION, EID, served, whole
from tests.replay.server import Replay


class TestPassword:
    """The data server's password is for the data server."""

    @pytest.fixture
    def private(self, alyx_folder: Path) -> Replay:
        return Replay(alyx_folder, data_auth=("reader", "secret"))

    def fetch(self, downloader: Downloader, server: Replay, tmp_path: Path) -> tuple[Item, Fetched]:
        dataset = served(server, f"{COLLECTION}/spikes.times.npy")
        wanted = Item(dataset, tmp_path / "data" / dataset.relative_path)
        return wanted, downloader.fetch([wanted])

    def test_is_sent_to_it(self, private: Replay, tmp_path: Path) -> None:
        with private:
            downloader = Downloader(tmp_path / "locks", user="reader", password="secret")
            assert whole(*self.fetch(downloader, private, tmp_path))

    def test_is_missing_or_wrong(self, private: Replay, tmp_path: Path) -> None:
        with private:
            for password in (None, "wrong"):
                downloader = Downloader(tmp_path / "locks", user="reader", password=password)
                wanted, fetched = self.fetch(downloader, private, tmp_path)
                assert "refused (401)" in str(fetched.failures[wanted.dataset.relative_path])

    def test_is_not_sent_to_other_hosts(self, private: Replay, replay: Replay, tmp_path: Path) -> None:
        with private:
            downloader = Downloader(tmp_path / "locks", user="reader", password="secret", hosts=["elsewhere.org"])
            self.fetch(downloader, private, tmp_path)
            assert all("authorization" not in seen.headers for seen in private.seen)

    def test_does_not_follow_a_redirect(self, private: Replay, replay: Replay, tmp_path: Path) -> None:
        path = replay.data_path(replay.dataset(EID, f"{COLLECTION}/spikes.times.npy")).replace("#", "%23")
        with private:
            private.faults.add("*spikes.times*", "redirect", location=replay.url + path)
            downloader = Downloader(tmp_path / "locks", user="reader", password="secret")
            assert whole(*self.fetch(downloader, private, tmp_path))
        assert "authorization" in private.seen[0].headers
        assert "authorization" not in replay.seen[0].headers

    def test_is_not_taken_from_netrc(self, private: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password secret")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        with private:
            self.fetch(Downloader(tmp_path / "locks"), private, tmp_path)
            assert all("authorization" not in seen.headers for seen in private.seen)

    def test_is_never_logged(self, private: Replay, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(0)
        with private:
            private.faults.add("*spikes.times*", "status", code=500)
            downloader = Downloader(tmp_path / "locks", user="reader", password="secret", wait=lambda stop, s: False)
            self.fetch(downloader, private, tmp_path)
        assert caplog.records
        assert "secret" not in caplog.text

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("https://data.org/a", True),
            ("https://DATA.org:443/a", True),
            ("http://data.org/a", True),
            ("https://data.org:8443/a", False),
            ("https://data.org.evil.net/a", False),
            ("https://evil.net/data.org", False),
            ("https://data.org@evil.net/a", False),
            ("https://private.org:8080/a", True),
            ("https://private.org/a", False),
        ],
    )
    def test_who_may_see_it(self, url: str, expected: bool) -> None:
        transport = Transport(Sockets(), "reader", "secret", ["data.org", "private.org:8080"], 1, 1, 1)
        assert transport.may_see(url) is expected

    def test_is_not_sent_in_clear_where_https_was_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        transport = Transport(Sockets(), "reader", "secret", ["data.org"], 1, 1, 1)
        sent = []

        def get(url: str, auth: object, **options: object) -> requests.Response:
            sent.append((url, isinstance(auth, requests.auth.HTTPBasicAuth)))
            response = requests.Response()
            response.raw = io.BytesIO()
            response.status_code = 302 if url.startswith("https") else 200
            response.headers["Location"] = "http://data.org/a"
            return response

        monkeypatch.setattr(transport._session, "get", get)
        transport.get("https://data.org/a", {})
        assert sent == [("https://data.org/a", True), ("http://data.org/a", False)]
