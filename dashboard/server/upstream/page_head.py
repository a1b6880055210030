"""Panel asks the disk for each script and style sheet of a page's head, for each page anew: 40 ms of the loop."""

from __future__ import annotations

from copy import deepcopy
from functools import wraps
from typing import Any

from panel.io import server
from panel.io.state import state
from panel_material_ui.template.base import Page

from dashboard.server.upstream import mend


def remember_heads() -> None:
    """Have what the head of all pages holds looked for once for each way that leads to them; done once, it stays."""
    bundle, resolve = server.bundle_resources, Page.resolve_resources
    bundles: dict[Any, Any] = {}
    found: dict[Any, Any] = {}

    @wraps(bundle)
    def bundle_once(roots: Any, resources: Any, *args: Any, **named: Any) -> Any:
        way = (resources.mode, resources.root_url, getattr(resources, "absolute", None), state.rel_path)
        key = (way, args, tuple(named.items()))
        if key not in bundles:
            bundles[key] = bundle(roots, resources, *args, **named)
        return deepcopy(bundles[key])

    @wraps(resolve)
    def resolve_once(self: Page, cdn: Any = "auto", extras: Any = None) -> Any:
        if extras:
            return resolve(self, cdn, extras)
        key = (type(self), cdn, state.rel_path, type(self._design), type(self._design.theme))
        if key not in found:
            found[key] = resolve(self, cdn)
        return deepcopy(found[key])

    mend(server, "bundle_resources", bundle_once)
    mend(Page, "resolve_resources", resolve_once)
