"""Which state of which ALF files a sorting was read from."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from dashboard.model.identity import FileState, Identity
from dashboard.model.references import SortingRef
from dashboard.sources.alf.spikes import files_key


def identity_of(ref: SortingRef, root: Path | None = None) -> Identity | None:
    """Return the identity of a sorting; None where a file cannot be named or looked at.

    Parameters
    ----------
    ref : SortingRef
        Its datasets have paths.
    root : Path or None
        Folder of the cache that files were fetched into, laid out as ONE does; a session in it goes as one.
    """
    datasets = ref.datasets
    sources = [d for d in datasets.values() if d.object in ("spikes", "passingSpikes")]
    if "spikes.depths" not in datasets:
        names = ("clusters.depths", "clusters.channels", "channels.localCoordinates")
        sources += [datasets[name] for name in names if name in datasets]
    if not any(source.name in ("spikes.times", "passingSpikes.table") for source in sources):
        return None
    files = []
    for dataset in sorted(sources, key=lambda d: (d.name, d.relative_path)):
        if dataset.path is None:
            return None
        try:
            files.append(FileState.of(dataset.path, dataset.name, dataset.md5))
        except OSError:
            return None
    of_metrics = [name for name in datasets if name.startswith(("spikes.", "passingSpikes.", "clusters."))]
    sessions = [
        dataset.path.parents[len(PurePosixPath(dataset.relative_path).parts) - 1]
        for dataset in datasets.values()
        if dataset.path is not None and root is not None and root in dataset.path.parents
    ]
    return Identity(tuple(files), files_key(datasets, of_metrics), tuple(dict.fromkeys(sessions)))
