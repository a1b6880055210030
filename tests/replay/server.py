"""The replay itself: one HTTP server on a free port that is both Alyx and its data server."""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from tests.replay.faults import Fault, Faults
from tests.replay.recordings import RECORDED_ALYX, RECORDED_DATA, USERS, Record, Recordings
from tests.replay.rest import NOT_FOUND_PAGE, Answer, Rest

_CHUNK = 16384


@lru_cache(maxsize=2)
def _read(folder: Path) -> Recordings:
    return Recordings.read(folder)


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(repr=False)


class Replay:
    """A recorded Alyx server and its data server, answering on 127.0.0.1.

    Parameters
    ----------
    folder : Path
        The recordings: ``rest/`` and ``data/``.
    data_auth : tuple of (str, str), or None
        User and password that the data server asks for.

    Attributes
    ----------
    url : str
        Base address of Alyx; the data are below ``<url>/public``.
    faults : Faults
    seen : list of Seen
        Every request, in order.
    down : bool
        Hang up on everyone, as a dead server does.
    sent : Counter
        Bytes of bodies that went out, by the decoded path of a data file.
    etags, ranges : bool
        Whether data answers carry an ETag, and whether parts of a file can be asked for.
    """

    def __init__(self, folder: Path, data_auth: tuple[str, str] | None = None) -> None:
        self.recordings = _read(folder).copied()
        self._edited: set[str] = set()
        self.rest = Rest(self.recordings)
        self.root = folder / "data"
        self.files: dict[str, bytes] = {}
        self.data_auth = data_auth
        self.faults = Faults()
        self.seen: list[Seen] = []
        self.sent: Counter[str] = Counter()
        self.tokens: set[str] = set()
        self.down = False
        self.etags = self.ranges = True
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self)
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="replay", daemon=True)

    def __enter__(self) -> Replay:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def session(self, eid: str) -> Record:
        """Return the session's full record, to be changed by a test."""
        return self._own(self.recordings.session_details, eid)

    def insertion(self, pid: str) -> Record:
        """Return the insertion's full record, to be changed by a test."""
        return self._own(self.recordings.insertion_details, pid)

    def _own(self, table: dict[str, Record], key: str) -> Record:
        if key not in self._edited:
            self._edited.add(key)
            table[key] = deepcopy(table[key])
        return table[key]

    def dataset(self, eid: str, ending: str) -> Record:
        """Return the one dataset of a session whose address without UUID ends so."""
        found = [d for d in self.session(eid)["data_dataset_session_related"] if _plain(d).endswith(ending)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} datasets end in {ending}")
        return found[0]

    def add_insertion(self, detail: Record) -> None:
        """Serve one more insertion."""
        pid = detail["id"]
        self.recordings.insertion_details[pid] = detail
        self.recordings.tables["insertions"][pid] = {**detail, "datasets": [d["id"] for d in detail["datasets"]]}

    def data_path(self, record: Record) -> str:
        """Return the decoded path below which a dataset's file is served."""
        return urlsplit(record["data_url"].replace("#", "%23")).path.replace("%23", "#")

    def put(self, record: Record, content: bytes) -> None:
        """Serve other bytes for a dataset than those recorded."""
        self.files[self.data_path(record)] = content

    def count(self, part: str = "", method: str = "GET") -> int:
        """Return how many requests had `part` in their decoded path."""
        return sum(seen.method == method and part in seen.path for seen in list(self.seen))

    def data_counts(self) -> Counter[str]:
        """Return how often each data file was asked for."""
        return Counter(seen.path for seen in list(self.seen) if seen.path.startswith("/public/"))

    def rest_counts(self) -> Counter[str]:
        """Return how often each REST path was asked for."""
        return Counter(seen.path for seen in list(self.seen) if not seen.path.startswith("/public/"))

    def content(self, path: str) -> bytes | None:
        """Return the bytes of a data file."""
        if path in self.files:
            return self.files[path]
        file = (self.root / path.lstrip("/")).resolve()
        return file.read_bytes() if file.is_relative_to(self.root.resolve()) and file.is_file() else None

    def rewritten(self, body: Any) -> bytes:
        """Return a body as JSON with the recorded addresses turned into ours."""
        text = json.dumps(body)
        return text.replace(RECORDED_ALYX, self.url).replace(RECORDED_DATA, self.url).encode()


