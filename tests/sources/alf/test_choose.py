"""The sorter, the revision of each dataset and the namespace are chosen as ibllib and ONE choose them."""

from __future__ import annotations

import warnings
from itertools import product

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from one.alf.exceptions import ALFWarning
from one.util import filter_revision_last_before

from dashboard.model.errors import BadRequest, NoSpikeSorting, RevisionMissing, SorterMissing
from dashboard.model.references import DatasetRef, InsertionRef
from dashboard.sources.alf.choose import TEMPLATES, latest, resolve, revisions, sorters

PROBE = InsertionRef("MOUSE", "2024-01-02", 1, "probe00")
REVISIONS = ("", "2023-12-01", "2024-05-05", "2024-05-06", "2024-05-06a", "test")


def dataset(name: str, collection: str = "alf/probe00/pykilosort", **words: object) -> DatasetRef:
    obj, attribute = name.split(".")
    return DatasetRef(obj, attribute, str(words.pop("extension", "npy")), collection, **words)  # type: ignore[arg-type]


def sorting(*sorters: str, probe: str = "probe00", revision: str = "") -> list[DatasetRef]:
    names = ("spikes.times", "spikes.clusters", "clusters.channels", "channels.rawInd")
    return [
        dataset(name, f"alf/{probe}/{sorter}".rstrip("/"), revision=revision)
        for sorter, name in product(sorters, names)
    ]


@pytest.mark.parametrize(
    ("there", "first"),
    [
        (["pykilosort", "iblsorter", ""], "iblsorter"),
        (["kilosort4", "pykilosort", ""], "pykilosort"),
        (["kilosort4", ""], ""),
        (["kilosort4", "ks3"], "ks3"),
        (["kilosort4"], "kilosort4"),
    ],
)
def test_sorter_order_is_ibllibs(there: list[str], first: str) -> None:
    found = sorting(*there)
    assert sorters(found, "probe00")[0] == first
    ref = resolve(PROBE, found)
    assert (ref.sorter.value, ref.collection) == (first, f"alf/probe00/{first}".rstrip("/"))
    assert set(ref.sorter.alternatives) == set(there)
    assert ref.sorter.reason


def test_a_probe_is_not_one_whose_name_goes_on() -> None:
    found = sorting("iblsorter", probe="probe00a") + sorting("kilosort4")
    assert sorters(found, "probe00") == ["kilosort4"]
    assert resolve(PROBE, found).collection == "alf/probe00/kilosort4"


def test_a_sorter_that_is_absent_is_an_error_that_lists_those_that_exist() -> None:
    with pytest.raises(SorterMissing, match=r"Available sorters: pykilosort, base") as caught:
        resolve(PROBE, sorting("pykilosort", ""), sorter="iblsorter")
    assert caught.value.available == ("pykilosort", "")


def test_the_base_collection_is_asked_for_by_an_empty_name() -> None:
    assert resolve(PROBE, sorting("pykilosort", ""), sorter="").collection == "alf/probe00"


def test_no_sorting_at_all() -> None:
    with pytest.raises(NoSpikeSorting, match="alf/probe00"):
        resolve(PROBE, [dataset("trials.table", "alf", extension="pqt")])


@given(
    names=st.lists(st.sampled_from(REVISIONS), min_size=1, unique=True),
    flags=st.lists(st.booleans(), min_size=len(REVISIONS), max_size=len(REVISIONS)),
    flagged=st.booleans(),
    asked=st.none() | st.sampled_from((*REVISIONS, "2024-01-01", "0", "zz")),
)
def test_each_dataset_takes_the_revision_that_one_takes(
    names: list[str], flags: list[bool], flagged: bool, asked: str | None
) -> None:
    candidates = [
        dataset("spikes.times", revision=name, is_default=flag if flagged else None)
        for name, flag in zip(names, flags, strict=False)
    ]
    table = pd.DataFrame({"rel_path": [d.relative_path for d in candidates], "revision": names})
    if flagged:
        table["default_revision"] = flags[: len(names)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ALFWarning)
        answer = filter_revision_last_before(table, asked, assert_unique=False)["revision"].tolist()
    found = latest(candidates, asked)
    assert ([found.revision] if found else []) == answer


def test_revisions_are_decided_per_dataset_and_can_mix() -> None:
    found = [*sorting("pykilosort"), dataset("spikes.times", revision="2024-05-06"),
             dataset("spikes.clusters", revision="2024-05-06")]  # fmt: skip
    ref = resolve(PROBE, found)
    assert ref.revision.value == "2024-05-06"
    assert ref.revisions["clusters.channels"] == ""
    assert resolve(PROBE, found, revision="2024-05-05").revisions["spikes.times"] == ""
    assert resolve(PROBE, found, revision="").revisions == dict.fromkeys(ref.revisions, "")
    assert revisions(found, ref.collection) == ["2024-05-06", ""]


def test_a_revision_before_all_others_is_an_error_that_lists_them() -> None:
    with pytest.raises(RevisionMissing, match="Available revisions: 2024-05-06") as caught:
        resolve(PROBE, sorting("pykilosort", revision="2024-05-06"), revision="2023-01-01")
    assert caught.value.available == ("2024-05-06",)


