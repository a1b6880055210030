"""Principal components of single spikes are those that phylib gives. Needs it: `make parity`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

model = pytest.importorskip("phylib.io.model", reason="phylib is not installed (make parity)")

from dashboard.library.open import open_insertion  # noqa: E402
from dashboard.sources.phy.features import MAX_SPIKES  # noqa: E402

SAMPLE = Path(__file__).parents[3] / "shared" / "formats" / "phy" / "kilosort25"

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample folders are not beside the repository"),
]


def test_first_components_are_those_of_phylib(tmp_path: Path) -> None:
    phy, sorting = model.load_model(SAMPLE / "params.py"), open_insertion(SAMPLE, cache=tmp_path)
    n_compared = 0
    for unit in sorting.unit_ids.tolist():
        rows, found = phy.get_cluster_spikes(unit), sorting.features(unit)
        assert found.n_all == len(rows)
        if len(rows) > MAX_SPIKES:
            continue
        channels = np.unique(found.channels)
        theirs = phy.get_features(rows, channels)[:, :, 0]
        for k, channel in enumerate(channels):
            spikes, near = np.nonzero(found.channels == channel)
            np.testing.assert_array_equal(found.values[spikes, near], theirs[spikes, k])
            n_compared += len(spikes)
    assert n_compared