def _plain(dataset: Record) -> str:
    url = str(dataset["data_url"] or f"{dataset['collection']}/{dataset['name']}")
    return url.replace(f".{dataset['id']}", "")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], replay: Replay) -> None:
        self.replay = replay
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: clients of these tests hang up in the middle on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._handle(self._get)

    def do_POST(self) -> None:
        self._handle(self._post)

    def do_PATCH(self) -> None:
        self._handle(self._refuse_writing)

    do_PUT = do_DELETE = do_PATCH  # noqa: N815

    def _handle(self, answer: Callable[[str, str], None]) -> None:
        replay = self.server.replay
        if replay.down:
            self._hang_up()
            return
        # split by hand: a raw # in a request line is not a fragment to a server, it is a fault of the client
        target, _, query = self.path.partition("?")
        path = unquote(target)
        replay.seen.append(Seen(self.command, path, query, {k.lower(): v for k, v in self.headers.items()}))
        fault = replay.faults.take(path)
        try:
            if "#" in target:
                self._send(400, b"fragment in request", "text/plain")
            elif fault is not None and self._stopped_by(fault):
                return
            elif path.startswith("/public/"):
                self._data(path, fault)
            else:
                answer(path, query)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _stopped_by(self, fault: Fault) -> bool:
        if fault.kind == "status":
            extra = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
            detail = "Request was throttled." if fault.code == 429 else "Server Error"
            body = json.dumps({"detail": detail, "status_code": fault.code}).encode()
            self._send(fault.code, body, extra=extra)
        elif fault.kind == "redirect":
            self._send(302, b"", extra={"Location": fault.location})
        elif fault.kind == "not_json":
            self._send(200, b"<html>Please log in to the network</html>", "text/html")
        elif fault.kind == "delay":
            self.server.replay.stopping.wait(fault.delay)
            return False
        elif fault.kind == "stall_headers":
            self._wait_for_release(fault)
            self._hang_up()
        else:
            return False
        return True

    def _wait_for_release(self, fault: Fault) -> None:
        until = time.monotonic() + max(20.0, fault.delay)
        while time.monotonic() < until and not self.server.replay.stopping.is_set():
            if fault.released.wait(0.05):
                return

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _send(
        self, status: int, body: bytes, kind: str = "application/json", extra: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    # Alyx

    def _get(self, path: str, query: str) -> None:
        replay = self.server.replay
        try:
            self._authorize()
            body = replay.rest.get(path, dict(parse_qsl(query)), replay.url)
        except Answer as answer:
            self._answer(answer)
            return
        self._send(200, replay.rewritten(body))

    def _answer(self, answer: Answer) -> None:
        if isinstance(answer.body, str):
            self._send(answer.status, answer.body.encode(), "text/html; charset=utf-8")
        else:
            self._send(answer.status, json.dumps(answer.body).encode())

    def _authorize(self) -> None:
        header = self.headers.get("Authorization", "")
        if not header.startswith("Token "):
            raise Answer(403, {"detail": "Authentication credentials were not provided."})
        if header.removeprefix("Token ") not in self.server.replay.tokens:
            raise Answer(403, {"detail": "Invalid token."})

    def _post(self, path: str, query: str) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if path != "/auth-token":
            self._send(404, NOT_FOUND_PAGE.encode(), "text/html; charset=utf-8")
            return
        is_json = "json" in self.headers.get("Content-Type", "")
        form = json.loads(raw) if is_json else {k: v[0] for k, v in parse_qs(raw).items()}
        for name in ("username", "password"):
            if name not in form:
                self._answer(Answer(400, {name: ["This field is required."]}))
                return
        if USERS.get(form["username"]) != form["password"]:
            self._answer(Answer(400, {"non_field_errors": ["Unable to log in with provided credentials."]}))
            return
        token = secrets.token_hex(20)
        self.server.replay.tokens.add(token)
        self._send(200, json.dumps({"token": token}).encode())

    def _refuse_writing(self, path: str, query: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(Answer(403, {"detail": "You do not have permission to perform this action."}))

    # data

    def _data(self, path: str, fault: Fault | None) -> None:
        replay = self.server.replay
        if replay.data_auth is not None:
            expected = base64.b64encode(":".join(replay.data_auth).encode()).decode()
            if self.headers.get("Authorization") != f"Basic {expected}":
                self._send(401, b"", "text/plain", {"WWW-Authenticate": 'Basic realm="data"'})
                return
        content = replay.content(path)
        if content is None:
            self._send(404, b"not found", "text/plain")
            return
        kind = fault.kind if fault else ""
        etag = f'"{abs(hash(content)):x}"'
        if kind == "corrupt" and fault:
            at = min(fault.after, len(content) - 1)
            content = content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]
        size = len(content)
        span = self._span(etag, size) if replay.ranges and kind != "ignore_range" else None
        start, end = span or (0, size)
        if start >= size and span:
            self._send(416, b"", "text/plain", {"Content-Range": f"bytes */{size}"})
            return
        if start and kind == "wrong_range":
            start //= 2
        part = content[start:end]
        if kind == "truncate" and fault:
            part = part[: fault.after]
        self.send_response(206 if span else 200)
        self.send_header("Content-Type", "application/octet-stream")
        if span:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        if replay.etags:
            self.send_header("ETag", etag)
        if kind == "no_length":
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(part)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        self._body(path, part, fault)

    def _span(self, etag: str, size: int) -> tuple[int, int] | None:
        """Return start and end of the range that is asked for, None where the whole file is."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None or self.headers.get("If-Range") not in (None, etag):
            return None
        return int(asked[1]), min(int(asked[2]) + 1, size) if asked[2] else size

    def _body(self, path: str, content: bytes, fault: Fault | None) -> None:
        kind, replay = (fault.kind if fault else ""), self.server.replay
        if fault and kind in ("drop", "pause", "stall"):
            self.wfile.write(content[: fault.after])
            self.wfile.flush()
            replay.sent[path] += len(content[: fault.after])
            if kind != "drop":
                self._wait_for_release(fault)
            if kind == "pause":
                self._body(path, content[fault.after :], None)
            else:
                self._hang_up()
        elif fault and kind == "throttle":
            for at in range(0, len(content), fault.after):
                self.wfile.write(content[at : at + fault.after])
                replay.sent[path] += len(content[at : at + fault.after])
                if replay.stopping.wait(fault.delay):
                    return
        else:
            for at in range(0, len(content), _CHUNK):
                replay.sent[path] += len(content[at : at + _CHUNK])  # before whoever reads it can look
                self.wfile.write(content[at : at + _CHUNK])