def test_the_reason_says_when_an_older_revision_stands_in() -> None:
    found = sorting("pykilosort", revision="2024-05-06")
    assert "2024-06-01" in resolve(PROBE, found, revision="2024-06-01").revision.reason
    assert resolve(PROBE, found, revision="2024-05-06").revision.reason == "asked for"


def test_manual_curation_replaces_only_what_it_has() -> None:
    found = [*sorting("pykilosort"), dataset("spikes.clusters", namespace="av"),
             dataset("clusters.channels", namespace="av"), dataset("clusters.depths", namespace="av")]  # fmt: skip
    plain, curated = resolve(PROBE, found), resolve(PROBE, found, namespace="av")
    assert {d.namespace for d in plain.datasets.values()} == {""}
    assert "clusters.depths" not in plain.datasets
    assert {n for n, d in curated.datasets.items() if d.namespace == "av"} == {
        "spikes.clusters", "clusters.channels", "clusters.depths"}  # fmt: skip
    assert curated.datasets["spikes.times"].namespace == ""


def test_an_unknown_namespace_is_an_error_that_lists_those_that_exist() -> None:
    found = [*sorting("pykilosort"), dataset("spikes.clusters", namespace="av")]
    with pytest.raises(BadRequest, match="Available namespaces: av"):
        resolve(PROBE, found, namespace="xy")


def test_the_laboratorys_own_prefix_stands_for_no_prefix() -> None:
    found = [dataset(d.name, namespace="ibl") for d in sorting("pykilosort")]
    assert "spikes.times" in resolve(PROBE, found).datasets


def test_good_units_take_the_small_table() -> None:
    found = [*sorting("pykilosort"), dataset("passingSpikes.table", extension="pqt")]
    names = set(resolve(PROBE, found, good_units=True).datasets)
    assert "passingSpikes.table" in names
    assert not any(name.startswith("spikes.") for name in names)
    assert "passingSpikes.table" not in resolve(PROBE, found).datasets
    with pytest.raises(BadRequest, match="good_units=False"):
        resolve(PROBE, found, good_units=True, namespace="av")


def test_further_attributes_come_by_name_or_with_a_star() -> None:
    extra = [dataset("clusters.amps"), dataset("spikes.samples"), dataset("templates.amps"), dataset("templates.x")]
    found = sorting("pykilosort") + extra
    assert not {d.name for d in extra} & set(resolve(PROBE, found).datasets)
    asked = resolve(PROBE, found, attributes=("clusters.amps", "templates.*")).datasets
    assert {"clusters.amps", "templates.amps", "templates.x"} <= set(asked)
    assert "spikes.samples" not in asked


def test_of_two_file_types_the_array_is_read() -> None:
    found = [*sorting("pykilosort"), dataset("spikes.times", extension="csv")]
    assert resolve(PROBE, found).datasets["spikes.times"].extension == "npy"


def test_electrode_sites_belong_to_every_sorting_of_the_probe() -> None:
    found = [*sorting("pykilosort"), dataset("electrodeSites.mlapdv", "alf/probe00"),
             dataset("electrodeSites.mlapdv", "alf/probe01")]  # fmt: skip
    assert resolve(PROBE, found).datasets["electrodeSites.mlapdv"].collection == "alf/probe00"


def test_a_revision_that_has_no_spikes_yet_lists_those_that_have() -> None:
    found = [*sorting("pykilosort", revision="2024-05-06"), dataset("channels.labels", revision="2024-01-01")]
    with pytest.raises(RevisionMissing, match="2024-05-06") as caught:
        resolve(PROBE, found, revision="2024-02-02")
    assert caught.value.available == ("2024-05-06",)


def test_of_several_template_layouts_only_the_newest_is_fetched() -> None:
    names = [name for layout in TEMPLATES for name in layout]
    every = sorting("pykilosort") + [dataset(name) for name in names]
    assert [n for n in resolve(PROBE, every).datasets if n in names] == list(TEMPLATES[0])
    half = [d for d in every if d.name != "waveforms.channels"]
    assert [n for n in resolve(PROBE, half).datasets if n in names] == list(TEMPLATES[1])
    asked = resolve(PROBE, every, attributes=("clusters.waveforms",)).datasets
    assert "clusters.waveforms" in asked


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ((False, True), "flagged as default"),
        ((True, False), "flagged as default"),
        ((False, False), "the greatest revision"),
        ((True, True), "the greatest revision"),
        ((None, None), "the greatest revision"),
    ],
)
def test_a_default_is_called_flagged_only_where_the_record_flags_it(
    flags: tuple[bool | None, bool | None], reason: str
) -> None:
    names = ("spikes.times", "spikes.clusters", "clusters.channels", "channels.rawInd")
    found = [
        dataset(name, revision=revision, is_default=flag)
        for revision, flag in zip(("", "2024-05-06"), flags, strict=True)
        for name in names
    ]
    assert resolve(PROBE, found).revision.reason == reason
