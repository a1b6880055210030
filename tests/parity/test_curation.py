"""SpikeInterface takes the curation that is written here, and phylib reads the tables. Needs both: `make parity`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

core = pytest.importorskip("spikeinterface.core", reason="spikeinterface is not installed (make parity)")
curation = pytest.importorskip("spikeinterface.curation")
curation_model = pytest.importorskip("spikeinterface.curation.curation_model")

from dashboard.analysis.curation.splits import write_split  # noqa: E402
from dashboard.analysis.curation.subject import Subject  # noqa: E402
from dashboard.library.apply import write_applied  # noqa: E402
from dashboard.library.curation import spikeinterface, tables  # noqa: E402
from dashboard.library.curation.file import decisions_of, shown_to  # noqa: E402
from dashboard.library.open import open_insertion  # noqa: E402
from dashboard.model.curation import CurationRules  # noqa: E402
from dashboard.sources.demo.source import DemoSource  # noqa: E402

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

IDS = {"numbers": [0, 3, 5, 8, 13, 21], "texts": ["#0", "u1", "unit 6", "4", "u10", "u9"]}


@pytest.mark.parametrize("kind", IDS)
def test_spikeinterface_applies_it_and_has_the_same_units(tmp_path: Path, kind: str) -> None:
    ids = IDS[kind]
    units = tuple(map(str, ids))
    subject = Subject("S/2024-01-01/001/probe00", "alf/probe00", "", "9:aa", units, ("",) * len(units))
    said = [
        subject.decide("Ada", "label", "good", units[1], name="quality"),
        subject.decide("Ada", "label", "noise", units[2], name="quality"),
        subject.decide("Ada", "label", "removed", units[0], name="removed"),
        subject.decide("Ada", "merge", f'"{units[3]}","{units[4]}"'),
        subject.decide("Ada", "split", write_split((np.arange(150) % 3 == 0).astype(np.uint8)), units[5]),
    ]
    file = shown_to("Ada", said, subject, CurationRules())
    assert spikeinterface.write(tmp_path / "c.json", file) == []
    rng = np.random.default_rng(0)
    trains = {unit: np.sort(rng.choice(300_000, 100 + 10 * n, replace=False)) for n, unit in enumerate(ids)}
    sorting = core.NumpySorting.from_unit_dict([trains], 30_000.0)
    model = curation.load_curation(tmp_path / "c.json")
    applied = curation.apply_curation(sorting, model)
    counts = {str(unit): len(applied.get_unit_spike_train(unit)) for unit in applied.unit_ids}
    assert len(applied.unit_ids) == len(ids) - 1
    assert {units[1], units[2]} <= set(counts)
    new = [counts[str(unit)] for unit in applied.unit_ids if str(unit) not in units]
    assert new == [len(trains[ids[3]]) + len(trains[ids[4]]), 100, 50]
    labels = dict(zip(map(str, applied.unit_ids), applied.get_property("quality"), strict=True))
    assert (labels[units[1]], labels[units[2]]) == ("good", "noise")


@pytest.mark.parametrize(("kind", "names"), [("numbers", [40, 50, 60]), ("texts", ["both", "one part", "other"])])
def test_ids_of_new_units_are_those_of_the_file_here_and_there(tmp_path: Path, kind: str, names: list[Any]) -> None:
    ids = IDS[kind]
    split = {"unit_id": ids[5], "mode": "indices", "indices": [[0, 3]], "new_unit_ids": names[1:]}
    model = curation_model.Curation(
        format_version="2", unit_ids=ids, label_definitions={},
        merges=[{"unit_ids": ids[3:5], "new_unit_id": names[0]}], splits=[split],
    )  # fmt: skip
    (tmp_path / "theirs.json").write_text(model.model_dump_json())
    units = tuple(map(str, ids))
    subject = Subject("S/2024-01-01/001/probe00", "alf/probe00", "", "9:aa", units, ("",) * 6, (9,) * 6)
    found, report = decisions_of(spikeinterface.read(tmp_path / "theirs.json"), subject, "Ada")
    assert report == []
    spikeinterface.write(tmp_path / "ours.json", shown_to("Ada", found, subject, CurationRules()))
    trains = {unit: np.arange(9) * 100 + 10 * n for n, unit in enumerate(ids)}
    sorting = core.NumpySorting.from_unit_dict([trains], 30_000.0)
    applied = [
        curation.apply_curation(sorting, curation.load_curation(tmp_path / f"{whose}.json"))
        for whose in ("theirs", "ours")
    ]
    assert [one.unit_ids.tolist() for one in applied] == [[*ids[:3], *names]] * 2


def test_what_spikeinterface_writes_comes_in(tmp_path: Path) -> None:
    model = curation_model.Curation(
        format_version="2",
        unit_ids=[1, 2, 3, 4],
        label_definitions={"quality": {"label_options": ["good", "noise"], "exclusive": True}},
        manual_labels=[{"unit_id": 2, "labels": {"quality": ["noise"]}}],
        merges=[{"unit_ids": [3, 4]}],
        removed=[1],
    )
    (tmp_path / "c.json").write_text(model.model_dump_json())
    subject = Subject("S/2024-01-01/001/probe00", "alf/probe00", "", "9:aa", ("1", "2", "3", "4"), ("",) * 4)
    found, report = decisions_of(spikeinterface.read(tmp_path / "c.json"), subject, "Ada")
    assert report == []
    assert [(one.kind, one.unit, one.value) for one in found] == [
        ("label", "2", "noise"), ("label", "1", "removed"), ("merge", "", "3,4"),
    ]  # fmt: skip


def test_phylib_reads_our_tables(tmp_path: Path) -> None:
    model = pytest.importorskip("phylib.io.model")
    subject = Subject("S/2024-01-01/001/probe00", "alf/probe00", "", "9:aa", ("1", "2"), ("", ""))
    said = [subject.decide("Ada", "label", "mua", 2, name="quality"), subject.decide("Ada", "note", "odd one", 1)]
    tables.write_phy(tmp_path, shown_to("Ada", said, subject, CurationRules()), "quality")
    assert model.load_metadata(tmp_path / "cluster_group.tsv") == {"group": {1: "unsorted", 2: "mua"}}
    assert model.load_metadata(tmp_path / "cluster_notes.tsv") == {"notes": {1: "odd one"}}


def halves(sorting: Any, unit: int) -> str:
    """Return a split of a unit by the amplitude of its spikes."""
    amps = np.asarray(sorting.spikes.amps_v)[np.asarray(sorting.spikes.clusters) == unit]
    return write_split((amps > np.median(amps)).astype(np.uint8))


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Any], Path]:
    """A sorting with merges of two and three units and one that is removed, and a folder to write into."""
    folder = tmp_path_factory.mktemp("curated")
    sorting = open_insertion("demo", source=DemoSource(folder, n_spikes=20_000), cache=folder / "cache")
    subject = Subject.of(sorting)
    said = [
        subject.decide("Ada", "merge", "3,5"), subject.decide("Ada", "merge", "20,21,22"),
        subject.decide("Ada", "label", "removed", 9, name="removed"),
        *(subject.decide("Ada", "split", halves(sorting, unit), unit) for unit in (12, 30)),
        *(subject.decide("Ada", "label", "good", unit, name="quality") for unit in (3, 5, 8)),
    ]  # fmt: skip
    return sorting, [replace(one, step=f"s{n}", id=n) for n, one in enumerate(said)], folder


def test_the_folder_that_apply_wrote_has_the_units_of_spikeinterface_and_phylib(
    curated: tuple[Any, list[Any], Path],
) -> None:
    model = pytest.importorskip("phylib.io.model")
    extractors = pytest.importorskip("spikeinterface.extractors")
    sorting, said, folder = curated
    for kind in ("phy", "alf", "analyzer"):
        write_applied(sorting, said, "Ada", CurationRules(), folder / kind, kind)
    ids, samples = np.asarray(sorting.spikes.clusters), np.asarray(np.round(sorting.spikes.times_s * 30_000), np.int64)
    before = core.NumpySorting.from_samples_and_labels([samples], [ids], 30_000.0, unit_ids=sorting.unit_ids)
    applied = curation.apply_curation(before, curation.load_curation(folder / "phy" / "curation_applied.json"))
    expected = {int(unit): len(applied.get_unit_spike_train(unit)) for unit in applied.unit_ids}
    ours = open_insertion(folder / "alf", cache=folder / "cache")
    assert dict(zip(ours.unit_ids.tolist(), np.bincount(ours.unit_indexes()).tolist(), strict=True)) == expected
    analyzer = core.load_sorting_analyzer(folder / "analyzer")
    own = analyzer.sorting
    assert {int(unit): len(own.get_unit_spike_train(unit)) for unit in own.unit_ids} == expected
    trains = ((own.get_unit_spike_train(unit), applied.get_unit_spike_train(unit)) for unit in own.unit_ids)
    assert all(np.array_equal(*pair) for pair in trains)
    for name in ("quality", "note"):
        assert len(own.get_property(name)) == len(own.unit_ids)
    assert dict(zip(own.unit_ids.tolist(), own.get_property("quality"), strict=True))[40] == "good"
    n = len(own.unit_ids)
    assert analyzer.get_extension("templates").get_templates(operator="average").shape[0] == n
    assert len(analyzer.get_extension("spike_amplitudes").data["amplitudes"]) == sum(expected.values())
    assert np.isfinite(analyzer.get_extension("unit_locations").get_data()).all()
    metrics = analyzer.get_extension("quality_metrics").get_data()
    amps = np.asarray(ours.spikes.amps_v)[ours.units.values[ours.unit_indexes()] == 40]
    assert metrics.loc[40, "amp_median"] == pytest.approx(10 ** np.median(np.log10(amps)), rel=1e-5)
    assert np.isnan(metrics.loc[40, "snr"])  # not computed here
    assert metrics.loc[40, "spike_count"] == expected[40]
    opened = extractors.read_phy(folder / "phy")
    assert {int(unit): len(opened.get_unit_spike_train(unit)) for unit in opened.unit_ids} == expected
    labels = dict(zip(opened.unit_ids.tolist(), opened.get_property("quality"), strict=True))
    assert (
        labels[40] == dict(zip(applied.unit_ids.tolist(), applied.get_property("quality"), strict=True))[40] == "good"
    )
    phy = model.load_model(folder / "phy" / "params.py")
    assert dict(zip(*(a.tolist() for a in np.unique(phy.spike_clusters, return_counts=True)), strict=True)) == expected
    merged = phy.get_template(int(phy.spike_templates[phy.get_cluster_spikes(40)[0]]))
    assert np.ptp(merged.template, axis=0).max() > 0
