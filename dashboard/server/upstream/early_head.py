"""The head of the page goes out before the page is built: the browser reads the scripts while the server works.

It names scripts and style sheets, four megabytes of them, and is the same for every tab. Building the rest takes the
server most of a second, in which the browser had nothing to do.
"""

from __future__ import annotations

import logging
import re
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, WeakSet

from bokeh.server.contexts import ApplicationContext
from bokeh.server.session import ServerSession
from panel.io.server import DocHandler
from panel_material_ui import Button
from tornado.iostream import StreamClosedError

from dashboard.page.core.assets import asset
from dashboard.server.headers import ancestors_of, new_nonce, page_policy
from dashboard.server.upstream import serve_by

logger = logging.getLogger(__name__)

END = "</head>"
LOADER = re.compile(r'<script[^>]*src="[^"]*es-module-shims[^"]*"[^>]*></script>')
"""What Panel has modules loaded by; `assets/server/modules.js` has the browser do it."""

SOON = '<link rel="modulepreload" href="{address}">\n  '
"""Has it fetched beside the scripts that stand before it."""

EAGER = '<script>importShim("{address}")</script>\n  '
"""Loads the script of the Material components at once; the page asks for it when it draws the first of them."""

WIDGETS = "<script>{script}</script>\n  "
"""What Panel's widgets do wrong, before the first of them is made."""

DARK_BODY = "      body { background-color: #121212; color: #fff }\n"
"""In the head of a dark page, and the head has to be that of all pages: `assets/server/theme.html` says it instead."""

SORRY = "</head><body><p>This page could not be built. Reload it; the server's log says why.</p></body></html>\n"


class PageHandler(DocHandler):
    """Panel's handler of the page, which sends the head that the last two pages had before it builds the next.

    The first pages of a process are sent whole: what it imports while it starts may add a script.
    """

    heads: ClassVar[WeakKeyDictionary[ApplicationContext, str]] = WeakKeyDictionary()
    """Of the last page of each application."""

    confirmed: ClassVar[WeakSet[ApplicationContext]] = WeakSet()
    """Applications whose last two pages had the same."""

    _sent = ""
    _nonce = ""

    async def prepare(self) -> None:
        """Say which scripts may run: those that carry the nonce of this answer.

        A page that a browser kept would come back with a session that is gone: it is asked for anew instead.
        """
        await super().prepare()
        self.set_header("Cache-Control", "no-store")
        self._nonce = new_nonce()
        self.set_header("Content-Security-Policy", page_policy(ancestors_of(self), self.request, self._nonce))

    async def get_session(self) -> ServerSession:
        """Send the head, then build the session."""
        head = self.heads.get(self.application_context, "") if self.application_context in self.confirmed else ""
        if head:  # a request that names a session, and may be refused, does not come here
            self.set_header("Content-Type", "text/html; charset=utf-8")
            super().write(self._with_nonce(head))
            self._sent = head
            try:
                await self.flush()
            except StreamClosedError:
                logger.debug("a page was no longer wanted")
        return await super().get_session()

    def write(self, chunk: Any) -> None:
        """Write what the browser does not have yet of a page."""
        before, end, after = chunk.partition(END) if isinstance(chunk, str) else ("", "", "")
        if not end:
            super().write(chunk)
            return
        first, last = asset("server/theme.html"), f"<script>{asset('server/inflate.js')}</script>\n  "
        after = after.replace("</body>", f"<script>{asset('page/browser/refused.js')}</script>\n</body>", 1)
        before, has_components = LOADER.subn(lambda tag: f"<script>{asset('server/modules.js')}</script>", before)
        if has_components:
            address = Button._render_esm(True, server=True)
            first = SOON.format(address=address) + first
            last = EAGER.format(address=address) + WIDGETS.format(script=asset("server/widget_state.js")) + last
        # The theme stands before the scripts, while which are read the browser paints the page's ground.
        head = before.replace(DARK_BODY, "").replace("<head>", f"<head>\n  {first}", 1) + last
        if self._sent and head != self._sent:
            logger.warning("the head of the page has changed; a browser was sent that of the page before")
        context = self.application_context
        (self.confirmed.add if self.heads.get(context) == head else self.confirmed.discard)(context)
        self.heads[context] = head
        super().write(self._with_nonce(("" if self._sent else head) + end + after))

    def _with_nonce(self, page: str) -> str:
        """Return a part of the page whose scripts carry the nonce: in it are Bokeh's own, and no text of others.

        What the page is to show stands in it as JSON in which Bokeh has replaced each ``<``.
        """
        return page.replace("<script", f'<script nonce="{self._nonce}"')

    def send_error(self, status_code: int = 500, **options: Any) -> None:
        """Say that there is no page, where the head of one has gone out."""
        if self._sent and not self._finished:
            self.finish(SORRY)
        else:
            super().send_error(status_code, **options)


def send_head_early() -> None:
    """Have Panel's servers serve pages by `PageHandler`; done once, it stays. Call it before a server is made."""
    serve_by(DocHandler, PageHandler)
