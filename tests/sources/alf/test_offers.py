"""Every sorter and revision of an insertion, with version, size and which one is the default."""

from __future__ import annotations

from dashboard.model.references import DatasetRef
from dashboard.model.sorting import SpikeSorting
from dashboard.sources.alf.offers import offers


def spikes(sorter: str, revision: str = "", **values: object) -> list[DatasetRef]:
    collection = f"alf/probe00/{sorter}".rstrip("/")
    names = ("times", "clusters")
    return [DatasetRef("spikes", name, "npy", collection, revision, **values) for name in names]  # type: ignore[arg-type]


def test_the_default_comes_first_and_is_the_flagged_revision_of_the_preferred_sorter() -> None:
    found = offers(
        [
            *spikes("pykilosort", size=10, version="1.0"),
            *spikes("pykilosort", "2024-05-06", size=20, is_default=True),
            *spikes("ks2", size=5),
            *spikes("", size=1),
        ],
        "probe00",
    )
    assert [(o.sorter, o.revision, o.version, o.n_bytes, o.is_default) for o in found] == [
        ("pykilosort", "2024-05-06", "", 40, True),
        ("pykilosort", "", "1.0", 20, False),
        ("", "", "", 2, False),
        ("ks2", "", "", 10, False),
    ]


def test_another_probe_and_files_without_spikes_offer_nothing() -> None:
    other = [DatasetRef("clusters", "depths", "npy", "alf/probe00/ks2")]
    assert offers([*other, *spikes("x")], "probe01") == ()
    assert offers(other, "probe00") == ()


def test_the_demo_offers_three(small_demo: SpikeSorting) -> None:
    found = [(o.sorter, o.revision, o.is_default) for o in small_demo.offers]
    assert found[0] == ("iblsorter", "", True)
    assert {f[:2] for f in found[1:]} == {("pykilosort", ""), ("pykilosort", "2024-05-06")}
    assert all(o.n_bytes > 0 for o in small_demo.offers)
