"""Small sortings written as ALF files, to be broken in one way each."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

N_SPIKES, N_CLUSTERS, N_CHANNELS, DURATION_S = 3000, 12, 48, 120.0
SESSION = "labx/Subjects/MOUSE_1/2024-01-02/001"


def sorting_arrays(seed: int = 0) -> dict[str, Any]:
    """Everything that a sorting's folder holds, by dataset name."""
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, N_CLUSTERS, N_SPIKES).astype(np.uint32)
    channels = rng.integers(0, N_CHANNELS, N_CLUSTERS)
    local = np.c_[np.tile([43.0, 11.0, 59.0, 27.0], N_CHANNELS // 4), 20.0 * (np.arange(N_CHANNELS) // 2 + 1)]
    depths = local[channels, 1]
    return {
        "spikes.times": np.sort(rng.uniform(0, DURATION_S, N_SPIKES)),
        "spikes.clusters": clusters,
        "spikes.depths": depths[clusters] + rng.normal(0, 5, N_SPIKES),
        "spikes.amps": np.exp(rng.normal(np.log(1e-4), 0.2, N_SPIKES)),
        "clusters.channels": channels,
        "clusters.depths": depths,
        "clusters.uuids": pd.DataFrame({"uuids": [str(uuid.UUID(int=i)) for i in range(N_CLUSTERS)]}),
        "clusters.metrics": pd.DataFrame(
            {"cluster_id": np.arange(N_CLUSTERS), "label": rng.integers(0, 4, N_CLUSTERS) / 3}
        ),
        "channels.localCoordinates": local,
        "channels.rawInd": np.arange(N_CHANNELS),
    }


def write(folder: Path, arrays: Mapping[str, Any], *, ids: bool = False, namespace: str = "") -> Path:
    """Write datasets: arrays as .npy, uuids as .csv, other tables as .pqt."""
    folder.mkdir(parents=True, exist_ok=True)
    prefix = f"_{namespace}_" if namespace else ""
    for name, value in arrays.items():
        tail = f".{uuid.uuid4()}" if ids else ""
        if isinstance(value, pd.DataFrame):
            if name == "clusters.uuids" or name.endswith("intervalsTable"):
                value.to_csv(folder / f"{prefix}{name}{tail}.csv", index=False)
            else:
                value.to_parquet(folder / f"{prefix}{name}{tail}.pqt")
        else:
            np.save(folder / f"{prefix}{name}{tail}.npy", value)
    return folder


def write_session(
    root: Path,
    *,
    probe: str = "probe00",
    sorter: str = "pykilosort",
    without: Iterable[str] = (),
    changed: Mapping[str, Any] | None = None,
    revision: str = "",
    session: str = SESSION,
    **options: Any,
) -> Path:
    """Write one sorting below a ONE cache root and return its folder."""
    arrays = {k: v for k, v in sorting_arrays().items() if k not in set(without)} | dict(changed or {})
    folder = root / session / "alf" / probe / sorter / (f"#{revision}#" if revision else "")
    return write(folder, arrays, **options)
