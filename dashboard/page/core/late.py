"""Parts of the page that the browser is given when they are first seen."""

from __future__ import annotations

from typing import Any

import panel as pn


class Late(pn.Column):
    """A column that comes to the browser without its parts, until it is visible for the first time.

    Each Material component takes the browser some 30 ms, seen or not.
    """

    _was_seen = False

    def __init__(self, *parts: Any, **params: Any) -> None:
        super().__init__(*parts, **{"margin": 0, "sizing_mode": "stretch_width", **params})
        self.param.watch(self._see, "visible")

    def _see(self, event: Any) -> None:
        if event.new and not self._was_seen:
            self.param.trigger("objects")

    def _get_objects(self, model: Any, old_objects: Any, doc: Any, root: Any, comm: Any = None) -> Any:
        self._was_seen |= self.visible
        return super()._get_objects(model, old_objects, doc, root, comm) if self._was_seen else ([], [])


def late(part: Any, **params: Any) -> Late:
    """Return a part in a column of its own, which is visible when it is."""
    column = Late(part, visible=part.visible, **{"sizing_mode": part.sizing_mode, **params})
    part.param.watch(lambda event: column.param.update(visible=event.new), "visible")
    return column


def make_models(part: Any, parent: Any) -> None:
    """Make the models of a part that is going to be in `parent`: most of what bringing it to the page takes."""
    for ref, (model, _) in parent._models.items():
        _, root, document, comm = pn.state._views[ref]
        part._get_model(document, root, model, comm)
