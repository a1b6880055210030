"""A button that takes a file of the person's own machine, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import panel_material_ui as pmui

from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.texts import bytes_text

PART_BYTES = 256 << 10
"""Of a file in one message: the server closes a websocket whose message is larger than 1 MiB."""

MAX_NAME = 120
"""Characters of a file's name that are kept."""


class FileField(pmui.FileInput):
    """A file that is sent in parts, and given to `take` when the last one is there; nothing of it stays here.

    What a browser sends is bounded here, too: a page may be asked by anything.

    Parameters
    ----------
    label : str
    max_bytes : int
    take : callable (str, bytes) -> None
        Called in the document's turn with the file's name, without its folder, and its content.
    refuse : callable (DashboardError) -> None
        Called where the file is too large or did not come whole.
    **options
        Of `panel_material_ui.FileInput`.
    """

    def __init__(
        self,
        label: str,
        max_bytes: int,
        take: Callable[[str, bytes], None],
        refuse: Callable[[DashboardError], None],
        **options: Any,
    ) -> None:
        settings: dict[str, Any] = {"size": "small", "variant": "outlined", "margin": (4, 4)}
        settings["uploaded_label"] = label  # what is shown of it is said beside the button
        super().__init__(label=label, chunk_size=PART_BYTES, max_file_size=max_bytes, **{**settings, **options})
        self._max_bytes, self._give, self._refuse = max_bytes, take, refuse
        self._begin()

    def _begin(self) -> None:
        self._parts: list[bytes] = []
        self._n_bytes, self._file_name = 0, ""

    def _handle_msg(self, msg: Any) -> None:
        status = msg.get("status") if isinstance(msg, dict) else None
        if status == "initializing":
            self._begin()
        elif status == "upload_event":
            self._add(msg.get("name"), msg.get("data"))
        elif status == "finished":
            parts, n_bytes, name = self._parts, self._n_bytes, self._file_name
            self._begin()
            self._send_msg({"status": "finished"})
            if n_bytes > self._max_bytes:
                self._refuse(self._too_large(name))
            elif not n_bytes:
                self._refuse(BadRequest("The file is empty", name, "Choose another"))
            else:
                self._give(name, b"".join(parts))
        elif status == "error":  # the browser did not send it; it has looked at the size only
            self._begin()
            self._refuse(self._too_large(""))

    def _too_large(self, name: str) -> BadRequest:
        return BadRequest("The file is too large", name, f"{bytes_text(self._max_bytes)} at most")

    def _add(self, name: object, data: object) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            return
        self._file_name = PurePath(str(name).replace("\\", "/")).name[-MAX_NAME:]
        self._n_bytes += len(data)
        if self._n_bytes <= self._max_bytes:
            self._parts.append(bytes(data))
        else:
            self._parts.clear()
