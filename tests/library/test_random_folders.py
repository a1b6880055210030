"""ALF folders made at random open with all their spikes, or are refused in one line; what is told is what numpy reads.

Told by `check`, `render`, the page's scene and status line, and exports; some folders are opened in a page, which goes
to every tab. `make fuzz` tries more of them: ``FOLDERS=5000``, and ``FIRST_FOLDER`` others. A number that failed once
stays in `KEPT`.
"""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
from contextlib import redirect_stdout
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

import dashboard
from dashboard.analysis.quality.metrics import recompute, with_metrics
from dashboard.cli.main import describe
from dashboard.engine.build import SpikeColumns, build_columns
from dashboard.export import code
from dashboard.export.code import dashboard_snippet, ibllib_snippet
from dashboard.export.origin import Subject
from dashboard.export.spikes import cluster_table, write_spikes
from dashboard.library.open import open_insertion
from dashboard.library.render import render
from dashboard.library.store import OpenInsertion
from dashboard.model.errors import BadRequest, DashboardError
from dashboard.model.sorting import SpikeSorting
from dashboard.model.texts import counted
from dashboard.page.core.state import ViewState
from dashboard.page.plot.texts import spike_counts
from dashboard.page.rail.filtered_scene import passing
from dashboard.page.services.export_view import make_subject
from dashboard.page.tabs.registry import TABS, page_state
from tests.library.alf_folder import write
from tests.page.driving import driven_page, is_idle, waits

N_FOLDERS = int(os.environ.get("FOLDERS", "200"))
FIRST = int(os.environ.get("FIRST_FOLDER", "0"))
BATCH = 20
KEPT: tuple[int, ...] = (100_210, 3_150, 583, 2_132, 4_850)
"""Folders that failed, by number."""

PAGES = 100
"""Of so many folders one is opened in a page."""

SNIPPETS = 5
"""Of so many folders one has the code of its views run; of `make fuzz` each."""

ASKED: tuple[dict[str, Any], ...] = (
    {},
    {"quality": "good"},
    {"quality": "good", "filters": {"shanks": "0"}},
    {"quality": "good", "filters": {"rate": "4,15", "band": ",600"}},
    {"filters": {"regions": "CA1", "metrics": "firing_rate::12"}},
    {"filters": {"where": "firing_rate > 3", "spike_amp": "80,"}},
)
"""Filters whose views are given as code."""

SUBJECTS = ("M%d", "M%d", "Mäuse %d #3+50%%", "O'Brien & Søn %d", "小鼠_%d")
PROBES = ("probe00", "probe00/pykilosort", "imec0", "probe_left/iblsorter", "Probe 1 ü", "shank_0")

REFUSALS = (
    "No spike sorting", "spikes.times is missing", "spikes.clusters is missing", "holds no spikes", " and spikes.",
    "goes from", "goes up to", "has a time", "rows and clusters.depths", "is no unit of the sorting",
)  # fmt: skip


