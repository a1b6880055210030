"""Parts that come to the browser when they are first seen."""

from __future__ import annotations

import panel as pn
from bokeh.document import Document
from panel.io import hold

from dashboard.page.core.late import Late, late, make_models


def test_parts_come_when_they_are_first_seen_and_stay() -> None:
    part = pn.pane.HTML("said", visible=False)
    page = pn.Column(late(part))
    document = Document()
    root = page.get_root(document)
    document.add_root(root)
    (column,) = root.children
    assert column.children == [] and not column.visible
    with hold(document):
        part.param.update(object="said aloud", visible=True)
    (model,) = column.children
    assert column.visible and model.visible and "aloud" in model.text
    part.visible = False
    assert column.children == [model] and not column.visible


def test_what_is_visible_comes_at_once_and_all_of_it_is_found_before() -> None:
    seen, unseen = Late(pn.pane.HTML("a")), Late(pn.pane.HTML("b"), visible=False)
    page = pn.Column(seen, unseen)
    root = page.get_root(Document())
    assert [len(column.children) for column in root.children] == [1, 0]
    assert len(page.select(pn.pane.HTML)) == 2  # as a theme that is told to all of them needs


def test_models_that_were_made_before_are_those_that_come() -> None:
    page, part = pn.Column(), pn.Row(pn.pane.HTML("said"))
    document = Document()
    root = page.get_root(document)
    document.add_root(root)
    make_models(part, page)
    (made,) = [model for model, _ in part._models.values()]
    assert made not in root.children
    with hold(document):
        page.append(part)
    assert root.children == [made]
