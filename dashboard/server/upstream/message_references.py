"""Each message lists all models of the page, and the references of all, before it is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from bokeh.core.serialization import Ref, Serializer
from bokeh.document.models import DocumentModelManager
from bokeh.model import Model
from bokeh.protocol.messages.patch_doc import patch_doc

from dashboard.server.upstream import mend


class SyncedModels:
    """Which models of a page the browser knows: asked of one at a time, and listed for who goes through them.

    Parameters
    ----------
    models : DocumentModelManager
    """

    def __init__(self, models: DocumentModelManager) -> None:
        self._models = models

    def __contains__(self, model: Model) -> bool:
        return self._models.get_by_id(model.id) is model and model not in self._models._new_models

    def __iter__(self) -> Iterator[Model]:
        return (model for model in self._models if model not in self._models._new_models)


class LazyReferences(Serializer):
    """A serializer that makes the reference of a model when it meets the model, not of all of them before.

    Parameters
    ----------
    references : set of Model, SyncedModels, or None
        Those that the browser knows.
    """

    def __init__(self, *, references: set[Model] | SyncedModels | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._known = set[Model]() if references is None else references

    def _knows(self, obj: Any) -> bool:
        return isinstance(obj, Model) and obj in self._known

    def has_ref(self, obj: Any) -> bool:
        """Whether the browser knows a model, or will with this message."""
        return super().has_ref(obj) or self._knows(obj)

    def get_ref(self, obj: Any) -> Ref | None:
        """Return how a model is called in the message; None where it has to be told about."""
        found = super().get_ref(obj)
        return obj.ref if found is None and self._knows(obj) else found


def refer_late() -> None:
    """Have messages written by `LazyReferences`; done once, it stays."""
    mend(DocumentModelManager, "synced_references", property(SyncedModels))
    # The package has a class of the module's name.
    mend(sys.modules[patch_doc.__module__], "Serializer", LazyReferences)
