"""Links out of a folder of data: not followed, and said in lists and refusals, whatever kind of sortings lie beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.config.settings import Settings
from dashboard.library.catalogue import Catalogue
from dashboard.model.errors import InsertionNotFound
from dashboard.model.facets import Facets
from dashboard.sources.base import Source
from dashboard.sources.locate import configured_sources, find
from tests.library.alf_folder import write_session
from tests.sources.samples import write_phy

PROBE = Path("labx/Subjects/MOUSE_1/2024-01-02/001/alf/probe00")


def sources(*data: Path) -> list[Source]:
    names = {folder.name for folder in data}
    return [source for source in configured_sources(Settings(data=data)) if source.name in names]


def noted(of: list[Source]) -> tuple[str, bool]:
    """Return what the list says of sources, and whether it offers to try again."""
    catalogue = Catalogue(of)
    try:
        for source in of:
            catalogue._read(source)
        assert catalogue.is_whole
        assert catalogue.note_of(Facets())[0] == catalogue.note
        return catalogue.note_of(Facets())
    finally:
        catalogue.close()


@pytest.mark.parametrize("beside", ["nothing", "ALF files", "Kilosort, phy"])
@pytest.mark.parametrize("level", [0, 2, 6])
def test_a_link_out_is_said_at_every_level(level: int, beside: str, tmp_path: Path) -> None:
    data, store = tmp_path / "data", tmp_path / "store"
    write_session(store)
    link = data / Path(*PROBE.parts[: level + 1])
    link.parent.mkdir(parents=True)
    link.symlink_to(store / Path(*PROBE.parts[: level + 1]))
    if beside == "ALF files":
        write_session(data / "other")
    if beside == "Kilosort, phy":
        write_phy(data / "M1" / "imec0")
    of = sources(data)
    said = f"{link} is a link that leads out of {data} and is not followed: give its target, {link.resolve()}"
    assert noted(of) == (said, False)
    assert sum(len(list(source.insertions())) for source in of) == (beside != "nothing")
    with pytest.raises(InsertionNotFound) as caught:
        find("MOUSE_1/2024-01-02/001/probe00" if beside == "nothing" else "MOUSE_7/2024-01-02/001/probe00", of)
    assert said in str(caught.value)
    link.unlink()
    assert noted(of) == ("", False)


def test_a_link_to_another_folder_of_data_needs_no_word(tmp_path: Path) -> None:
    data, store = tmp_path / "data", tmp_path / "store"
    write_session(store)
    data.mkdir()
    (data / "labx").symlink_to(store / "labx")
    of = sources(data, store)
    assert noted(of) == ("", False)
    assert sum(len(list(source.insertions())) for source in of) == 1


def test_of_many_links_one_is_named_and_the_others_are_counted(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "data").mkdir()
    for name in "abc":
        (tmp_path / "data" / name).symlink_to(tmp_path / "store")
    said, _ = noted(sources(tmp_path / "data"))
    assert said.startswith(f"{tmp_path / 'data' / 'a'} is a link") and said.endswith("; so are 2 more")
