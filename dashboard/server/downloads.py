"""Files made for one browser session, and the route that hands them out: behind the login, to who asked for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler

from dashboard.page.export.downloads import Downloads
from dashboard.server.headers import ancestors_of, policy

logger = logging.getLogger(__name__)

ROUTE = r"/download/([A-Za-z0-9_-]{43})/[^/]+"
BLOCK_BYTES = 1 << 20

MEDIA = {
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".csv": "text/csv; charset=utf-8",
}


class DownloadHandler(RequestHandler):
    """Streams a file in blocks."""

    def initialize(
        self,
        downloads: Downloads,
        user_of: Callable[[HTTPServerRequest], str | None],
        owner_of: Callable[[HTTPServerRequest], str],
        spend_bytes: Callable[[str, float], None],
    ) -> None:
        """Take the files, who asks, in whose share that is counted, and where."""
        self._downloads, self._user_of, self._owner_of = downloads, user_of, owner_of
        self._spend_bytes = spend_bytes

    async def get(self, token: str) -> None:
        """Send the file, or say that it is gone."""
        offer = self._downloads.find(token, self._user_of(self.request))
        if offer is None:
            raise HTTPError(404, reason="This file is gone; export it again")
        owner = self._owner_of(self.request)
        if not self._downloads.may_send(owner):
            raise HTTPError(429, reason="You fetch as many files as one person may; try again when one has arrived")
        self.set_header("Content-Type", MEDIA.get(offer.path.suffix, "application/octet-stream"))
        self.set_header("Content-Length", str(offer.path.stat().st_size))
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(offer.name)}")
        self.set_header("Content-Security-Policy", f"{policy(ancestors_of(self))}; sandbox")
        self.set_header("Cache-Control", "private, no-store")
        loop = asyncio.get_running_loop()
        with offer.path.open("rb") as file, self._downloads.sending(owner):
            while block := await loop.run_in_executor(None, file.read, BLOCK_BYTES):
                self.write(block)
                self._spend_bytes(owner, len(block))
                try:
                    await self.flush()
                except StreamClosedError:
                    return

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer in one line."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._reason}\n")
