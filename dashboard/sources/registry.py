"""The kinds of sources, one entry each."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.model.registry import Registry


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One kind of source: of a database or server that settings name, or of a kind of files.

    Attributes
    ----------
    name, title : str
    reads : str
        What it reads, for messages: a clause after "supported are".
    settings : tuple of str
        Names of the settings that configure it.
    configured : str
        ``"module:function (settings, default)"``: the sources that the settings name. `default` is True where a
        source that has a usual place may offer that. Empty where the source is one of paths only.
    recognises : str
        ``"module:function (path)"``: whether a folder or file holds insertions of this kind; it is not changed, and
        nothing of it is executed. Empty where paths are not its matter.
    at : str
        ``"module:function (path, settings)"``: the source of a path.
    at_address : str
        ``"module:function (text, settings)"``: the source of a web address that a person typed, None where it is none
        of this kind. Never asked about text from a page or a link. Empty where addresses are not its matter.
    problems : str
        ``"module:function (cache)"``: yields path and reason of what is not whole in the source's part of the cache.
    keeps : tuple of str
        Patterns of the folders below the cache that may be evicted, each as one.
    """

    name: str
    title: str
    reads: str
    settings: tuple[str, ...] = ()
    configured: str = ""
    recognises: str = ""
    at: str = ""
    at_address: str = ""
    problems: str = ""
    keeps: tuple[str, ...] = ()


_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/[0-9][0-9][0-9]"

SOURCES: Registry[SourceEntry] = Registry(
    "source",
    "spike_dashboard.sources",
    [
        SourceEntry(
            name="folder",
            title="ALF folder",
            reads="ALF (spikes.* files below alf/<probe>: a ONE cache, a session, one sorting)",
            settings=("data",),
            recognises="dashboard.sources.folder:recognises",
            at="dashboard.sources.folder:at",
        ),
        SourceEntry(
            name="phy",
            title="Kilosort and phy",
            reads="Kilosort 2, 2.5, 3, 4 and phy folders (spike_times.npy, params.py)",
            settings=("data",),
            recognises="dashboard.sources.phy.source:recognises",
            at="dashboard.sources.phy.source:at",
            keeps=("phy/*",),
        ),
        SourceEntry(
            name="analyzer",
            title="SpikeInterface",
            reads="SpikeInterface (a SortingAnalyzer saved as binary_folder or zarr, a saved sorting)",
            settings=("data",),
            recognises="dashboard.sources.analyzer.source:recognises",
            at="dashboard.sources.analyzer.source:at",
            keeps=("analyzer/*",),
        ),
        SourceEntry(
            name="nwb",
            title="NWB",
            reads="NWB files (.nwb with /units)",
            settings=("data", "nwb", "range_host", "range_disk", "range_budget"),
            configured="dashboard.sources.nwb.remote:configured",
            at_address="dashboard.sources.nwb.remote:at_address",
            recognises="dashboard.sources.nwb.source:recognises",
            at="dashboard.sources.nwb.source:at",
            keeps=("nwb/*",),
        ),
        SourceEntry(
            name="alyx",
            title="Alyx server",
            reads="insertions of an Alyx server",
            settings=(
                "alyx_url", "alyx_user", "alyx_password", "alyx_token", "data_user", "data_password", "one_cache",
                "offline", "range_host", "range_disk", "range_budget",
            ),
            configured="dashboard.sources.alyx.source:configured",
            problems="dashboard.sources.alyx.files:problems",
            keeps=(f"one/*/*/{_DAY}", f"one/*/*/Subjects/*/{_DAY}"),
        ),
        SourceEntry(
            name="demo",
            title="Demo",
            reads="a synthetic insertion",
            settings=("spikes",),
            configured="dashboard.sources.demo.source:configured",
            problems="dashboard.sources.demo.source:problems",
        ),
    ],
)  # fmt: skip
