"""Pages are built, and written for the browser, in slices: Bokeh does each in one go, while the loop serves nobody."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from bokeh.core.serialization import ObjectRefRep, Serializer
from bokeh.document import Document
from bokeh.model import Model, util
from bokeh.server.connection import ServerConnection
from bokeh.server.session import ServerSession, _needs_document_lock
from panel.io import server
from panel.viewable import Viewable

from dashboard.page.core.slices import BUSY_REST, busy_of, give_way, in_slices, never
from dashboard.server.upstream import mend

Result = TypeVar("Result")


async def awaited_in_slices(
    made: Coroutine[Any, Any, Result], is_busy: Callable[[], bool] = never, busy_rest: float = BUSY_REST
) -> Result:
    """Return what a coroutine of Bokeh's returns, which waits for nothing, and takes long; see `in_slices`."""

    def run() -> Result:
        while True:
            try:
                waits = made.send(None)
            except StopIteration as end:
                return end.value
            if waits is not None:
                raise RuntimeError("Bokeh waits for something while it builds a page")

    return await in_slices(run, is_busy, busy_rest)


def build_in_slices() -> None:
    """Have what is built in a slice give way after each object, and pages written so; done once, it stays."""
    if getattr(Model.__init__, "_gives_way", False):
        return
    for kind in (Model, Viewable):
        _give_way_after_each(kind)
    _look_through_in_slices()
    _write_in_slices()


def _look_through_in_slices() -> None:
    original = util.visit_immediate_value_references

    @wraps(original)
    def visit(value: Any, visitor: Callable[[Model], None]) -> None:
        give_way()
        original(value, visitor)

    attach_one = Model._attach_document
    style_all = server.patch_model_css

    @wraps(attach_one)
    def attach(self: Model, document: Document) -> None:
        give_way()
        attach_one(self, document)

    class Known:
        """Stands in for the root of a page that is sent: all of its models are known, and need not be looked for."""

        def __init__(self, root: Model) -> None:
            self.document = root.document

        def select(self, selector: dict[str, Any]) -> list[Model]:
            return [model for model in self.document.models if isinstance(model, selector["type"])]

    mend(util, "visit_immediate_value_references", visit)
    mend(Model, "_attach_document", attach)
    mend(server, "patch_model_css", lambda root, dist_url: style_all(Known(root), dist_url))


def _give_way_after_each(kind: Any) -> None:
    original = kind.__init__

    @wraps(original)
    def make(self: Any, *args: Any, **named: Any) -> None:
        original(self, *args, **named)
        give_way()

    vars(make)["_gives_way"] = True
    kind.__init__ = make


def _write_in_slices() -> None:
    original = Model.to_serializable

    @wraps(original)
    def to_serializable(self: Model, serializer: Serializer) -> ObjectRefRep:
        give_way()
        return original(self, serializer)

    @_needs_document_lock
    async def pull(self: ServerSession, message: Any, connection: ServerConnection) -> Any:
        return await in_slices(
            lambda: connection.protocol.create("PULL-DOC-REPLY", message.header["msgid"], self.document),
            busy_of(self.document),
        )

    mend(Model, "to_serializable", to_serializable)
    mend(ServerSession, "_handle_pull", pull)
