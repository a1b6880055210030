"""Scripts and style sheets leave compressed, and stay with the browser for as long as their address is the same.

Bokeh sends them as they lie on disk: 5 MB for a first page, which a line of 20 Mbit/s carries for two seconds. They are
compressed once in a process, at gzip's best level, and kept.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from pathlib import Path

from bokeh.resources import Resources
from bokeh.server.tornado import BokehTornado
from bokeh.server.views.multi_root_static_handler import MultiRootStaticHandler
from bokeh.server.views.static_handler import StaticHandler
from panel_material_ui.base import FONT_CSS
from tornado.web import StaticFileHandler

COMPRESSED = (".js", ".css", ".svg", ".json", ".map", ".html", ".txt")
"""Ends of names of what gains by it: fonts and pictures are compressed already."""

MIN_BYTES = 1_024
"""A shorter file fits into the first packet as it is."""

MAX_KEPT = 128
"""Files of which the compressed form is kept; a page has about forty."""

YEAR = "max-age=31536000, immutable"
GZIP = 16 + zlib.MAX_WBITS
_ACCEPTS = re.compile(r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?=,|$)")
_NAMES_CONTENT = re.compile(r"@\^?\d|-[A-Z0-9]{8}\.\w+$")
"""A version or a digest in a file's own name: other content will have another."""

UNUSED = "bokeh-gl"
"""Bokeh's script for WebGL, 190 kB, which no figure of the page asks for."""


@lru_cache(MAX_KEPT)
def compressed(path: str, modified_ns: int, size: int) -> bytes | None:
    """Return a file in gzip's format; None where that is hardly shorter.

    Parameters
    ----------
    path : str
    modified_ns, size : int
        Of the file as it is now: another content is compressed anew.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    content = Path(path).read_bytes()
    packer = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, GZIP)
    packed = packer.compress(content) + packer.flush()
    return packed if len(packed) < 0.9 * size else None


class CompressedFiles(StaticFileHandler):
    """What the handlers of files have in common here; stands before Bokeh's own among their bases."""

    _packed: bytes | None = None

    def set_extra_headers(self, path: str) -> None:
        """Say how long a browser may keep a file, and in what form it comes."""
        super().set_extra_headers(path)
        is_named = bool(self.request.query) or _NAMES_CONTENT.search(path) is not None
        self.set_header("Cache-Control", YEAR if is_named else "no-cache")
        self.clear_header("Expires")
        if (self.absolute_path or path).endswith(COMPRESSED):  # of a folder the path does not name the file
            self.set_header("Vary", "Accept-Encoding")
            if self._packed is not None:
                self.set_header("Content-Encoding", "gzip")

    def compute_etag(self) -> str | None:
        """Return the tag of the form in which the file is sent; called before anything else is said of it."""
        self._packed = self._pack()
        tag = super().compute_etag()
        return tag if tag is None or self._packed is None else f'{tag[:-1]}-gzip"'

    def _pack(self) -> bytes | None:
        path = self.absolute_path
        if path is None or not path.endswith(COMPRESSED) or "Range" in self.request.headers:
            return None
        if not _ACCEPTS.search(self.request.headers.get("Accept-Encoding", "")):
            return None
        stat = Path(path).stat()
        return compressed(path, stat.st_mtime_ns, stat.st_size) if stat.st_size >= MIN_BYTES else None

    def get_content_size(self) -> int:
        """Return the bytes that are sent, which are what Tornado then asks for."""
        if self._packed is None:
            return super().get_content_size()
        packed = self._packed
        vars(self)["get_content"] = lambda path, start=None, end=None: packed
        return len(packed)


class CompressedStaticHandler(CompressedFiles, StaticHandler):
    """Bokeh's own files."""


class CompressedExtensionHandler(CompressedFiles, MultiRootStaticHandler):
    """Files of Panel and of its components."""


def compress_files(application: BokehTornado) -> None:
    """Have a server send files compressed; call it before gates are put in front of its routes."""
    ours = {StaticHandler: CompressedStaticHandler, MultiRootStaticHandler: CompressedExtensionHandler}
    found = [rule for rule in application.wildcard_router.rules if rule.target in ours]
    if {rule.target for rule in found} != set(ours):
        raise TypeError("Bokeh has other handlers of files")
    for rule in found:
        rule.target = ours[rule.target]
    if UNUSED in Resources._default_components:
        Resources._default_components.remove(UNUSED)
    FONT_CSS.clear()  # its letters say for no alphabet that they are theirs: a browser fetches all 16 files, 230 kB
