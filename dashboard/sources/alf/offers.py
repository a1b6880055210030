"""Which sortings an insertion has to offer: every sorter and revision, with version and size."""

from __future__ import annotations

from collections.abc import Iterable

from dashboard.model.references import DatasetRef, Offer
from dashboard.sources.alf.choose import latest, revisions, sorters


def offers(datasets: Iterable[DatasetRef], probe: str) -> tuple[Offer, ...]:
    """Return the sortings of a probe, the one that is taken by default first.

    Parameters
    ----------
    datasets : iterable of DatasetRef
        Of the session.
    probe : str

    Returns
    -------
    tuple of Offer
        A revision is offered where it has spikes of its own; what it lacks comes from earlier ones.
    """
    every = list(datasets)
    found = []
    for position, sorter in enumerate(sorters(every, probe)):
        collection = f"alf/{probe}/{sorter}".rstrip("/")
        inside = [d for d in every if d.collection == collection]
        times = [d for d in inside if d.name in ("spikes.times", "passingSpikes.table")]
        default = latest([d for d in times if d.name == times[0].name], None) if times else None
        for revision in revisions(times, collection):
            own = [d for d in inside if d.revision == revision]
            sizes = [d.size if d.size is not None else _size_on_disk(d) for d in own]
            versions = sorted({d.version for d in own if d.version and d.object == "spikes"})
            found.append(
                Offer(
                    sorter=sorter,
                    revision=revision,
                    version=", ".join(versions),
                    n_bytes=sum(size for size in sizes if size is not None),
                    is_default=position == 0 and default is not None and revision == default.revision,
                )
            )
    return tuple(sorted(found, key=lambda offer: not offer.is_default))


def _size_on_disk(dataset: DatasetRef) -> int | None:
    try:
        return dataset.path.stat().st_size if dataset.path is not None else None
    except OSError:
        return None
