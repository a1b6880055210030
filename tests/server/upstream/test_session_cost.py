"""What is left out of Panel's and Bokeh's objects, and that nothing else of them changes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import panel as pn
import pytest
from bokeh.core.has_props import HasProps
from bokeh.core.property.bases import Property
from bokeh.core.property.descriptors import PropertyDescriptor
from bokeh.core.property.wrappers import PropertyValueContainer
from bokeh.core.serialization import Serializer
from bokeh.document import Document
from bokeh.document.events import ColumnDataChangedEvent, ModelChangedEvent
from bokeh.document.models import DocumentModelManager
from bokeh.model import Model
from bokeh.models import ColumnDataSource, Div, Row
from bokeh.plotting import figure
from bokeh.protocol import Protocol
from bokeh.protocol.messages.patch_doc import patch_doc
from bokeh.settings import settings as bokeh_settings
from panel.io import server as panel_server
from panel.pane.base import PaneBase
from panel.pane.markup import HTMLBasePane
from panel.reactive import Reactive, Syncable
from panel.theme.base import Design
from panel_material_ui.template.base import Page

from dashboard.server.upstream import memory, mend, serve_by, session_cost
from dashboard.server.upstream.memory import return_memory, share_heaps
from dashboard.server.upstream.message_references import LazyReferences
from dashboard.server.upstream.pane_rows import EMPTY_ROW
from dashboard.server.upstream.session_cost import reduce_session_cost

CHANGED: tuple[tuple[Any, str], ...] = (
    (PaneBase, "_is_lean"),
    (PaneBase, "__init__"),
    (HTMLBasePane, "_update"),
    (Syncable, "_debounce"),
    (PropertyValueContainer, "__init__"),
    (PropertyValueContainer, "_register_owner"),
    (PropertyValueContainer, "_unregister_owner"),
    (HasProps, "_overridden_defaults"),
    (PropertyDescriptor, "has_unstable_default"),
    (PropertyDescriptor, "instance_default"),
    (panel_server, "bundle_resources"),
    (Page, "resolve_resources"),
    (sys.modules[patch_doc.__module__], "Serializer"),
    (DocumentModelManager, "synced_references"),
    (Reactive, "_update_properties"),
)
"""What `reduce_session_cost` changes of Panel and Bokeh, beside Bokeh's settings."""
SETTINGS = ("perform_error_diagnostics", "perform_document_validation")


def state_of_the_libraries() -> list[object]:
    """Return all that the changed classes hold, not only what is known to change."""
    return [dict(vars(owner)) for owner, _ in CHANGED] + [getattr(bokeh_settings, name)() for name in SETTINGS]


@contextmanager
def reduced() -> Iterator[None]:
    """Reduce the cost of sessions for a while; Panel and Bokeh are as before for the other tests of the worker."""
    before = {(owner, name): vars(owner)[name] for owner, name in CHANGED if name in vars(owner)}
    settings = {name: getattr(bokeh_settings, name)() for name in SETTINGS}
    try:
        reduce_session_cost()
        yield
    finally:
        for owner, name in CHANGED:
            if (owner, name) in before:
                setattr(owner, name, before[owner, name])
            elif name in vars(owner):
                delattr(owner, name)
        for name, value in settings.items():
            setattr(bokeh_settings, name, value)


