"""What a page costs the server: Panel's and Bokeh's objects, with what no page here uses left out of them.

A tab is some four hundred of Bokeh's models and a hundred of Panel's objects, and a lab has many tabs open. Each pane
of Panel comes with a row that it never stands in, which watches all that the pane watches; each list and dict of a
Bokeh model with a set of its owners, of which there is one; each message lists every model of the page before it is
written; and for each of some ten thousand properties Bokeh looks through all ancestors of the model for its default.
"""

from __future__ import annotations

import ctypes
import logging
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import panel as pn
from bokeh.core.has_props import HasProps
from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.core.property.wrappers import PropertyValueContainer
from bokeh.core.serialization import Ref, Serializer
from bokeh.model import Model
from bokeh.protocol.messages.patch_doc import patch_doc
from bokeh.settings import settings as bokeh_settings
from panel.pane.base import PaneBase
from panel.pane.markup import HTMLBasePane
from panel.reactive import Syncable

from dashboard.server.upstream import mend

logger = logging.getLogger(__name__)

GATHER_MS = 8
"""So long changes of one widget are gathered before they count; Panel waits 50 ms, half of a filter's time."""

ARENAS = 2
"""Heaps that the C library may have: each thread would get one of its own, and what is freed in one serves no other."""

M_ARENA_MAX = -8
"""The number of that setting in glibc's malloc.h."""

LEAN_PANES = (pn.pane.HTML, pn.pane.Bokeh)
"""Panes that pages are made of; their object stays of its kind, so that nothing asks for a row of their own."""


class EmptyRow:
    """In place of the row of a pane that stands in none."""

    _models: dict[str, Any] = {}  # noqa: RUF012 - Panel looks its models up, and finds none


EMPTY_ROW = EmptyRow()


class LazyReferences(Serializer):
    """A serializer that makes the reference of a model when it meets the model, not of all of them before.

    Parameters
    ----------
    references : set of Model, or None
        Those that the browser knows.
    """

    def __init__(self, *, references: set[Model] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._known = references or set()

    def _knows(self, obj: Any) -> bool:
        return isinstance(obj, Model) and obj in self._known

    def has_ref(self, obj: Any) -> bool:
        """Whether the browser knows a model, or will with this message."""
        return super().has_ref(obj) or self._knows(obj)

    def get_ref(self, obj: Any) -> Ref | None:
        """Return how a model is called in the message; None where it has to be told about."""
        found = super().get_ref(obj)
        return obj.ref if found is None and self._knows(obj) else found


def reduce_session_cost() -> None:
    """Leave out of Panel and Bokeh what costs each session; done once, it stays."""
    if getattr(PaneBase, "_is_lean", False):
        return
    PaneBase._is_lean = True
    mend(Syncable, "_debounce", GATHER_MS)
    share_heaps()
    _spare_rows()
    _write_words_only()
    _count_owners()
    _remember_defaults()
    # Checks for who writes a page: that callbacks take the arguments they get, that plots are whole, how a name that
    # does not exist might have been meant. They take a tenth of the time in which a page is built.
    bokeh_settings.perform_error_diagnostics = False
    bokeh_settings.perform_document_validation = False
    # The package has a class of the module's name.
    mend(sys.modules[patch_doc.__module__], "Serializer", LazyReferences)


def _spare_rows() -> None:
    original = PaneBase.__init__

    def make(self: PaneBase, object: Any = None, **params: Any) -> None:
        if type(self) not in LEAN_PANES:
            original(self, object, **params)
            return
        self._object_changing = False
        super(PaneBase, self).__init__(object=object, **params)
        if not hasattr(self, "_internal_callbacks"):
            self._internal_callbacks = []
        self.layout = EMPTY_ROW

    mend(PaneBase, "__init__", make)


def _write_words_only() -> None:
    """Have the text of a pane change alone: Panel works out every one of its properties again."""
    original = HTMLBasePane._update

    def update(self: HTMLBasePane, ref: str, model: Model) -> None:
        if type(self) is pn.pane.HTML and not self.enable_streaming:
            model.text = self._transform_object(self.object)["object"]
        else:
            original(self, ref, model)

    mend(HTMLBasePane, "_update", update)


def _count_owners() -> None:
    """Have lists and dicts of models keep their owners in a tuple, a quarter of a set's size."""

    def make(self: PropertyValueContainer, *args: Any, **options: Any) -> None:
        self._owners = ()
        super(PropertyValueContainer, self).__init__(*args, **options)

    def register(self: PropertyValueContainer, owner: Any, descriptor: PropertyDescriptor[Any]) -> None:
        if (owner, descriptor) not in self._owners:
            self._owners += ((owner, descriptor),)

    def unregister(self: PropertyValueContainer, owner: Any, descriptor: PropertyDescriptor[Any]) -> None:
        self._owners = tuple(pair for pair in self._owners if pair != (owner, descriptor))

    mend(PropertyValueContainer, "__init__", make)
    mend(PropertyValueContainer, "_register_owner", register)
    mend(PropertyValueContainer, "_unregister_owner", unregister)


def _remember_defaults() -> None:
    """Have defaults of models, which are the same for all of a class, worked out once for each class."""
    of_class = cache(HasProps.__dict__["_overridden_defaults"].__func__)

    def overridden(cls: Any) -> dict[str, Any]:
        found: dict[str, Any] = of_class(cls)
        return found

    mend(HasProps, "_overridden_defaults", classmethod(overridden))
    is_unstable = PropertyDescriptor.has_unstable_default
    known: dict[tuple[PropertyDescriptor[Any], type[HasProps]], bool] = {}

    def has_unstable_default(self: PropertyDescriptor[Any], obj: HasProps) -> bool:
        key = (self, type(obj))
        found = known.get(key)
        if found is None:
            found = known[key] = is_unstable(self, obj)
        return found

    mend(PropertyDescriptor, "has_unstable_default", has_unstable_default)


def share_heaps() -> None:
    """Have all threads take memory from a few heaps; does nothing where the C library has no such setting."""
    try:
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
    except (OSError, AttributeError):
        logger.debug("the C library cannot share heaps")


def return_memory() -> None:
    """Give back to the system what was freed; does nothing where the C library has no way to."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        logger.debug("the C library cannot return memory")


def anonymous_bytes() -> int:
    """Return the memory of this process that no file backs, so that the system cannot take it back; 0 where unknown."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found is not None else 0
