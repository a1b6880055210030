"""Signal to noise of Kilosort folders: in whitened voltage where the files say its scale, else why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashboard
from dashboard.cli.main import describe
from dashboard.model.sorting import SNR
from dashboard.page.tabs.unit.texts import metrics
from tests.sources.samples import N_CHANNELS, Phy, save, write_phy

IDENTITY = np.eye(N_CHANNELS) / 200


def write(folder: Path, *, factor: float = 10.0, **options: Any) -> Phy:
    """Write a folder as Kilosort's are: templates of norm 1, factors in standard deviations."""
    sample = write_phy(folder, **options)
    norms = np.linalg.norm(sample.templates, axis=(1, 2), keepdims=True)
    changed = Phy(**{  # type: ignore[arg-type]
        **{name: getattr(sample, name) for name in sample.__dataclass_fields__},
        "templates": sample.templates / norms, "factors": sample.factors * factor,
    })  # fmt: skip
    save(folder, templates=changed.templates, amplitudes=changed.factors)
    return changed


def opened(folder: Path, tmp_path: Path) -> Any:
    return dashboard.open_insertion(folder, cache=tmp_path / "cache")


@pytest.mark.parametrize("version", ["2", "2.5"])
def test_of_kilosort_2_it_is_the_height_of_the_whitened_template_times_its_factor(tmp_path: Path, version: str) -> None:
    sample = write(tmp_path / "data", **({"whitening_mat": IDENTITY} if version == "2.5" else {}))
    sorting = opened(sample.folder, tmp_path)
    height = np.abs(sample.templates).max(axis=(1, 2))
    merged = max((3, 4), key=lambda k: np.count_nonzero(sample.templates_of == k))
    expected = [height[k] * sample.factors[sample.templates_of == k].mean() for k in (0, 1, 5, merged)]
    np.testing.assert_allclose(sorting.clusters[SNR], expected, rtol=1e-5)
    (said,) = (note for note in sorting.notes if note.startswith("snr is"))
    assert "times the mean factor of its spikes, in standard deviations of the whitened voltage" in said
    assert said in describe(sorting)["notes"]
    assert said in metrics(sorting, 0).replace("&#x27;", "'")
    assert not sorting.why_no_snr


def test_of_kilosort_4_it_is_the_height_of_the_mean_whitened_waveform(tmp_path: Path) -> None:
    sample = write_phy(tmp_path / "data", kilosort4=True)
    save(sample.folder, templates=8 * sample.templates, whitening_mat_dat=sample.whitening, whitening_mat=IDENTITY)
    sorting = opened(sample.folder, tmp_path)
    height = np.abs(8 * sample.templates).max(axis=(1, 2))
    np.testing.assert_allclose(sorting.clusters[SNR].iloc[:3], height[[0, 1, 5]], rtol=1e-5)
    assert "factor" not in sorting.snr_definition


def test_an_snr_of_a_table_of_the_folder_stays(tmp_path: Path) -> None:
    sample = write(tmp_path / "data")
    (sample.folder / "cluster_snr.tsv").write_text("cluster_id\tsnr\n0\t3.5\n1\t4.5\n")
    sorting = opened(sample.folder, tmp_path)
    assert sorting.clusters[SNR].tolist()[:2] == [3.5, 4.5]
    assert (sorting.snr_definition, sorting.why_no_snr) == ("", "")


NONE: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "Kilosort 3": ({"whitening_mat": IDENTITY}, ("pc_features", "pc_feature_ind"), "norms of features"),
    "export_to_phy, no matrix": ({}, ("whitening_mat", "whitening_mat_inv"), "without whitening_mat.npy"),
    "export_to_phy, an identity": ({"whitening_mat": np.eye(N_CHANNELS)}, (), "whitening_mat.npy whitens nothing"),
    "not whitened by Kilosort 4": (
        {"kilosort4": True, "whitening_mat_dat": np.eye(N_CHANNELS)}, (), "whitening_mat_dat.npy whitens nothing",
    ),
    "factors of something else": ({"factor": 1.0}, (), "smaller than any threshold"),
    "no templates": ({}, ("templates",), "no usable templates"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(NONE))
def test_where_no_file_says_the_scale_there_is_none_and_it_is_said_why(tmp_path: Path, case: str) -> None:
    options, removed, said = NONE[case]
    sample = write(tmp_path / "data", **options)
    for name in removed:
        (sample.folder / f"{name}.npy").unlink()
    sorting = opened(sample.folder, tmp_path)
    assert SNR not in sorting.clusters
    assert said in sorting.why_no_snr
    assert {"dataset": "snr", "reason": sorting.why_no_snr, "can_come": False} in describe(sorting)["missing"]


def test_templates_of_another_norm_are_not_kilosorts(tmp_path: Path) -> None:
    sample = write_phy(tmp_path / "data")
    assert "not of norm 1" in opened(sample.folder, tmp_path).why_no_snr