def test_other_tests_of_the_worker_see_panel_and_bokeh_as_they_were() -> None:
    program = (
        "from tests.server.upstream.test_session_cost import reduced, state_of_the_libraries as state\n"
        "before = state()\n"
        "with reduced():\n"
        "    print(*(now != then for now, then in zip(state(), before)))\n"
        "print(*(now == then for now, then in zip(state(), before)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 2 * (len(CHANGED) + len(SETTINGS))


class Asked:
    """Counts the calls of a method of a class, or of a function of a module, while something runs."""

    def __init__(self, owner: Any, name: str) -> None:
        self._owner, self._name = owner, name

    def by(self, work: Callable[[], object]) -> int:
        original, n = vars(self._owner)[self._name], 0

        def counted(*args: Any, **named: Any) -> Any:
            nonlocal n
            n += 1
            return original(*args, **named)

        setattr(self._owner, self._name, counted)
        try:
            work()
        finally:
            setattr(self._owner, self._name, original)
        return n


def _new_words() -> int:
    words, document = pn.pane.HTML("old"), Document()
    document.add_root(words.get_root(document))
    return Asked(Syncable, "_process_param_change").by(lambda: words.param.update(object="new"))


def _references_of_a_message() -> bool:
    document, source = Document(), ColumnDataSource()
    for root in (source, *(Div() for _ in range(20))):
        document.add_root(root)
    document.models.flush_synced(lambda model: False)
    event = ModelChangedEvent(document, source, "tags", ["new"])
    asked: list[object] = []
    original = Model.ref
    try:
        Model.ref = property(lambda self: asked.append(self) or original.fget(self))  # type: ignore[assignment]
        Protocol().create("PATCH-DOC", [event])
    finally:
        Model.ref = original  # type: ignore[method-assign]
    return len(asked) > 10


def _change_of_a_widget() -> int:
    slider, document = pn.widgets.IntSlider(), Document()
    document.add_root(slider.get_root(document))
    return Asked(Design, "params").by(lambda: slider.param.update(value=1))


def _models_of_a_message() -> bool:
    document = Document()
    for _ in range(20):
        document.add_root(Div())
    document.models.flush_synced(lambda model: False)
    return isinstance(document.models.synced_references, set)


def _head() -> object:
    resources = panel_server.Resources(mode="server", root_url="/", minified=True)
    return panel_server.bundle_resources([], resources), Page().resolve_resources()


FAULTS: dict[str, Callable[[], bool]] = {
    "a change waits for others": lambda: Syncable._debounce > session_cost.GATHER_MS,
    "a pane has a row of its own": lambda: isinstance(pn.pane.HTML("").layout, pn.Row),
    "new words work out all properties": lambda: _new_words() > 0,
    "a list has a set of owners": lambda: isinstance(Row(children=[]).children._owners, set),
    "defaults are sought each time": lambda: (
        Div().styles, Asked(Property, "_may_have_unstable_default").by(lambda: Div().styles)
    )[1] > 0,
    "defaults are checked each time": lambda: (
        box := Div(), box.width, Asked(Property, "prepare_value").by(lambda: box.width)
    )[2] > 0,
    "what the head of a page holds is sought each time": lambda: (
        _head(), Asked(panel_server.Resources, "clone").by(_head) + Asked(Page, "_add_resources").by(_head)
    )[1] > 0,
    "a message lists all references": _references_of_a_message,
    "a message lists all models": _models_of_a_message,
    "a change asks for the theme's style sheets": lambda: _change_of_a_widget() > 0,
    "mistakes are looked for": lambda: bokeh_settings.perform_document_validation(),
}  # fmt: skip
"""What tells whether the libraries have a fault; where one is not found, what mends it can go."""


def test_each_fault_is_there_and_is_mended() -> None:
    """In a process of its own, whose libraries are as they are at first."""
    program = (
        "from tests.server.upstream.test_session_cost import FAULTS, reduced\n"
        "print([name for name, is_there in FAULTS.items() if not is_there()])\n"
        "with reduced():\n"
        "    print([name for name, is_there in FAULTS.items() if is_there()])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"], "not needed any longer; not mended"


def test_a_library_without_what_is_mended_is_refused() -> None:
    class Library:
        """Has what it has."""

        def there(self) -> None: ...

    mend(Library, "there", None)
    assert Library.there is None
    with pytest.raises(TypeError, match="Library has no gone to mend"):
        mend(Library, "gone", None)
    with pytest.raises(TypeError, match="Nothing is served by Library"):
        serve_by(Library, Library)


@pytest.fixture(autouse=True)
def mended() -> Iterator[None]:
    with reduced():
        yield


def test_it_is_done_once() -> None:
    before = (PaneBase.__init__, HTMLBasePane._update, PropertyValueContainer.__init__)
    reduce_session_cost()
    assert before == (PaneBase.__init__, HTMLBasePane._update, PropertyValueContainer.__init__)
    assert patch_doc.create.__func__.__globals__["Serializer"] is LazyReferences


def test_a_change_of_a_widget_waits_no_longer_than_it_takes_to_gather() -> None:
    waited: list[int] = []

    class Documented:
        session_context = object()

        def add_timeout_callback(self, callback: Any, wait_ms: int) -> None:
            waited.append(wait_ms)

    pn.widgets.IntSlider()._server_change(Documented(), "", None, "value", 0, 1)  # type: ignore[arg-type]
    assert waited == [session_cost.GATHER_MS]


def test_a_pane_has_no_row_and_still_draws() -> None:
    words, plot = pn.pane.HTML("<b>a & b</b>", width=120, margin=3), pn.pane.Bokeh(figure(name="plot"))
    assert words.layout is EMPTY_ROW and plot.layout is EMPTY_ROW
    root = pn.Column(words, plot).get_root(Document())
    assert [type(model).__name__ for model in root.children] == ["HTML", "figure"]
    assert root.children[0].width == 120
    # Other panes keep theirs: they may be given another kind of object, and stand in the row.
    assert type(pn.pane.Str("x").layout) is pn.Row


def test_new_words_change_the_text_alone() -> None:
    words = pn.pane.HTML("<b>old</b>", styles={"color": "red"})
    document = Document()
    model = words.get_root(document)
    document.add_root(model)
    changes: list[Any] = []
    document.on_change(changes.append)
    words.object = "<i>5 < 6</i>"
    assert [change.attr for change in changes if isinstance(change, ModelChangedEvent)] == ["text"]
    assert "5" in model.text and model.text == words._transform_object(words.object)["object"]
    words.visible = False
    assert model.visible is False


def test_a_change_of_a_widget_is_the_same_as_panels_and_new_style_sheets_keep_those_of_the_design(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = Reactive._update_properties
    theirs = ours.__wrapped__  # type: ignore[attr-defined]
    for widget, change in (
        (pn.widgets.IntSlider(), {"value": 1}),
        (pn.widgets.Select(options=["a", "b"]), {"options": ["a", "b", "c"], "disabled": True}),
        (pn.widgets.TextInput(), {"stylesheets": [":host { color: red }"], "styles": {"color": "red"}}),
    ):
        heard: list[Any] = []
        document = Document()
        document.add_root(widget.get_root(document))
        watcher = widget.param.watch(lambda *events, heard=heard: heard.extend(events), list(change))
        widget.param.update(**change)
        widget.param.unwatch(watcher)
        assert len(heard) == len(change)
        found = (str(update(widget, *heard, doc=document)) for update in (ours, theirs))
        texts = [re.sub(r"id='p\d+'", "", text) for text in found]
        assert texts[0] == texts[1]


def test_what_a_page_has_is_known_one_model_at_a_time_or_all() -> None:
    document, known, new = Document(), Div(), Div()
    document.add_root(known)
    document.models.flush_synced(lambda model: False)
    document.add_root(new)
    synced: Any = document.models.synced_references
    assert known in synced and new not in synced and Div() not in synced
    assert list(synced) == [known]


def test_a_list_of_a_model_tells_its_owner_of_changes_and_no_other() -> None:
    first, second = Row(children=[Div(text="a")]), Row()
    heard: list[str] = []
    first.on_change("children", lambda attr, old, new: heard.append(f"first {len(old)} -> {len(new)}"))
    second.on_change("children", lambda attr, old, new: heard.append(f"second {len(old)} -> {len(new)}"))
    assert isinstance(first.children._owners, tuple)
    first.children.append(Div(text="b"))
    second.children = first.children
    second.children.append(Div(text="c"))
    assert heard[0] == "first 1 -> 2"
    assert heard[1:] == ["second 0 -> 2", "first 2 -> 3", "second 2 -> 3"]
    before = second.children
    second.children = []
    heard.clear()
    before.append(Div(text="d"))
    assert heard == ["first 3 -> 4"]


def test_defaults_are_worked_out_once_and_are_still_each_models_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert figure().title.text_font_size == "13px"  # what a class says of its ancestor's property
    assert (Row().children, Row().margin, Div().width) == ([], None, None)
    first, second = ColumnDataSource(), ColumnDataSource()
    first.data["x"] = [1]
    first.tags.append("mine")
    assert second.data == {} and second.tags == []
    asked: list[type] = []
    monkeypatch.setattr(Property, "_may_have_unstable_default", lambda self: asked.append(type(self)))
    assert Div().styles == {}
    assert not asked, "every property was asked again"


def _message(document: Document, events: list[Any]) -> tuple[dict[str, Any], int]:
    message = Protocol().create("PATCH-DOC", events)
    return json.loads(message.content_json), len(message.buffers)


def test_a_message_is_the_same_as_bokehs(monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document()
    source, known, new = ColumnDataSource(), Div(text="a"), Div(text="b")
    row = Row(children=[known, new])
    for root in (source, row):
        document.add_root(root)
    pixels = {"image": [np.ones((2, 3), np.uint8)]}
    contents = []
    for serializer in (Serializer, LazyReferences):
        monkeypatch.setitem(patch_doc.create.__func__.__globals__, "Serializer", serializer)
        document.models._new_models = {new}
        events = [
            ModelChangedEvent(document, row, "children", row.children),
            ColumnDataChangedEvent(document, source, "data", pixels),
        ]
        contents.append(_message(document, events))
        assert not document.models._new_models, "the browser knows all of them now"
    theirs, ours = contents
    assert _without_buffers(ours[0]) == _without_buffers(theirs[0]) and ours[1] == theirs[1]
    first, second = ours[0]["events"][0]["new"]
    assert first == known.ref and second["attributes"]["text"] == "b"


def _without_buffers(value: Any) -> Any:
    """Return a message without the numbers of its buffers, which are made anew for each."""
    if isinstance(value, dict):
        is_array = value.get("type") == "ndarray"
        return {key: _without_buffers(item) for key, item in value.items() if not (is_array and key == "array")}
    return [_without_buffers(item) for item in value] if isinstance(value, list) else value


def test_memory_is_given_back_or_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    return_memory()
    share_heaps()

    def refuse(name: object) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(memory.ctypes, "CDLL", refuse)
    return_memory()
    share_heaps()
