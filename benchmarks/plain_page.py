"""The plain way, to compare with: HoloViews' `rasterize` of a sorting's frame on a Panel page, as documented.

Run ``python -m benchmarks.plain_page --cache FOLDER [--spikes N]``; it prints its address. The frame holds the same
spikes as our page: times, clusters, depths, amplitudes and the region of each spike. All sessions share it. Time
zooms with the wheel, as on our page; everything else is what HoloViews, Datashader and Panel do by themselves.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import holoviews as hv
import numpy as np
import pandas as pd
import panel as pn
from holoviews.operation.datashader import rasterize

from dashboard.library.open import open_insertion
from dashboard.sources.demo.source import DemoSource

WIDTH, HEIGHT = 1600, 800


def session_frame(cache: Path, n_spikes: int) -> pd.DataFrame:
    """Return every spike of the demo with everything that is known of it."""
    sorting = open_insertion("demo", source=DemoSource(cache, n_spikes=n_spikes), cache=cache)
    spikes = sorting.spikes
    clusters = np.asarray(spikes.clusters)
    acronyms = sorting.clusters["acronym"].reindex(np.arange(int(clusters.max()) + 1)).fillna("void").astype("category")
    regions = pd.Categorical.from_codes(acronyms.cat.codes.to_numpy()[clusters], acronyms.cat.categories)
    return pd.DataFrame(
        {
            "times": np.asarray(spikes.times_s),
            "clusters": clusters,
            "depths": np.asarray(spikes.depths_um, dtype=np.float64),
            "amps": np.asarray(spikes.amps_v, dtype=np.float64),
            "region": regions,
        }
    )


def make_page(points: hv.Points) -> pn.pane.HoloViews:
    """Return the page of one session."""
    picture = rasterize(points, width=WIDTH, height=HEIGHT).opts(
        frame_width=WIDTH,
        frame_height=HEIGHT,
        cmap="gray_r",
        tools=["xwheel_zoom", "pan"],
        active_tools=["xwheel_zoom", "pan"],
    )
    return pn.pane.HoloViews(picture)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--spikes", type=int, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    pn.extension()
    hv.extension("bokeh")
    points = hv.Points(session_frame(options.cache, options.spikes), ["times", "depths"])
    server = pn.serve(
        lambda: make_page(points), port=options.port, show=False, start=False, verbose=False, title="Plain page"
    )
    print(f"http://localhost:{server.port}/", flush=True)
    server.run_until_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
