"""Sortings of all kinds below one folder: found by names alone, mixed, and listed with their kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.config.settings import Settings
from dashboard.library.catalogue import Catalogue
from dashboard.model.errors import NoSpikeSorting
from dashboard.sources.base import Source
from dashboard.sources.locate import configured_sources, locate
from tests.library.alf_folder import write_session
from tests.sources.samples import write_analyzer, write_nwb, write_phy, write_zarr


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    write_session(data / "lab")
    write_phy(data / "M1" / "imec0" / "kilosort4", kilosort4=True)
    write_phy(data / "M1" / "imec0" / "kilosort25")
    write_analyzer(data / "M2" / "analyzer")
    write_zarr(data / "deep" / "er" / "M3" / "an.zarr")
    write_nwb(data / "deep" / "M4.nwb", probes=("imec0", "imec1"))
    return data


def of_folders(data: Path) -> list[Source]:
    return [source for source in configured_sources(Settings(data=(data,))) if source.name == data.name]


def test_all_kinds_are_found_and_listed_with_them(data: Path) -> None:
    sources = of_folders(data)
    found = {source.kind: {insertion.key for insertion in source.insertions()} for source in sources}
    assert found["Kilosort, phy"] == {"M1/imec0"}
    assert found["NWB"] == {"deep-M4/imec0", "deep-M4/imec1"}
    assert len(found["SpikeInterface"]) == 2
    assert len(found["ALF files"]) == 1
    catalogue = Catalogue(sources)
    try:
        for source in sources:
            catalogue._read(source)
        opens = dict(zip(catalogue.table["key"], catalogue.table["opens"], strict=True))
    finally:
        catalogue.close()
    assert opens == {key: kind for kind, keys in found.items() for key in keys}


def test_no_file_of_a_folder_is_opened_to_list_it(data: Path) -> None:
    for path in [*data.rglob("*.npy"), *data.rglob("*.json"), *data.rglob("*.py"), *data.rglob("*/0")]:
        if path.is_file():
            path.write_bytes(b"")
    sources = of_folders(data)
    assert sum(len(list(source.insertions())) for source in sources) == 6


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("params.py", "templates.npy"), "part of a Kilosort or phy folder, without spike_times.npy"),
        (("a.zarr/.zgroup", "a.zarr/.zattrs"), "a zarr store"),
        (("run_g0_t0.imec0.ap.bin", "run_g0_t0.imec0.ap.meta"), "a raw recording of SpikeGLX"),
        (("recording1/structure.oebin",), "a recording of Open Ephys"),
    ],
)
def test_what_is_of_no_supported_kind_is_told_what_it_looks_like(
    tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    for name in names:
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_text("")
    with pytest.raises(NoSpikeSorting, match=said) as caught:
        locate(tmp_path / "x", settings=Settings(cache=tmp_path / "cache"))
    assert "Supported are ALF" in str(caught.value)
