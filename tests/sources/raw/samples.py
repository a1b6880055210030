"""Small raw recordings of SpikeGLX that tests write: a line of sites, counts of a known kind."""

from __future__ import annotations

import itertools
import json
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

N_CHANNELS = 16
SYNC = 64
RUN = "_spikeglx_ephysData_g0_t0.imec0"

NP1 = "(0,384)" + "".join(f"({channel} 0 0 500 250 1)" for channel in range(N_CHANNELS))
NP2_4SHANKS = "(24,384)" + "".join(f"({channel} {channel % 4} 0 0 {channel // 4})" for channel in range(N_CHANNELS))


def write_meta(path: Path, n_samples: int, n_columns: int = N_CHANNELS + 1, **changed: str) -> None:
    """Write a ``.meta``; `changed` replaces fields, and a field of None is left out."""
    n = n_columns - 1
    fields = {
        "acqApLfSy": f"{n},{n},1",
        "fileSizeBytes": str(2 * n_columns * n_samples),
        "imAiRangeMax": "0.6",
        "imDatPrb_sn": "18005116811",
        "imDatPrb_type": "0",
        "imSampRate": "30000" if ".ap" in path.name else "2500",
        "nSavedChans": str(n_columns),
        "snsApLfSy": f"{n},0,1" if ".ap" in path.name else f"0,{n},1",
        "snsSaveChanSubset": "all",
        "~imroTbl": NP1,
        "~snsShankMap": "(1,2,480)" + "".join(f"(0:{channel % 2}:{channel // 2}:1)" for channel in range(n)),
    }
    lines = [f"{name}={value}" for name, value in (fields | changed).items() if value is not None]
    path.write_text("\n".join(lines) + "\n")


def write_cbin(path: Path, counts: npt.NDArray[np.int16], n_chunk: int, *, over_columns: bool = False) -> None:
    """Write a ``.cbin`` and its ``.ch`` as mtscomp does."""
    bounds = [*range(0, len(counts), n_chunk), len(counts)]
    offsets, content = [0], b""
    for first, end in itertools.pairwise(bounds):
        chunk = counts[first:end]
        chunk = np.concatenate([chunk[:1], np.diff(chunk, axis=0)])
        if over_columns:
            chunk = np.concatenate([chunk[:, :1], np.diff(chunk, axis=1)], axis=1)
        content += zlib.compress(np.ascontiguousarray(chunk.T).tobytes())
        offsets.append(len(content))
    path.write_bytes(content)
    index = {
        "version": "1.0", "algorithm": "zlib", "dtype": "int16", "chunk_order": "F", "do_time_diff": True,
        "do_spatial_diff": over_columns, "n_channels": counts.shape[1], "chunk_bounds": bounds,
        "chunk_offsets": offsets,
    }  # fmt: skip
    path.with_suffix(".ch").write_text(json.dumps(index))


def write_recording(folder: Path, n_samples: int = 4_000, n_chunk: int = 1_000, seed: int = 0) -> npt.NDArray[np.int16]:
    """Write AP, compressed, with its clock, of which the session runs 10 s ahead; return the counts."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    counts = rng.integers(-32768, 32768, (n_samples, N_CHANNELS + 1), dtype=np.int16)  # differences wrap around
    counts[:, -1] = SYNC
    write_cbin(folder / f"{RUN}.ap.cbin", counts, n_chunk)
    write_meta(folder / f"{RUN}.ap.meta", n_samples)
    np.save(folder / f"{RUN}.timestamps.npy", np.array([[0, 10.0], [3_000, 10.1], [6_000, 10.2]]))
    return counts