def random_folder(number: int) -> tuple[dict[str, Any], str]:
    """Return the datasets of a folder, and the path of its sorting below the data folder."""
    rng = np.random.default_rng(number)
    n_units, n_channels = int(rng.integers(1, 30)), int(rng.integers(1, 65))
    n = int(rng.choice([0, 1, 2, 5, 40, 400, 2000], p=[0.03, 0.05, 0.05, 0.07, 0.2, 0.3, 0.3]))
    shanks = int(rng.choice([1, 1, 2, 4]))
    n_sites = n_channels + int(rng.choice([0, 0, 0, 5]))
    sites = np.c_[
        rng.integers(0, shanks, n_sites) * rng.choice([250.0, 125.0]) + rng.choice([11.0, 43.0], n_sites),
        20.0 * (np.arange(n_sites) // 2),
    ]
    raw = np.sort(rng.choice(n_sites, n_channels, replace=False))
    local = sites[raw]
    ids = np.arange(n_units)
    if rng.random() < 0.3:
        ids = np.sort(rng.choice(5000, n_units, replace=False))
    units = rng.integers(0, n_units, n)
    channels = rng.integers(0, n_channels, n_units)
    times = np.sort(rng.uniform(0, rng.choice([1.0, 60.0, 4000.0]), n)) + rng.choice([0.0, 0.0, 2000.0, -5.0, 1.7e9])
    depths = local[channels, 1][units] + rng.normal(0, 5, n)
    amps = np.exp(rng.normal(np.log(1e-4), 0.3, n)) * rng.choice([1.0, 1e6, -1.0, 0.0], p=[0.7, 0.1, 0.1, 0.1])
    for values, share in ((times, 0.1), (depths, 0.2), (amps, 0.1)):
        if rng.random() < share and n:
            values[rng.random(n) < rng.choice([0.05, 1.0])] = rng.choice([np.nan, np.inf])
    if rng.random() < 0.1:
        rng.shuffle(times)
    label = rng.choice([0.0, 1.0], n_units) if rng.random() < 0.3 else rng.integers(0, 4, n_units) / 3
    metrics = pd.DataFrame({"cluster_id": ids, "label": label, "firing_rate": rng.uniform(0, 20, n_units)})
    if rng.random() < 0.3:
        metrics = metrics.sample(frac=rng.choice([0.5, 1.0]), random_state=number).reset_index(drop=True)
    made: dict[str, Any] = {
        "spikes.times": times.astype(rng.choice([np.float64, np.float64, np.float32])),
        "spikes.clusters": ids[units].astype(rng.choice([np.int32, np.int64, np.uint32, np.float64])),
        "spikes.depths": depths.astype(rng.choice([np.float64, np.float32, np.float16])),
        "spikes.amps": amps.astype(rng.choice([np.float64, np.float32])),
        "clusters.channels": channels.astype(rng.choice([np.int64, np.int32, np.float64])),
        "clusters.depths": local[channels, 1],
        "clusters.metrics": metrics,
        "channels.localCoordinates": local,
        "channels.rawInd": raw.astype(rng.choice([np.int64, np.int32, np.float64])),
        "channels.brainLocationIds_ccf_2017": rng.choice([0, 997, 382, -382, 733], n_channels),
        "channels.mlapdv": rng.normal(0, 1000, (n_channels, 3)),
    }
    if rng.random() < 0.3:
        made["clusters.uuids"] = pd.DataFrame({"uuids": [f"unit {i}" for i in range(n_units)]})
    if rng.random() < 0.3:
        made["clusters.amps"] = np.full(n_units + int(rng.choice([0, 0, 1])), 1e-4)
    if rng.random() < 0.3:
        waves = rng.normal(0, 1e-5, (n_units, 20, n_channels)).astype(np.float32)
        made["clusters.waveforms"] = waves[: n_units - int(rng.choice([0, 0, 1]))]
    if rng.random() < 0.2:
        made["channels.labels"] = rng.integers(0, 4, n_channels - int(rng.choice([0, 0, 1])))
    odd: dict[str, Any] = {
        "clusters.depths": np.zeros((n_units, 20)),
        "clusters.metrics": metrics.assign(label="good"),
        "channels.rawInd": np.arange(n_channels + 1),
        "channels.brainLocationIds_ccf_2017": np.full(n_channels, np.nan),
        "channels.mlapdv": np.zeros(n_channels),
        "channels.localCoordinates": np.full((n_channels, 2), "x"),
        "clusters.channels": np.full(n_units, 1e9),
        "clusters.uuids": pd.DataFrame({"a": [1], "b": [2]}),
        "clusters.waveforms": np.zeros(3),
    }
    for name in list(made):
        draw = rng.random()
        if draw < 0.08:
            del made[name]
        elif draw < 0.12 and name in odd:
            made[name] = odd[name]
        elif draw < 0.15 and name.startswith("spikes."):
            made[name] = made[name][:, np.newaxis]
    probe = str(rng.choice([*PROBES, "", "loose"]))
    if probe in ("probe00", "imec0") and (n_sites > n_channels or rng.random() < 0.1):
        made["electrodeSites.localCoordinates"] = sites
        made["electrodeSites.brainLocationIds_ccf_2017"] = rng.choice([0, 997, 382, -382, 733], n_sites)
    if probe and rng.random() < 0.1:
        made["label"] = "probe_00"
    subject = str(rng.choice(SUBJECTS)) % number
    arrays = [name for name, values in made.items() if isinstance(values, np.ndarray) and values.dtype.kind in "iuf"]
    if arrays and rng.random() < 0.05:  # as other machines write them
        name = str(rng.choice(arrays))
        made[name] = made[name].astype(made[name].dtype.newbyteorder(">"))
    of_spikes = [name for name in arrays if name.startswith("spikes.")]
    if of_spikes and n > 1 and rng.random() < 0.02:
        name = str(rng.choice(of_spikes))
        made[name] = made[name][:-1]
    return made, f"labx/Subjects/{subject}/2024-01-02/001/alf/{probe}" if probe != "loose" else "loose/folder"


def write_folder(number: int, root: Path) -> dict[str, Any]:
    """Write a folder below ``root/data``, and trials of its session now and then; return its datasets."""
    made, place = random_folder(number)
    label = made.pop("label", "")
    folder = write(root / "data" / place, made)
    for path in list(folder.iterdir()) if label else ():
        path.rename(path.with_name(f"{path.stem}.{label}{path.suffix}"))
    if number % 3 == 0 and "alf" in folder.parts:
        alf = Path(*folder.parts[: folder.parts.index("alf") + 1])
        start = float(np.nanmin(np.r_[np.ravel(made.get("spikes.times", [0.0])), 0.0]))
        stim = (start if np.isfinite(start) else 0.0) + np.arange(5) * 4.0
        pd.DataFrame({"stimOn_times": stim, "choice": 1.0}).to_parquet(alf / "_ibl_trials.table.pqt")
    return made


class Direct:
    """What numpy reads of a folder; whatever the product says that it leaves out is left out."""

    def __init__(self, made: dict[str, Any], sorting: SpikeSorting) -> None:
        self.made, self.sorting = made, sorting
        self.times = np.ravel(made["spikes.times"]).astype(np.float64)
        self.ids = np.ravel(made["spikes.clusters"]).astype(np.int64)
        order = np.argsort(sorting.unit_ids)
        self.rows = order[np.searchsorted(sorting.unit_ids[order], self.ids)]
        n = len(self.times)
        own = np.full(n, np.nan)
        if "spikes.depths" in made:
            own = np.ravel(made["spikes.depths"]).astype(np.float64)
        of_units = self.unit_depths()
        self.depths = np.where(np.isfinite(own), own, of_units[self.rows])
        self.has_time = np.isfinite(self.times)
        self.is_placed = bool((np.isfinite(self.depths) & self.has_time).any())
        kept = np.flatnonzero(self.has_time & (np.isfinite(self.depths) | (not self.is_placed)))
        self.kept = kept[np.argsort(self.times[kept], kind="stable")]

    def has(self, name: str) -> bool:
        return name in self.made and not self.sorting.missing_reason(name)

    @property
    def channels(self) -> npt.NDArray[np.float64] | None:
        """Where channels are, lateral and axial."""
        own = self.made["channels.localCoordinates"] if self.has("channels.localCoordinates") else None
        if not self.has("electrodeSites.localCoordinates"):
            return own
        sites = self.made["electrodeSites.localCoordinates"]
        if any("as in ibllib" in note for note in self.sorting.notes):
            return sites
        raw = self.made["channels.rawInd"].astype(int) if self.has("channels.rawInd") else None
        return sites[raw] if raw is not None and len(sites) != len(raw) else sites if own is None else own

    def unit_depths(self) -> npt.NDArray[np.float64]:
        if self.has("clusters.channels") and self.channels is not None:
            return self.channels[self.made["clusters.channels"].astype(int), 1]
        if self.has("clusters.depths"):
            return np.asarray(self.made["clusters.depths"], np.float64)
        return np.full(self.sorting.n_clusters, np.nan)

    def check_check(self) -> None:
        report, sorting = describe(self.sorting), self.sorting
        json.dumps(report, allow_nan=False)
        assert report["n_spikes"] == len(self.times)
        assert report["n_dropped"] == len(self.times) - len(self.kept)
        assert report["n_clusters"] == len(sorting.unit_ids) >= len(np.unique(self.ids))
        assert set(self.ids.tolist()) <= set(sorting.unit_ids.tolist())
        assert report["duration_s"] == pytest.approx(np.ptp(self.times[self.has_time]), abs=1e-3)
        assert report["n_good"] == (None if sorting.why_no_labels else np.count_nonzero(sorting.labels == 1))
        table = self.made.get("clusters.metrics")
        if table is not None and "cluster_id" in sorting.clusters and sorting.label_kind.name in ("IBL", "FILE"):
            label = dict(zip(table["cluster_id"], table["label"], strict=True))
            for unit, found in zip(sorting.unit_ids.tolist(), sorting.labels, strict=True):
                assert np.isnan(found) if unit not in label else found == label[unit]
        if self.channels is not None and self.has("clusters.channels"):
            of = np.unique(self.channels[:, 0] // 125, return_inverse=True)[1]
            assert ("shank" in sorting.clusters) == (of.max() > 0)
            if of.max() > 0:
                expected = of[self.made["clusters.channels"].astype(int)]
                assert sorting.clusters["shank"].tolist() == expected.tolist()

    def check_columns(self, columns: SpikeColumns) -> None:
        assert columns.is_placed == self.is_placed
        rows = columns.spike_rows if columns.spike_rows is not None else np.arange(len(self.times))
        np.testing.assert_array_equal(rows, self.kept)
        np.testing.assert_array_equal(columns.times_s, self.times[self.kept])
        np.testing.assert_array_equal(columns.clusters, self.rows[self.kept])
        if self.is_placed:
            np.testing.assert_array_equal(columns.depths_um, self.depths[self.kept])
        if columns.amps_uv is not None:
            amps = np.abs(np.ravel(self.made["spikes.amps"]).astype(np.float64))
            finite = amps[np.isfinite(amps)]
            are_volts = 2 * np.count_nonzero(np.isinf(amps) | (amps > 0.01)) <= len(finite)
            shown = (amps * (1e6 if are_volts else 1.0))[self.kept]
            np.testing.assert_array_equal(columns.amps_uv, shown.astype(np.float32))

    def check_scene(self, columns: SpikeColumns) -> None:
        """What the page shows of all, and of some units: its status line, its spikes."""
        opened: Any = OpenInsertion(None, self.sorting, columns, None, 0.0)  # type: ignore[arg-type]
        clusters = self.sorting.clusters
        asked: list[tuple[dict[str, Any], npt.NDArray[np.bool_]]] = [({}, np.ones(len(clusters), bool))]
        if not self.sorting.why_no_labels:
            asked.append(({"quality": "good"}, self.sorting.labels == 1))
        if "shank" in clusters:
            asked.append(({"filters": {"shanks": "1"}}, (clusters["shank"] == 1).to_numpy()))
        if "acronym" in clusters:
            asked.append(({"filters": {"regions": "CA1"}}, (clusters["acronym"] == "CA1").to_numpy()))
        for words, mask in asked:
            scene = passing(ViewState(**words), opened).scene(opened, "allen")
            n = int(np.count_nonzero(mask[self.rows[self.kept]]))
            assert (scene.n_clusters_passing, scene.n_spikes_passing) == (mask.sum(), n)
            assert spike_counts(scene).startswith(f"{n:,} of {counted(len(self.kept), 'spike')}")
            assert scene.kept.everything or scene.kept is not None

    def check_snippets(self, columns: SpikeColumns) -> None:
        """The code of a view, run with what the sorting and ibllib's loader give, counts what it promises."""
        after = with_metrics(self.sorting, recompute(self.sorting)) if self.sorting.tests_can_be_made else self.sorting
        (start, end), (low, high) = columns.time_range_s, columns.depth_range_um
        window = {"time_range": (start - 1, start + 0.7 * (end - start) + 0.5), "depth_range": (low - 1, high + 1)}
        for sorting in dict.fromkeys((self.sorting, after)):
            opened: Any = OpenInsertion(None, sorting, columns, None, 0.0)  # type: ignore[arg-type]
            for words in ASKED:
                states = page_state(**words, **window)
                try:
                    scene = passing(states.view, opened).scene(opened, "allen")
                except BadRequest:  # a column that is not there; the page leaves the filter out
                    continue
                subject = make_subject(scene, states.values())
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(code, "SIZE", (4, 3))
                    patch.setattr(dashboard, "open_insertion", lambda *names, **more: self.as_script, raising=False)
                    of_ibllib = ibllib_snippet(subject)
                    for text in (dashboard_snippet(subject), of_ibllib[of_ibllib.index("t0, t1, d0, d1 = ") :]):
                        said = io.StringIO()
                        world = {"np": np, "spikes": self.spikes, "clusters": self.in_ibllib}
                        with redirect_stdout(said):
                            exec(compile(text, "snippet", "exec"), world)
                        assert int(said.getvalue()) == subject.n_in_view, (words, text)

    @cached_property
    def as_script(self) -> SpikeSorting:
        """Return the sorting as a script gets it: what lacks is computed, and labels other than Kilosort's stay."""
        return with_metrics(self.sorting, recompute(self.sorting)) if self.sorting.metrics_wanted else self.sorting

    @cached_property
    def spikes(self) -> dict[str, npt.NDArray[Any]]:
        found = {name.partition(".")[2]: values for name, values in self.made.items() if name.startswith("spikes.")}
        return {name: np.ravel(values) for name, values in found.items() if self.has(f"spikes.{name}")}

    @cached_property
    def in_ibllib(self) -> dict[str, npt.NDArray[Any]]:
        """What ``merge_clusters`` of ibllib returns: row n of the metrics, and of the channels, is of cluster n."""
        found = {name: self.made[f"clusters.{name}"] for name in ("channels", "depths") if self.has(f"clusters.{name}")}
        table = self.made.get("clusters.metrics")
        if table is None or len(table) != len(next(iter(found.values()), table)):
            table = recompute(self.sorting)
        found |= {name: table[name].to_numpy() for name in table}
        places = ("electrodeSites.localCoordinates", "channels.localCoordinates")
        place = next((name for name in places if self.has(name)), "")
        if self.has("clusters.channels") and place:
            found["axial_um"] = self.made[place][found["channels"].astype(int), 1]
        return found

    def check_exports(self, columns: SpikeColumns, root: Path) -> None:
        (start, end), (low, high) = columns.time_range_s, columns.depth_range_um
        subject = Subject(self.sorting, columns, (start - 1, end + 1), (low - 1, high + 1))
        assert write_spikes(root / "spikes.npz", subject, "npz") == len(self.kept)
        with np.load(root / "spikes.npz") as file:
            np.testing.assert_array_equal(file["rows"], self.kept)
            np.testing.assert_array_equal(file["times"], self.times[self.kept])
            np.testing.assert_array_equal(file["clusters"], self.ids[self.kept])
            if self.is_placed:
                np.testing.assert_array_equal(file["depths"], self.depths[self.kept])
            if "amps" in file:
                np.testing.assert_array_equal(file["amps"], np.ravel(self.made["spikes.amps"])[self.kept])
        assert cluster_table(subject)["cluster_id"].tolist() == self.sorting.unit_ids.tolist()

    def check_render(self, root: Path) -> None:
        if not self.is_placed:
            with pytest.raises(BadRequest, match="No spike has a depth"):
                render(self.sorting, width=20, height=10, cache=root / "cache")
            return
        image = render(self.sorting, width=20, height=10, cache=root / "cache")
        assert image.values.sum() == image.n_spikes == len(self.kept)
        edges = (image.depth_edges_um, image.time_edges_s)
        expected = np.histogram2d(self.depths[self.kept], self.times[self.kept], bins=edges)[0]
        np.testing.assert_array_equal(image.values, expected)
        if "atlas_id" in self.sorting.clusters:
            image = render(self.sorting, width=1, height=1, aggregate="region", cache=root / "cache")
            found, n = np.unique(self.sorting.clusters["atlas_id"].to_numpy()[self.rows[self.kept]], return_counts=True)
            assert image.values.tolist() == [[found[np.argmax(n)]]]


def check_page(sorting: SpikeSorting, root: Path) -> None:
    """No tab is left computing, whatever is selected."""
    with driven_page(root / "data", root / "cache") as page:
        page.open(sorting.ref.insertion.key)
        assert page.do(lambda: page.session.state.insertion) == sorting.ref.insertion.key
        start, end = page.do(lambda: page.session.axes.time.bounds)
        spans = {"before": (start, 0.6 * start + 0.4 * end), "after": (0.4 * start + 0.6 * end, end)}
        page.do(lambda: page.session.states.update(compare="filter:quality=good", **spans))
        for tab in (entry.title for entry in TABS):
            made = page.select(tab, *sorting.unit_ids[:2].tolist())
            page.wait(lambda made=made: is_idle(made) and not waits(made), tab)
        alert = page.session.card.alert
        assert not page.do(lambda: alert.visible and alert.severity == "error"), alert.object


def check_folder(number: int, root: Path) -> None:
    made = write_folder(number, root)
    try:
        sorting = open_insertion(root / "data", cache=root / "cache", lazy=True)
        columns = build_columns(sorting, root / "cache")
    except DashboardError as error:
        line = str(error)
        assert "\n" not in line
        assert any(words in line for words in REFUSALS), line
        return
    direct = Direct(made, sorting)
    direct.check_check()
    direct.check_columns(columns)
    direct.check_scene(columns)
    direct.check_exports(columns, root)
    if number % SNIPPETS == 0 or number in KEPT or N_FOLDERS > 200:
        direct.check_snippets(columns)
    direct.check_render(root)
    if number % PAGES == PAGES // 2:
        check_page(sorting, root)


@pytest.mark.parametrize("first", [*range(FIRST, FIRST + N_FOLDERS, BATCH)])
def test_folders_at_random(first: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each folder of a batch is tried, whichever failed before."""
    failed = []
    for number in (*range(first, min(first + BATCH, FIRST + N_FOLDERS)), *(KEPT if first == FIRST else ())):
        try:
            check_folder(number, tmp_path / str(number))
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - raised together with the others
            error.add_note(f"folder {number}")
            failed.append(error)
        else:
            shutil.rmtree(tmp_path / str(number), ignore_errors=True)
    if failed:
        raise BaseExceptionGroup("folders that failed", failed)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
