"""The site of the documents under ``/docs``, where `make docs` built it."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from tornado.web import RedirectHandler, RequestHandler, StaticFileHandler

from dashboard.page.browser.help import ABSENT, DOCUMENTS
from dashboard.server.headers import ancestors_of, documents_policy
from dashboard.server.upstream.static_files import CompressedFiles

_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


@lru_cache(64)
def _hashes(path: str, modified_ns: int) -> tuple[str, ...]:
    """Return the hashes of the scripts that stand in a page itself, as policies name them."""
    found = _INLINE.findall(Path(path).read_text(encoding="utf-8"))
    return tuple(base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found)


class DocumentsHandler(CompressedFiles, StaticFileHandler):
    """Sends the files of the site; its pages run their own scripts and no others."""

    def set_extra_headers(self, path: str) -> None:
        """Add the policy of a page."""
        super().set_extra_headers(path)
        file = self.absolute_path
        if file is not None and file.endswith(".html"):
            hashes = _hashes(file, Path(file).stat().st_mtime_ns)
            self.set_header("Content-Security-Policy", documents_policy(ancestors_of(self), hashes))


class AbsentHandler(RequestHandler):
    """Says how to have the site."""

    def get(self, path: str) -> None:
        """Answer with a sentence."""
        self.set_status(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{ABSENT}\n")


def routes(prefix: str) -> list[tuple[Any, ...]]:
    """Return the routes of the site, for a server whose paths begin with `prefix`."""
    to_pages = (r"/docs", RedirectHandler, {"url": f"{prefix}/docs/", "permanent": False})
    if not DOCUMENTS.is_dir():
        return [to_pages, (r"/docs/(.*)", AbsentHandler)]
    return [to_pages, (r"/docs/(.*)", DocumentsHandler, {"path": str(DOCUMENTS), "default_filename": "index.html"})]
