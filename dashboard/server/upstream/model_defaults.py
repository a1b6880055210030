"""Bokeh looks through all ancestors of a model for the default of each property, each time."""

from __future__ import annotations

from functools import cache
from typing import Any

from bokeh.core.has_props import HasProps
from bokeh.core.property.descriptors import PropertyDescriptor

from dashboard.server.upstream import mend


def remember_defaults() -> None:
    """Have defaults of models, which are the same for all of a class, worked out once for each class; it stays."""
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
