"""What the Probe tab draws, computed away from the page: units in their places, spikes, depths that fire together."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import datashader as ds
import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.analysis.anatomy.correlation import DEPTH_BIN_UM, TIME_BIN_S, DepthCorrelation, depth_correlation
from dashboard.analysis.anatomy.probe import RegionSpan, region_spans
from dashboard.analysis.computed import Computed, compute_all
from dashboard.analysis.units.places import Amplitudes, peak_to_trough_ms, unit_amplitudes, unit_positions
from dashboard.engine.count.few_units import unit_rows
from dashboard.engine.count.levels import level_image
from dashboard.model.colours import selection_colours
from dashboard.model.errors import Cancelled
from dashboard.model.shanks import Shanks, find_shanks
from dashboard.page.core import shading
from dashboard.page.core.scene import Scene

OUTER_PCT = 99.9
"""The amplitude axis of all spikes ends at this percentile; how many lie beyond is said."""

SAMPLED = 1_000_000
"""Spikes from which that percentile is taken, evenly over the session."""

AXIS_ROOM = 1.06


@dataclass(frozen=True, slots=True)
class Shank:
    """One shank with the regions along it."""

    left_um: float
    right_um: float
    drawn_um: float
    regions: tuple[RegionSpan, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where channels, shanks and units are drawn, with the shanks moved together.

    Attributes
    ----------
    sites : ndarray, shape (n_channels, 2), float64
        Lateral and axial position of channels, in um.
    shanks : tuple of Shank
    drawn_um : ndarray, shape (n_units,), float64
        Lateral position of units.
    """

    sites: npt.NDArray[np.float64]
    shanks: tuple[Shank, ...]
    drawn_um: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Units:
    """All units of an insertion, whatever the filters; arrays are by row of the clusters table.

    What fails of it fails where it is read.

    Attributes
    ----------
    ids : ndarray, shape (n_units,), int64
        Indexes of the units.
    depth_um : ndarray, shape (n_units,), float64
    layout : Layout
    amplitudes : Amplitudes
    rate_hz : ndarray, shape (n_units,), float64
        Spikes over the length of the recording.
    labels : ndarray, shape (n_units,), float64
        IBL labels; NaN where there is none.
    peak_to_trough : (ndarray, shape (n_units,), float64, in ms, or None; str)
        With what they come from, or why there are none.
    """

    scene: Scene

    def __len__(self) -> int:
        return self.scene.sorting.n_clusters

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """Indexes of the units, shape (n_units,)."""
        return np.arange(len(self))

    @Computed
    def _positions(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Lateral and axial position, in um."""
        return unit_positions(self.scene.sorting)

    @property
    def depth_um(self) -> npt.NDArray[np.float64]:
        """Depth of each unit, shape (n_units,)."""
        return self._positions[1]

    @Computed
    def layout(self) -> Layout:
        """Where channels, shanks and units are drawn."""
        return _lay_out(self.scene, self._positions[0])

    @Computed
    def amplitudes(self) -> Amplitudes:
        """Amplitude of each unit."""
        return unit_amplitudes(self.scene.sorting, self.scene.columns)

    @Computed
    def rate_hz(self) -> npt.NDArray[np.float64]:
        """Spikes of each unit over the length of the recording, shape (n_units,)."""
        start, end = self.scene.columns.time_range_s
        counts = self.scene.spikes_per_cluster[: len(self)].astype(np.float64)
        return counts / (end - start) if end > start else np.full(len(self), np.nan)

    @Computed
    def labels(self) -> npt.NDArray[np.float64]:
        """IBL labels, shape (n_units,); NaN where there is none."""
        return self.scene.sorting.labels

    @Computed
    def peak_to_trough(self) -> tuple[npt.NDArray[np.float64] | None, str]:
        """Times from trough to peak in ms, shape (n_units,), and their source; or None, and why."""
        templates = self.scene.sorting.templates
        if templates is None:
            return None, self.scene.sorting.missing_reason("templates") or "the sorting has no templates"
        return peak_to_trough_ms(templates, len(self)), templates.dataset


def render_units(scene: Scene, cancel: threading.Event) -> Units:
    """Put every unit in its place.

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    units = Units(scene)
    compute_all(units)
    if cancel.is_set():
        raise Cancelled
    return units


def _lay_out(scene: Scene, lateral_um: npt.NDArray[np.float64]) -> Layout:
    """Move the shanks together."""
    channels = scene.sorting.channels
    if not {"lateral_um", "axial_um"} <= set(channels):
        return Layout(np.zeros((0, 2)), (), lateral_um)
    across = channels["lateral_um"].to_numpy(dtype=np.float64, na_value=np.nan)
    along = channels["axial_um"].to_numpy(dtype=np.float64, na_value=np.nan)
    found: Shanks = find_shanks(across)
    of = found.of(across)
    shanks = tuple(
        Shank(float(left), float(right), float(left - shift), tuple(region_spans(channels[of == k], scene.level)))
        for k, (left, right, shift) in enumerate(zip(found.left_um, found.right_um, found.shift_um, strict=True))
    )
    return Layout(np.column_stack([found.drawn(across), along]), shanks, found.drawn(lateral_um))


@dataclass(frozen=True, slots=True)
class SpikesRequest:
    """All spikes that pass, by amplitude and depth."""

    scene: Scene
    depth_range: tuple[float, float]
    width: int
    height: int
    selected: tuple[int, ...]
    palette: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SpikesPicture:
    """All spikes by amplitude and depth.

    Attributes
    ----------
    image : ndarray, shape (height, width), uint32
        As Bokeh's ``image_rgba`` takes it; row 0 is the lowest depth.
    counts : ndarray, shape (height, width), uint32
    amp_range, depth_range : (float, float)
        Edges of the picture.
    n_passing : int
        Spikes that pass, at any depth.
    n_drawn : int
        Those in the picture.
    n_beyond : int
        Those of the picture's depths whose amplitude lies beyond the axis, or is not known.
    """

    image: npt.NDArray[np.uint32]
    counts: npt.NDArray[np.uint32]
    amp_range: tuple[float, float]
    depth_range: tuple[float, float]
    n_passing: int
    n_drawn: int
    n_beyond: int


def render_spikes(request: SpikesRequest, cancel: threading.Event) -> SpikesPicture:
    """Count every spike that passes by pixel, with Datashader, and draw the selected units' own over them.

    Raises
    ------
    Cancelled
        `cancel` was set.
    """
    scene, columns = request.scene, request.scene.columns
    assert columns.amps_uv is not None
    amps, depths = columns.amps_uv, columns.depths_um
    if scene.mask is not None:
        passes = scene.mask[columns.clusters]
        amps, depths = amps[passes], depths[passes]
    if (limits := scene.amp_range_uv) is not None:
        passes = (amps >= limits[0]) & (amps < limits[1])
        amps, depths = amps[passes], depths[passes]
    if cancel.is_set():
        raise Cancelled
    low, high = request.depth_range
    last = amplitude_end(amps)
    counts = count_points(amps, depths, (0.0, last), request.depth_range, request.width, request.height)
    n_drawn = int(counts.sum())
    n_here = int(np.count_nonzero((depths >= low) & (depths <= high)))
    if cancel.is_set():
        raise Cancelled
    image = _shade(counts, request.palette)
    colours = selection_colours(len(request.selected))
    own = {unit: np.asarray(unit_rows(columns, unit), dtype=np.int64) for unit in request.selected}
    order = sorted(range(len(request.selected)), key=lambda k: -len(own[request.selected[k]]))
    for k in order:  # the unit with fewest spikes is on top
        rows = own[request.selected[k]]
        spikes = count_points(
            columns.amps_uv[rows], columns.depths_um[rows], (0.0, last), (low, high), request.width, request.height
        )
        image[spikes > 0] = shading.categorical(np.zeros((1, 1), np.int32), colours[k : k + 1])[0, 0]
    return SpikesPicture(image, counts, (0.0, last), (low, high), len(amps), n_drawn, n_here - n_drawn)


def amplitude_end(amps: npt.NDArray[np.floating]) -> float:
    """Return where an axis from zero ends that shows all but the largest amplitudes."""
    sample = amps[:: max(1, len(amps) // SAMPLED)]
    sample = sample[np.isfinite(sample)]
    end = AXIS_ROOM * float(np.percentile(sample, OUTER_PCT)) if len(sample) else 0.0
    return end if end > 0 else 1.0


def count_points(
    x: npt.NDArray[np.floating],
    y: npt.NDArray[np.floating],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    width: int,
    height: int,
) -> npt.NDArray[np.uint32]:
    """Count points by pixel, both ends of the ranges inside; row 0 is the lowest `y`."""
    canvas = ds.Canvas(plot_width=width, plot_height=height, x_range=x_range, y_range=y_range)
    points = pd.DataFrame({"x": x, "y": y}, copy=False)
    return np.asarray(canvas.points(points, "x", "y", ds.count()).data, dtype=np.uint32)


def _shade(counts: npt.NDArray[np.uint32], palette: tuple[str, ...]) -> npt.NDArray[np.uint32]:
    """Colour counts by their logarithm, up to the largest; pixels without a spike are transparent."""
    levels = level_image(counts, (0.0, float(max(counts.max(initial=0), 1))), "log")
    table = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in palette], np.uint8)
    return shading.categorical(levels.astype(np.int32) - 1, table[1:])


@dataclass(frozen=True, slots=True)
class CorrelationRequest:
    """Correlation of depths, in bins of a width in s and a height in um."""

    scene: Scene
    time_bin_s: float = TIME_BIN_S
    depth_bin_um: float = DEPTH_BIN_UM


@dataclass(frozen=True, slots=True, eq=False)
class CorrelationPicture:
    """Correlation of depths, and the limit of its colours on either side of zero."""

    found: DepthCorrelation
    limit: float

    @property
    def n_known(self) -> int:
        """Depth bins whose rate varies."""
        return int(np.isfinite(np.diagonal(self.found.values)).sum())


def render_correlation(request: CorrelationRequest, cancel: threading.Event) -> CorrelationPicture:
    """Correlate the rates of all depths over the whole session, of the units that pass.

    Raises
    ------
    BadRequest
        Bins that make no sense for this recording.
    Cancelled
        `cancel` was set.
    """
    scene = request.scene
    found = depth_correlation(
        scene.columns,
        request.time_bin_s,
        request.depth_bin_um,
        kept=scene.kept,
        cancel=cancel,
    )
    return CorrelationPicture(found, found.limit)


def warm_up() -> None:
    """Compile what counts all spikes, before anyone waits for it: as they are kept, and as a filter leaves them."""
    for is_writeable in (False, True):
        amps, depths = np.ones(8, dtype=np.float32), np.ones(8)
        amps.flags.writeable = depths.flags.writeable = is_writeable
        count_points(amps, depths, (0.0, 2.0), (0.0, 2.0), 8, 8)
