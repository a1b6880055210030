"""Every folder that people of the field have reported: API, `check` and page tell what numpy and pandas read in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from dashboard.cli.main import main
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.export.spikes import cluster_table as exported_clusters
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.model.conventions import LabelKind
from dashboard.model.errors import DatasetInvalid, InsertionAmbiguous, NoSpikeSorting
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted
from dashboard.page import link as links
from dashboard.page.core.scene import Scene
from dashboard.page.services.export_view import make_subject
from dashboard.page.tabs.clusters.tab import cluster_table
from dashboard.sources.folder import FolderSource
from tests.page.driving import DrivenPage, driven_page

IBL, KILOSORT, FILE, NONE = LabelKind.IBL, LabelKind.KILOSORT, LabelKind.FILE, LabelKind.NONE
NO_FILE = "no file clusters.{}"


@dataclass(frozen=True)
class Case:
    """What a case is right with.

    Attributes
    ----------
    n_units : int
    says : tuple of str
        What is said of it, in notes and among what is not available.
    labels : LabelKind
    """

    n_units: int = 40
    says: tuple[str, ...] = ()
    labels: LabelKind = IBL


LOST = "each of them is shown at the depth of its cluster's channel"
ELECTRODES = "The 374 channels of the sorting are at their own electrodes, of 384"
SHANKS = "4 shanks are on one depth axis"
BY_FILE = "label is from the file (0 or 1); the IBL tests are not in the file"
OFFERED = "clusters have no label; the IBL tests can be computed from the spikes"
ONE_COLUMN = "clusters.depths should be one column, and is of shape (40, 20)"
KILOSORTS = "Kilosort's own opinion"
CASES = {
    "c01": Case(60, (ELECTRODES,)),
    "c01b": Case(374, (ELECTRODES,)),
    "c03a": Case(55, ("Holds 4 columns, not one", "Amplitudes cannot be volts"), NONE),
    "c03a2": Case(55, ("Amplitudes cannot be volts",), NONE),
    "c03b": Case(40),
    "c04": Case(40),
    "c05": Case(30, (BY_FILE, "cluster_id in clusters.metrics does not number the clusters"), FILE),
    "c05b": Case(30, (BY_FILE, "amplitudes are negative: their magnitude is shown"), FILE),
    "c06": Case(40),
    "c07": Case(40, (OFFERED,), NONE),
    "c08a": Case(40, ("37 rows for 40 clusters; they are found by cluster_id, and there are none for 3, 17, 29",)),
    "c08b": Case(40, (ONE_COLUMN,)),
    "c09": Case(40, ("10 spikes are at exactly -1 s", "4 spikes are before 0 s", "steps back once")),
    "c10": Case(40, ("as 32-bit sample numbers that overflow at 20,000 Hz do",)),
    "c11": Case(40, ("steps back once", "spikes from before and after lie over each other")),
    "c12": Case(40, ("lie more than 100 µm above all channels", "40 of 40 clusters have a depth in clusters.depths")),
    "c13b": Case(60, (SHANKS,)),
    "c13c": Case(80, (SHANKS,)),
    "c13d": Case(12, (SHANKS,)),
    "c14": Case(40),
    "c15": Case(60),
    "c15b": Case(60, ("30 of 384 channels have no brain location, and count as void",)),
    "c16": Case(40),
    "c17a": Case(40, ("2,792 of 139,586 spikes have no depth: " + LOST,)),
    "c17b": Case(40, ("139,586 of 139,586 spikes have no depth: " + LOST,)),
    "c18a": Case(120, (NO_FILE.format("channels"),), NONE),
    "c18b": Case(40),
    "c19a": Case(40, ("in another order than the clusters; its rows are found by cluster_id",)),
    "c20a": Case(40),
    "c20c": Case(40),
    "c25": Case(40),
    "c28": Case(40, ("Revisions are mixed", "clusters.metrics is of 2024-03-22")),
    "c30": Case(40),
    "c30b": Case(40, ("Holds 3 columns, not one",)),
    "c31b": Case(40),
    "c32a": Case(3, (KILOSORTS,), KILOSORT),
    "c32b": Case(3, (KILOSORTS,), KILOSORT),
    "c32c": Case(3, (KILOSORTS,), KILOSORT),
    "c32d": Case(3, (KILOSORTS,), KILOSORT),
    "c32f": Case(3, (KILOSORTS, "Amplitudes cannot be volts"), KILOSORT),
    "c33": Case(20),
    "c34": Case(30),
}


class Files:
    """What numpy and pandas read of a case: the newest revision of each dataset."""

    def __init__(self, folder: Path) -> None:
        self._paths: dict[str, Path] = {}
        for path in sorted(folder.rglob("*"), key=lambda path: (str(path.parent), path.name)):
            if path.is_file() and path.suffix in (".npy", ".csv", ".pqt") and not path.name.startswith("."):
                self._paths[".".join(path.stem.split(".")[:2])] = path  # names with a further part included

    def __contains__(self, name: str) -> bool:
        return name in self._paths

    def __getitem__(self, name: str) -> Any:
        path = self._paths[name]
        if path.suffix == ".npy":
            values = np.load(path)
            return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


@dataclass(frozen=True)
class Opened:
    files: Files
    sorting: SpikeSorting
    columns: SpikeColumns
    root: Path
    cache: Path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def opened(shared_cases: Path, cache: Path) -> Callable[[str], Opened]:
    known: dict[str, Opened] = {}

    def get(case: str) -> Opened:
        if case not in known:
            sorting = open_insertion(shared_cases / case, cache=cache, lazy=True)
            columns = build_columns(sorting, cache)
            known[case] = Opened(Files(shared_cases / case), sorting, columns, shared_cases / case, cache)
        return known[case]

    return get


Opening = Callable[[str], Opened]


def said(sorting: SpikeSorting) -> str:
    differences = (sentence for _, sentence in sorting.differences.values())
    missing = (f"{item.dataset}: {item.reason}" for item in sorting.missing)
    return "\n".join((*sorting.notes, *differences, *missing, sorting.why_no_labels))


def n_good(files: Files, kind: LabelKind) -> int | None:
    """Count the units whose label in the file is 1, where it is one of tests or of the file."""
    return int((files["clusters.metrics"]["label"] == 1).sum()) if kind in (IBL, FILE) else None


@pytest.mark.parametrize("case", CASES)
def test_all_spikes_and_units_are_there_and_what_is_odd_is_said(case: str, opened: Opening) -> None:
    found, wanted = opened(case), CASES[case]
    sorting, files = found.sorting, found.files
    n = len(files["spikes.times"])
    assert (sorting.n_spikes, sorting.n_dropped, found.columns.n_spikes) == (n, 0, n)
    assert (sorting.n_clusters, sorting.label_kind) == (wanted.n_units, wanted.labels)
    assert set(np.unique(files["spikes.clusters"]).tolist()) <= set(sorting.unit_ids.tolist())
    for words in wanted.says:
        assert words in said(sorting)
    if wanted.labels in (IBL, FILE):
        assert np.count_nonzero(sorting.labels == 1) == n_good(files, wanted.labels)
    np.testing.assert_array_equal(np.sort(files["spikes.times"], kind="stable"), found.columns.times_s)
    image = render(sorting, width=40, height=20, cache=found.cache)
    assert image.values.sum() == n


@pytest.mark.parametrize("case", CASES)
def test_check_tells_the_same(case: str, opened: Opening, capsys: pytest.CaptureFixture[str]) -> None:
    found, wanted = opened(case), CASES[case]
    n, good = len(found.files["spikes.times"]), n_good(found.files, wanted.labels)
    asked = ["check", str(found.root), "--cache", str(found.cache)]
    assert main([*asked, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [report[name] for name in ("n_spikes", "n_dropped", "n_clusters")] == [n, 0, wanted.n_units]
    if wanted.labels in (IBL, FILE):  # else they may have been computed meanwhile
        assert report["n_good"] == good
    of_json = [*report["notes"], *report.get("differences", {}).values()]
    of_json += [f"{item['dataset']}: {item['reason']}" for item in report["missing"]]
    assert main(asked) == 0
    text = capsys.readouterr().out
    assert f"n_spikes    {n}\n" in text
    assert f"n_clusters  {wanted.n_units}\n" in text
    for words in wanted.says:
        assert words in text
        assert words in "\n".join(of_json)


# -- what each case is about --------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["c01", "c01b"])
def test_clusters_are_at_their_electrodes(case: str, opened: Opening, shared_cases: Path) -> None:
    clusters = opened(case).sorting.clusters
    with np.load(shared_cases / f"{case}_truth.npz") as truth:
        np.testing.assert_array_equal(clusters["atlas_id"], truth["region"])
        np.testing.assert_array_equal(clusters["axial_um"], truth["depth"])
    files = opened(case).files
    by_row = files["electrodeSites.localCoordinates"][files["clusters.channels"], 1]
    np.testing.assert_array_equal(clusters["axial_um_in_ibllib"], by_row)


def test_all_nine_probes_are_listed_once(shared_cases: Path, cache: Path) -> None:
    with pytest.raises(InsertionAmbiguous, match="9 insertions match") as caught:
        open_insertion(shared_cases / "c02", cache=cache)
    probes = sorted(Path(place).name for place in caught.value.candidates)
    assert probes == sorted(path.name for path in (shared_cases / "c02").rglob("alf/*") if path.is_dir())


def test_a_link_that_leads_out_is_the_reason(shared_cases: Path, cache: Path) -> None:
    with pytest.raises(NoSpikeSorting, match="lab is a link that leads out of"):
        open_insertion(shared_cases / "c31", cache=cache)


def test_row_vectors_are_refused_by_the_name_of_the_file(shared_cases: Path, cache: Path) -> None:
    with pytest.raises(DatasetInvalid, match=r"spikes.times should be one column.*shape \(1, 9546\).*spikes.times.npy"):
        open_insertion(shared_cases / "c32e", cache=cache)


def test_names_beyond_ascii_open(shared_cases: Path, cache: Path) -> None:
    places = sorted((shared_cases / "c23").glob("*/Subjects/*/*/*/alf/probe*"))
    assert len(places) == 4
    for place in places:
        sorting = open_insertion(place, cache=cache, lazy=True)
        assert (sorting.ref.insertion.subject, sorting.ref.insertion.probe) == (place.parts[-5], place.name)
        assert (sorting.n_clusters, sorting.trials is not None) == (12, True)


REFUSED = {
    "c02": "9 insertions match",
    "c31": "lab is a link that leads out of",
    "c32e": "spikes.times should be one column",
}


@pytest.mark.parametrize("case", REFUSED)
def test_check_refuses_in_one_line(
    case: str, shared_cases: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(shared_cases / case), "--cache", str(cache)]) == 2
    said = capsys.readouterr().err
    assert REFUSED[case] in said
    assert said.count("\n") == 1


def test_the_page_refuses_row_vectors_in_the_same_words(shared_cases: Path, cache: Path) -> None:
    (insertion,) = FolderSource(shared_cases / "c32e").insertions()
    with driven_page(shared_cases / "c32e", cache) as page:
        page.open(insertion.key)
        assert REFUSED["c32e"] in page.do(lambda: page.session.card.alert.object)


def test_the_page_lists_all_nine_probes_once_and_opens_each(shared_cases: Path, cache: Path) -> None:
    folders = sorted(path for path in (shared_cases / "c02").rglob("alf/*") if path.is_dir())
    keys = ["/".join((*folder.parts[-5:-2], folder.name)) for folder in folders]
    with driven_page(shared_cases / "c02", cache) as page:
        session = page.session
        page.wait(lambda: sorted(session.rail.search.options) == sorted(keys), "the nine")
        page.wait(lambda: sorted(row["key"] for row in session.search.panel.view["rows"]) == sorted(keys), "the list")
        page.open(keys[0].rpartition("/")[0])
        refused = page.do(lambda: session.card.alert.object)
        assert REFUSED["c02"] in refused
        assert all(key in refused for key in keys)
        for folder, key in zip(folders, keys, strict=True):
            n = len(np.load(next(folder.rglob("spikes.times.npy"))))
            page.do(lambda key=key: session.open(key))
            page.wait(lambda key=key: session.state.insertion == key, key)
            assert page.do(lambda: session._scene.n_spikes_passing) == n


def test_the_page_says_why_a_link_is_not_followed(shared_cases: Path, cache: Path) -> None:
    key = "LINKED/2024-05-01/001/probe00"
    with driven_page(shared_cases / "c31", cache) as page:
        page.wait(lambda: REFUSED["c31"] in page.session.search.panel.note, "the note of the list")
        page.open(key)
        assert REFUSED["c31"] in page.do(lambda: page.session.card.alert.object)
    with driven_page([shared_cases / "c31", shared_cases / "c31_store"], cache) as page:  # its target is given, too
        page.open(key)
        n = len(np.load(next((shared_cases / "c31_store").rglob("spikes.times.npy"))))
        assert page.do(lambda: page.session._scene.n_spikes_passing) == n


def test_names_beyond_ascii_are_the_same_in_check_and_on_the_page(
    shared_cases: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = min((shared_cases / "c23").glob("*/Subjects/*/*/*/alf/probe*"))
    n = len(np.load(next(place.rglob("spikes.times*.npy"))))
    assert main(["check", str(place), "--cache", str(cache), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["n_spikes"], report["n_clusters"], report["probe"]) == (n, 12, place.name)
    with driven_page(shared_cases / "c23", cache) as page:
        key = "/".join((*place.parts[-5:-2], place.name))
        page.open(key)
        assert page.do(lambda: (page.session.state.insertion, page.session._scene.n_spikes_passing)) == (key, n)


@pytest.mark.parametrize("case", ["c19a", "c08a"])
def test_metrics_are_those_of_their_id(case: str, opened: Opening) -> None:
    found = opened(case)
    table = found.files["clusters.metrics"].set_index("cluster_id").reindex(range(40))
    np.testing.assert_array_equal(found.sorting.clusters["firing_rate"], table["firing_rate"])
    np.testing.assert_array_equal(found.sorting.labels, table["label"])
    assert found.sorting.clusters["cluster_id"].tolist() == list(range(40))


@pytest.mark.parametrize("case", ["c05", "c05b"])
def test_the_export_of_spikeinterface_has_templates_and_amplitudes(case: str, opened: Opening) -> None:
    found = opened(case)
    sorting, amps = found.sorting, found.files["spikes.amps"]
    assert sorting.templates is not None
    assert sorting.templates.waveforms.shape == (30, 90, 384)
    assert sorting.tests_can_be_made
    np.testing.assert_allclose(found.columns.amps_uv, 1e6 * np.abs(amps), rtol=1e-5)
    np.testing.assert_array_equal(sorting.spikes.amps_v, amps)
    assert sorting.clusters["cluster_id_in_metrics"].max() > 30


@pytest.mark.parametrize("case", ["c17a", "c17b"])
def test_spikes_without_a_depth_lie_at_their_channel(case: str, opened: Opening) -> None:
    found = opened(case)
    own, local = found.files["spikes.depths"], found.files["channels.localCoordinates"]
    of_units = local[found.files["clusters.channels"], 1][found.files["spikes.clusters"]]
    np.testing.assert_array_equal(found.columns.depths_um, np.where(np.isnan(own), of_units, own))


def test_regions_are_those_of_both_hemispheres(opened: Opening, shared_cases: Path) -> None:
    found = opened("c15")
    with np.load(shared_cases / "c15_truth.npz") as truth:
        of_units = truth["ids"]
    np.testing.assert_array_equal(found.sorting.clusters["atlas_id"], of_units)
    image = render(found.sorting, width=6, height=40, aggregate="region", cache=found.cache)
    assert set(np.unique(image.values)) - {image.none} <= set(of_units.tolist())
    assert {-733, -382, 382} <= set(np.unique(image.values).tolist())


SHANK_OF: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "c13b": lambda local: local[:, 1] // 10_000,
    "c13c": lambda local: local[:, 0] // 250,
    "c13d": lambda local: local[:, 0] // 125,
}


@pytest.mark.parametrize("case", SHANK_OF)
def test_shanks_are_told_apart(case: str, opened: Opening) -> None:
    found = opened(case)
    of_channels = SHANK_OF[case](found.files["channels.localCoordinates"]).astype(int)
    of_units = of_channels[found.files["clusters.channels"]]
    assert found.sorting.channels["shank"].tolist() == of_channels.tolist()
    assert found.sorting.clusters["shank"].tolist() == of_units.tolist()
    if case == "c13c":
        assert found.sorting.clusters["atlas_id"].tolist() == np.array([382, 385, 733, 672])[of_units].tolist()


def test_staggered_columns_are_of_one_shank(opened: Opening) -> None:
    assert "shank" not in opened("c14").sorting.clusters


def test_the_label_of_a_channel_is_not_that_of_its_unit(opened: Opening) -> None:
    found = opened("c16")
    labels = found.files["channels.labels"][found.files["clusters.channels"]]
    assert found.sorting.clusters["labels"].tolist() == labels.tolist()
    assert found.sorting.labels.tolist() == found.files["clusters.metrics"]["label"].tolist()


def test_the_spikes_of_a_resynchronised_revision_are_those(opened: Opening) -> None:
    found = opened("c28")
    assert found.sorting.ref.revision.value == "2024-05-06"
    assert found.columns.times_s[0] > 0.5


def test_odd_columns_are_in_the_table_as_they_are(opened: Opening) -> None:
    found = opened("c25")
    table = found.files["clusters.metrics"]
    for name in ("with_nan", "with_inf", "all_nan", "spaces in name (µV)"):
        np.testing.assert_array_equal(found.sorting.clusters[name], table[name])


def test_whole_numbers_that_a_browser_cannot_hold_are_shown_digit_by_digit(opened: Opening) -> None:
    found = opened("c25")
    assert cluster_table(found.sorting)["big"].tolist() == [
        str(value) for value in found.files["clusters.metrics"]["big"]
    ]


def test_units_of_any_number_of_spikes_are_there(opened: Opening) -> None:
    counts = np.diff(opened("c34").columns.unit_index.offsets)
    assert counts[:9].tolist() == [0, 1, 2, 3, 5, 8, 12, 20, 40]


# -- the page -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(shared_cases: Path, cache: Path) -> Iterator[Callable[[str], DrivenPage]]:
    """Pages that have the cases: two, since some of them are of one name."""
    second = ("c03a2", "c05b")
    folders = [shared_cases / case for case in CASES if case not in second]
    with (
        driven_page(folders, cache) as first,
        driven_page([shared_cases / case for case in second], cache) as other,
    ):
        yield lambda case: other if case in second else first


def shown(page: DrivenPage, sorting: SpikeSorting) -> Scene:
    """Have a page show an insertion, and return its scene."""
    session, key = page.session, sorting.ref.insertion.key
    if page.do(lambda: session.state.insertion) != key:
        page.do(lambda: session.open(key))
        page.wait(lambda: session._opened is not None and session.state.insertion == key, f"{key} to open")
    return page.wait(lambda: session._scene, "its scene")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.walk] if k % 3 else []) for k, case in enumerate(CASES)]
)
def test_the_page_tells_the_same(case: str, opened: Opening, pages: Callable[[str], DrivenPage]) -> None:
    found, wanted, page = opened(case), CASES[case], pages(case)
    scene = shown(page, found.sorting)
    session, n = page.session, len(found.files["spikes.times"])
    line = f"{n:,} of {counted(n, 'spike')}"
    page.wait(lambda: line in session.centre.status.object or session.state.show == "clusters", line)
    assert (scene.n_spikes_passing, scene.columns.n_spikes, scene.sorting.n_clusters) == (n, n, wanted.n_units)
    notes = page.do(lambda: session.rail.notes.object)
    for words in wanted.says:
        assert escape(words) in notes or words == OFFERED  # which is of before the tests were computed
    if wanted.labels in (IBL, FILE):
        page.do(lambda: session.state.param.update(quality="good"))
        assert page.do(lambda: session._scene.n_clusters_passing) == n_good(found.files, wanted.labels)
        page.do(lambda: session.state.param.update(quality="all"))
    times = found.columns.time_range_s
    assert page.do(lambda: session.axes.time_limits.end) >= times[1]
    assert page.do(lambda: session.axes.time_limits.start) == pytest.approx(times[0], abs=1.0)


@pytest.mark.parametrize("case", ["c05", "c05b"])
def test_the_page_draws_the_template_and_magnitudes(
    case: str, opened: Opening, pages: Callable[[str], DrivenPage]
) -> None:
    found, page = opened(case), pages(case)
    shown(page, found.sorting)
    tab = page.select("Unit", 5)
    picture = page.wait(  # templates may be read once the page stands
        lambda: tab.picture and tab.picture.focus.unit == 5 and tab.picture.template is not None and tab.picture,
        "the template of unit 5",
    )
    of_unit = found.files["spikes.clusters"] == 5
    np.testing.assert_allclose(picture.focus.amps_uv, 1e6 * np.abs(found.files["spikes.amps"][of_unit]), rtol=1e-5)


def test_the_page_offers_to_compute_the_tests(opened: Opening, pages: Callable[[str], DrivenPage]) -> None:
    page = pages("c07")
    shown(page, opened("c07").sorting)
    line = page.session.metrics_job.line
    assert page.do(lambda: line.panel.visible and line._button.label) == "Compute metrics"
    page.do(lambda: line._clicked(None))
    page.wait(lambda: not line.panel.visible, "the tests")
    assert page.do(lambda: page.session._scene.sorting.label_kind) is IBL
    assert "label and metrics are computed from the spikes" in page.do(lambda: page.session.rail.notes.object)


@pytest.mark.parametrize("case", ["c19a", "c08a"])
def test_the_table_of_the_page_and_its_files_have_the_metrics_of_their_id(
    case: str, opened: Opening, pages: Callable[[str], DrivenPage]
) -> None:
    found, page = opened(case), pages(case)
    scene = shown(page, found.sorting)
    table = found.files["clusters.metrics"].set_index("cluster_id").reindex(range(40))
    subject = page.do(lambda: make_subject(scene, page.session.states.values()))
    for written in (cluster_table(scene.sorting), exported_clusters(subject)):
        assert written["cluster_id"].tolist() == list(range(40))
        np.testing.assert_array_equal(written["firing_rate"], table["firing_rate"])
        np.testing.assert_array_equal(written["label"], table["label"])


def test_a_filter_of_a_region_takes_both_hemispheres(
    opened: Opening, pages: Callable[[str], DrivenPage], shared_cases: Path
) -> None:
    found, page = opened("c15"), pages("c15")
    shown(page, found.sorting)
    with np.load(shared_cases / "c15_truth.npz") as truth:
        is_inside = np.abs(truth["ids"]) == 382
    page.do(lambda: page.session.state.param.update(filters={"regions": "CA1"}))
    assert page.do(lambda: page.session._scene.mask.tolist()) == is_inside.tolist()
    page.do(lambda: page.session.state.param.update(filters={}))


def test_a_link_into_a_clock_that_starts_late_shows_its_window_and_trials(
    opened: Opening, pages: Callable[[str], DrivenPage]
) -> None:
    found, page = opened("c20a"), pages("c20a")
    session, key = page.session, found.sorting.ref.insertion.key
    shown(page, opened("c14").sorting)
    page.do(lambda: session._visit(links.parse(f"insertion={key}&t=2100,2101.5"), links.defaults()))
    page.wait(lambda: session.state.insertion == key and session.raster.picture, "the raster")
    times = found.files["spikes.times"]
    inside = (times >= 2100.0) & (times <= 2101.5)
    page.wait(lambda: session.raster.picture.n_in_view == np.count_nonzero(inside), "its window")
    page.wait(lambda: len(session.overview.trials.data["time"]), "its trials")
    stimuli = page.do(lambda: session.overview.trials.data["time"])
    np.testing.assert_array_equal(stimuli, found.sorting.trials.table["stimOn_times"])
    assert min(stimuli) > 2000
