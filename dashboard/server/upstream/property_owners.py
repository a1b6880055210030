"""Each list and dict of a Bokeh model has a set of its owners, of which there is one."""

from __future__ import annotations

from typing import Any

from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.core.property.wrappers import PropertyValueContainer

from dashboard.server.upstream import mend


def count_owners() -> None:
    """Have lists and dicts of models keep their owners in a tuple, a quarter of a set's size; done once, it stays."""

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
