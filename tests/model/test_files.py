"""Whole files: what a reader finds while one is written, after an error, and after the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.model.files import whole_file, write_file


def test_a_file_has_its_content_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_file(tmp_path / "x.json", b"whole")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x.json", b"whole")]


def test_a_file_that_is_half_written_never_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_file(tmp_path / "x.json", b"whole")
    assert list(tmp_path.iterdir()) == []


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with whole_file(tmp_path / "x") as draft:
        draft.write_bytes(b"new")
        assert (tmp_path / "x").read_bytes() == b"old"
    assert (tmp_path / "x").read_bytes() == b"new"
    with pytest.raises(ValueError, match="stop"), whole_file(tmp_path / "x"):
        raise ValueError("stop")
    assert (tmp_path / "x").read_bytes() == b"new"


def test_a_file_can_be_made_for_its_owner_alone(tmp_path: Path) -> None:
    write_file(tmp_path / "users.json", b"{}", mode=0o600)
    assert (tmp_path / "users.json").stat().st_mode & 0o777 == 0o600


def test_a_name_as_long_as_names_can_be_is_written(tmp_path: Path) -> None:
    write_file(tmp_path / ("x" * 255), b"whole")
    assert (tmp_path / ("x" * 255)).read_bytes() == b"whole"
