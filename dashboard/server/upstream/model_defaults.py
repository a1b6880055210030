"""Bokeh looks through all ancestors of a model for the default of each property, each time."""

from __future__ import annotations

from functools import cache
from typing import Any

from bokeh.core.has_props import HasProps
from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.core.property.singletons import Undefined

from dashboard.server.upstream import mend

IMMUTABLE = (bool, int, float, str, bytes, type(None), type(Undefined))
"""Types of values that models can share."""


def remember_defaults() -> None:
    """Have defaults of models, which are the same for all of a class, worked out once for each class; it stays.

    Bokeh copies, checks and converts a default whenever it is read: a third of the time that a page takes to be built.
    """
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
    work_out = PropertyDescriptor.instance_default
    values: dict[tuple[PropertyDescriptor[Any], type[HasProps]], Any] = {}

    def instance_default(self: PropertyDescriptor[Any], obj: HasProps) -> Any:
        if self.name in (obj.themed_values() or ()):
            return work_out(self, obj)
        key = (self, type(obj))
        if key in values:
            return values[key]
        value = work_out(self, obj)
        if isinstance(value, IMMUTABLE) and not self.has_unstable_default(obj):
            values[key] = value
        return value

    mend(PropertyDescriptor, "instance_default", instance_default)
