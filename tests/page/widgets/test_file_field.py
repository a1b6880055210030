"""A file that a browser sends: whole, within bounds, whatever else is sent."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.model.errors import DashboardError
from dashboard.page.widgets.file_field import PART_BYTES, FileField
from dashboard.server.upstream.shares import MAX_MESSAGE_BYTES
from tests.page.driving import send_file


@pytest.fixture
def taken() -> list[Any]:
    return []


@pytest.fixture
def field(taken: list[Any]) -> FileField:
    return FileField("File", 5_000, lambda *file: taken.append(file), taken.append)


def test_parts_are_one_file_by_its_name_without_folders(field: FileField, taken: list[Any]) -> None:
    content = bytes(range(256)) * 15
    send_file(field, r"C:\data\x/events.csv", content)
    send_file(field, "b.npy", b"1")
    assert taken == [("events.csv", content), ("b.npy", b"1")]


def test_a_part_fits_a_message_of_the_server() -> None:
    assert PART_BYTES * 4 / 3 < MAX_MESSAGE_BYTES / 2


def test_what_is_too_large_or_empty_is_one_line_and_is_not_held(field: FileField, taken: list[Any]) -> None:
    send_file(field, "big.csv", b"x" * 5_001)
    assert not field._parts
    send_file(field, "none.csv", b"")
    field._handle_msg({"status": "error", "error": "File exceeds the size"})  # the browser has looked itself
    assert [str(error) for error in taken] == [
        "The file is too large: big.csv. 5 kB at most",
        "The file is empty. Choose another",
        "The file is too large. 5 kB at most",
    ]
    assert all(isinstance(error, DashboardError) for error in taken)


def test_made_up_messages_bring_nothing(field: FileField, taken: list[Any]) -> None:
    for message in (
        None,
        3,
        {},
        {"status": []},
        {"status": "upload_event"},
        {"status": "upload_event", "data": 10**12},
    ):
        field._handle_msg(message)
    assert not taken
    assert not field._parts
