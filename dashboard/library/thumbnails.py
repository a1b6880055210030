"""Small pictures of insertions that have been opened, for lists: counted by the engine, kept in the cache."""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path

import numpy as np
from PIL import Image

from dashboard.engine.columns.columns import SpikeColumns
from dashboard.engine.count.raster import overview
from dashboard.model.files import write_file

logger = logging.getLogger(__name__)

FOLDER = "thumbnails"
SIZE = (192, 96)
"""Width and height in pixels."""

INK = (92, 107, 192)
"""Reads on light and on dark ground."""

N_LEVELS = 16
"""Of opacity: four bits a pixel."""

STANDARD_DEVIATIONS = 4
"""Above the mean of the pixels with spikes, where the ink is full: as in the raster."""


def draw_thumbnail(columns: SpikeColumns) -> bytes:
    """Return the raster of a whole session as a small PNG, with the tip at the bottom; clear where no spike is.

    Parameters
    ----------
    columns : SpikeColumns
        With at least one spike.
    """
    counts = Image.fromarray(overview(columns).values[::-1].astype(np.float32))
    values = np.asarray(counts.resize(SIZE, Image.Resampling.BOX))
    known = values[values > 0]
    top = float(known.mean() + STANDARD_DEVIATIONS * known.std()) if known.size else 1.0
    levels = Image.fromarray(np.round((N_LEVELS - 1) * np.clip(values / top, 0, 1)).astype(np.uint8), "P")
    levels.putpalette(INK * N_LEVELS)
    file = io.BytesIO()
    levels.save(file, "PNG", bits=4, transparency=bytes(255 * k // (N_LEVELS - 1) for k in range(N_LEVELS)))
    return file.getvalue()


def keep_thumbnail(cache: Path, insertion: str, columns: SpikeColumns) -> None:
    """Keep the picture of an insertion, by its key; one without spikes or depths has none."""
    if not (columns.n_spikes and columns.is_placed):
        return
    try:
        path = _path(cache, insertion)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, draw_thumbnail(columns))
    except OSError as error:
        logger.info("no small picture of %s: %s", insertion, error)


def find_thumbnail(cache: Path, insertion: str) -> bytes | None:
    """Return the picture of an insertion; None where it was never opened with this cache."""
    try:
        return _path(cache, insertion).read_bytes()
    except OSError:
        return None


def _path(cache: Path, insertion: str) -> Path:
    return cache / FOLDER / f"{hashlib.sha256(insertion.encode()).hexdigest()[:32]}.png"
