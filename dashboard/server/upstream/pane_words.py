"""New words of an HTML pane make Panel work out all of its properties again."""

from __future__ import annotations

import panel as pn
from bokeh.model import Model
from panel.pane.markup import HTMLBasePane

from dashboard.server.upstream import mend


def write_words_only() -> None:
    """Have the text of a pane change alone; done once, it stays."""
    original = HTMLBasePane._update

    def update(self: HTMLBasePane, ref: str, model: Model) -> None:
        if type(self) is pn.pane.HTML and not self.enable_streaming:
            model.text = self._transform_object(self.object)["object"]
        else:
            original(self, ref, model)

    mend(HTMLBasePane, "_update", update)
