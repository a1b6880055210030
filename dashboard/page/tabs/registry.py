"""The tabs of the dock: an entry each, of plain values; what they name is imported when it is first used.

Dock, links, bins, keys, help and export are derived from it. Another package adds a tab through an entry point of the
group ``spike_dashboard.tabs``, which names a `TabEntry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dashboard.export.registry import DATA_FILES, SHEETS, DataFileEntry, SheetEntry
from dashboard.model.errors import BadRequest
from dashboard.model.registry import Registry, load

if TYPE_CHECKING:
    from dashboard.page.core.state import PageState


@dataclass(frozen=True, slots=True)
class LinkWord:
    """A word of the link and the parameter of a state that it sets.

    Attributes
    ----------
    word : str
        In the link: ``"of"``.
    parameter : str
        Of a state; empty where it is called as the word.
    read, write : callable, str or None
        ``(text) -> value``, which raises ValueError or BadRequest, and ``(value) -> text``, or ``"module:function"``;
        None takes what fits the kind of the parameter.
    gone : str
        ``"module:function"`` of value, sorting and level of regions, which returns a sentence where the sorting does
        not have what the value names, else ``''``; the default is then shown.
    lasts : {'page', 'session', 'insertion'}
        Until when the value holds: another session, or any opening, sets it back to its default.
    example : str
        A value as links have it, for docs/links.md.
    help : str
        What the word means, for docs/links.md; empty where the parameter's own ``doc`` says it.
    """

    word: str
    parameter: str = ""
    read: Callable[[str], Any] | str | None = None
    write: Callable[[Any], str] | str | None = None
    gone: str = ""
    lasts: Literal["page", "session", "insertion"] = "page"
    example: str = ""
    help: str = ""

    @property
    def name(self) -> str:
        """Name of the parameter."""
        return self.parameter or self.word


@dataclass(frozen=True, slots=True)
class TabEntry:
    """A tab.

    Attributes
    ----------
    name : str
        Of its folder: ``"unit"``.
    title : str
        On the page and, in any case of letters, in links: ``tab=unit``.
    tab : str
        ``"module:Class"`` of a `dashboard.page.core.tab.Tab`, which is made with services and title.
    states : tuple of str
        ``"module:Class"`` of the states whose parameters are its own; a state of a service stands with the tab that
        has its controls.
    words : tuple of LinkWord
        Of those states, in links.
    bins : str
        ``"module:FIELDS"`` of the numbers that stand under the word ``bins`` of links.
    keys : tuple of str
        Keys that the tab is told of by `press`, as the browser names them, letters small.
    sheets : tuple of SheetEntry
    data_files : tuple of DataFileEntry
        Their functions are given a `dashboard.page.services.export_view.ExportView`.
    code : str
        ``"module:function"`` of such a view, which returns lines of Python that give the numbers of the tab, to stand
        behind those of the view; empty where the tab has none.
    help : tuple of (tuple of str, str)
        Lines of the help: keys as they are shown, and what they do.
    is_late : bool
        Whether it is made when it is first looked at.
    follows_hidden : bool
        Whether it takes a new scene even while another tab is open.
    warm_up : str
        ``"module:function"`` that compiles its kernels, on a thread of the server; empty where it has none.
    """

    name: str
    title: str
    tab: str
    states: tuple[str, ...] = ()
    words: tuple[LinkWord, ...] = ()
    bins: str = ""
    keys: tuple[str, ...] = ()
    help: tuple[tuple[tuple[str, ...], str], ...] = ()
    sheets: tuple[SheetEntry, ...] = ()
    data_files: tuple[DataFileEntry, ...] = ()
    code: str = ""
    is_late: bool = True
    follows_hidden: bool = False
    warm_up: str = ""


class TabRegistry(Registry[TabEntry]):
    """Tabs, whose titles, words, parameters, keys and bins are each of one tab."""

    def add(self, entry: TabEntry) -> None:
        """Add the tab of another package.

        Raises
        ------
        BadRequest
            Its name, or something that it brings, is taken.
        """
        from dashboard.page.core.state import ViewState

        taken = {
            *(("parameter", name) for name in ViewState.param),
            *(("word", word) for word in load("dashboard.page.link:PAGE_WORDS")),
            *(("key", key) for key in PAGE_KEYS),
            *(("sheet", sheet.name) for sheet in SHEETS),
            *(("data file", file.name) for file in DATA_FILES),
        }
        taken |= {claim for other in self for claim in _claims(other)}
        if clash := sorted(_claims(entry) & taken):
            raise BadRequest(f"The tab {entry.name} has a {clash[0][0]} that is taken", repr(clash[0][1]))
        super().add(entry)

    @property
    def titles(self) -> tuple[str, ...]:
        """Titles of the tabs, in their order."""
        return tuple(entry.title for entry in self)


def _claims(entry: TabEntry) -> set[tuple[str, str]]:
    """Return what an entry brings, by kind: what two tabs cannot both have."""
    parameters = {name for target in entry.states for name in load(target).param if name != "name"}
    return {
        ("title", entry.title.casefold()),
        *(("parameter", name) for name in parameters),
        *(("word", word.word) for word in entry.words),
        *(("key", key) for key in entry.keys),
        *(("sheet", sheet.name) for sheet in entry.sheets),
        *(("data file", file.name) for file in entry.data_files),
        *(("name of a bin", name) for name in (load(entry.bins) if entry.bins else ())),
    }


PAGE_KEYS = (
    "v", "b", "z", "h", "g", "?", "+", "-", "=", "Backspace", "Escape", "Home", "ArrowLeft", "ArrowRight", "ArrowUp",
    "ArrowDown",
)  # fmt: skip
"""Keys that belong to the page itself."""

_TABS, _SPANS = "dashboard.page.tabs", "dashboard.page.plot.spans"
_ALIGNMENT, _CURATION, _RESPONSES, _TRIALS = (
    f"dashboard.page.services.{name}" for name in ("alignment", "curation", "response_test", "trial_browser")
)
_OWN = "dashboard.page.services.own_events"
_UNIT, _PROBE, _EVENTS, _COMPARE, _RAW = (f"{_TABS}.{name}" for name in ("unit", "probe", "events", "compare", "raw"))


def _file(name: str, title: str, module: str, suffix: str, *, names_unit: bool = False) -> DataFileEntry:
    write, note = (f"{module}.exports:{do}_{suffix}" for do in ("write", "note"))
    return DataFileEntry(name, title, ("csv", "npz"), write, note, names_unit)


TABS = TabRegistry("tab", "spike_dashboard.tabs", [
    TabEntry(
        "summary", "Summary", f"{_TABS}.summary.tab:SummaryTab", is_late=False,
        sheets=(SheetEntry("quality", "Quality of the recording by depth", f"{_TABS}.summary.exports:draw_quality"),),
        data_files=(
            DataFileEntry(
                "quality", "Quality of the recording by depth", ("csv", "npz"), f"{_TABS}.summary.exports:write",
                f"{_TABS}.summary.exports:note",
            ),
        ),
    ),
    TabEntry(
        "clusters", "Clusters", f"{_TABS}.clusters.tab:ClusterTable", is_late=False, follows_hidden=True,
        states=(f"{_TABS}.clusters.state:TableState",),
        words=(
            LinkWord(
                "sort", "table_sort", f"{_TABS}.clusters.state:read_sort", example="-firing_rate",
                help="Columns that the table of units is sorted by; - before a column puts the largest first.",
            ),
            LinkWord(
                "search", "table_search", f"{_TABS}.clusters.state:read_search", example="firing_rate=%3E2",
                help="What is searched for in columns of the table of units: here firing_rate above 2 Hz.",
            ),
        ),
        keys=("j", "k"), help=((("J", "K"), "next and previous unit of the table"),),
    ),
    TabEntry(
        "unit", "Unit", f"{_UNIT}.tab:UnitTab", bins=f"{_UNIT}.words:UNIT_FIELDS",
        sheets=(
            SheetEntry("unit", "Selected unit", f"{_UNIT}.exports:draw_unit", is_first=True),
            SheetEntry("pairs", "Cross-correlograms", f"{_UNIT}.exports:draw_pairs"),
        ),
        data_files=(
            _file("correlogram", "Autocorrelogram of the unit", _UNIT, "correlogram", names_unit=True),
            _file("pairs", "Cross-correlograms of the selected units", _UNIT, "pairs"),
        ),
    ),
    TabEntry(
        "curation", "Curation", f"{_TABS}.curation.tab:CurationTab", states=(f"{_CURATION}:CurationState",),
        words=(
            LinkWord(
                "unjudged", example="on", help="Whether J and K stop only at units that the person has not judged yet."
            ),
            LinkWord(
                "applied", example="on",
                help="Whether units are shown merged and split, without removed units and bad spans.",
            ),
        ),
        help=(
            (("Alt + G", "M", "N"), "label the selected units good, mua or noise; a server may name more"),
            (("Alt + S",), "the selected units are the same one: a proposal to merge them; in this tab also G"),
            (("Ctrl + Z", "Ctrl + Shift + Z"), "undo and redo one's own labels, notes and flags"),
        ),
        data_files=(
            DataFileEntry(
                "curation", "Curation: labels, notes, merges and splits (JSON: SpikeInterface's)", ("json", "csv"),
                f"{_TABS}.curation.exports:write_curation", f"{_TABS}.curation.exports:note_curation",
            ),
            DataFileEntry(
                "decisions", "Every decision about units of this insertion", ("csv",),
                f"{_TABS}.curation.exports:write_decisions", f"{_TABS}.curation.exports:note_decisions",
            ),
        ),
    ),
    TabEntry(
        "probe", "Probe", f"{_PROBE}.tab:ProbeTab", states=(f"{_PROBE}.state:ProbeState",),
        words=(LinkWord("marks", example="rate", help="What the colour of a unit on the map means."),
        LinkWord("beside", example="amplitude")), bins=f"{_PROBE}.words:PROBE_FIELDS",
        warm_up=f"{_PROBE}.picture:warm_up",
        sheets=(SheetEntry("probe", "Correlation of depths", f"{_PROBE}.exports:draw_probe", is_first=True),),
    ),
    TabEntry(
        "events", "Events", f"{_EVENTS}.tab:EventsTab",
        states=(
            f"{_ALIGNMENT}:AlignmentState", f"{_RESPONSES}:ResponseTestState", f"{_TRIALS}:TrialState",
            f"{_OWN}:OwnEventsState",
        ),
        words=(
            LinkWord("event", read=f"{_ALIGNMENT}:read_name", gone=f"{_ALIGNMENT}:gone_event", example="stimOn"),
            LinkWord("split", read=f"{_ALIGNMENT}:read_name", gone=f"{_ALIGNMENT}:gone_split", example="contrast"),
            LinkWord(
                "of", "spikes_of", f"{_ALIGNMENT}:read_subject", gone=f"{_ALIGNMENT}:gone_region", example="region:CA1",
                help="Whose spikes are aligned: unit, depths (in view), filter (units that pass), or region:ACRONYM.",
            ),
            LinkWord(
                "mask", "masked", example="off",
                help="Whether the trials that the brain-wide map does not use are left out; on by default.",
            ),
            LinkWord(
                "test", read=f"{_RESPONSES}:normalise_test", lasts="insertion", example="stimOn,none,mask,-0.5,0,0,0.5",
                help="The test of responses to run: event, split, mask or all, windows of baseline and response in s.",
            ),
            LinkWord(
                "trial", read=f"{_TRIALS}:read_trial", write=f"{_TRIALS}:write_trial", gone=f"{_TRIALS}:gone_trial",
                lasts="insertion", example="12", help="The trial that the raster shows, counted from 1."),
            LinkWord(
                "ownevents", "own_events", read=f"{_OWN}:read_name", gone=f"{_OWN}:gone", lasts="insertion",
                example="AAAAAAAAAAAAAAAAAAAAAA",
                help="Events that were brought in on the page, by the name under which the server keeps them.",
            ),
        ),
        bins=f"{_ALIGNMENT}:EVENT_FIELDS",
        sheets=(SheetEntry("event", "Events", f"{_EVENTS}.exports:draw_events", is_first=True),),
        data_files=(_file("psth", "Rates around the event, by group of trials", _EVENTS, "rates"),),
    ),
    TabEntry(
        "compare", "Compare", f"{_COMPARE}.tab:CompareTab", states=(f"{_COMPARE}.state:CompareState",),
        words=(LinkWord(
            "compare", read=f"{_COMPARE}.words:normalise", example="sorting:pykilosort,2024-05-06",
            help="The other side: sorting:SORTER,REVISION, probe:NAME, or filter: and words of filters.",
        ),
        LinkWord("groups", example="only in A", help="Which groups of units the table of Compare has.")),
        bins=f"{_COMPARE}.fields:COMPARE_FIELDS",
        sheets=(
            SheetEntry(
                "compare", "Comparison", f"{_COMPARE}.exports:draw_comparison", is_first=True, needs_shown=True
            ),
        ),
        data_files=(
            _file(
                "compare", "Comparison: what became of the units, pictures of both sides", _COMPARE, "comparison"
            ),
        ),
    ),
    TabEntry(
        "change", "Change", f"{_TABS}.change.tab:ChangeTab", states=(f"{_SPANS}:SpanState",), is_late=False,
        follows_hidden=True, words=(LinkWord("before", lasts="session", example="0,600"),
        LinkWord("after", lasts="session", example="1200,1800")),
        keys=("[", "]"), help=((("[", "]"), "mark the window in view as the span before, or after"),),
        sheets=(SheetEntry("change", "Change of units", f"{_TABS}.change.exports:draw_change", is_first=True),),
    ),
    TabEntry(
        "raw", "Raw", f"{_TABS}.raw.tab:RawTab", states=(f"{_TABS}.raw.state:RawState",),
        warm_up="dashboard.sources.raw.inflate:warm_up",
        words=(
            LinkWord(
                "rawat", "raw_at", read=f"{_TABS}.raw.state:read_at", write=f"{_TABS}.raw.state:write_at",
                lasts="session", example="12.2"),
            LinkWord("rawband", "raw_band", example="lf"),
            LinkWord("rawstep", "raw_step", example="destriped"),
            LinkWord(
                "rawdb", "raw_db", example="6",
                help="Gain of the picture of the voltage, in dB above its default.",
            ),
            LinkWord("rawcmap", "raw_palette", example="PuOr"),
            LinkWord("rawms", "raw_ms", read=f"{_RAW}.state:read_ms", example="200"),
            LinkWord(
                "rawmany", "raw_many", read=f"{_RAW}.state:read_many", example="50",
                help="How many single spikes of the selected unit are laid over each other; 0 shows none.",
            ),
        ),
        sheets=(SheetEntry("raw", "Raw voltage", f"{_RAW}.exports:draw_raw", is_first=True, needs_shown=True),),
        data_files=(
            DataFileEntry(
                "raw", "Raw voltage of every channel, with the spikes in it", ("npz",), f"{_RAW}.exports:write_voltage",
                f"{_RAW}.exports:note_voltage",
            ),
        ),
        code=f"{_RAW}.exports:code",
        keys=("r", ",", ".", "<", ">"),
        help=(
            (("R",), "the raw voltage in the middle of the view, or where the raster is clicked"),
            ((",", "."), "previous and next spike of the selected unit, in the raw voltage"),
            (("<", ">"), "previous and next trial event, in the raw voltage: of the kind that Events aligns to"),
        ),
    ),
])  # fmt: skip


def words() -> Iterator[LinkWord]:
    """Yield the words that tabs bring to links."""
    for entry in TABS:
        yield from entry.words


def state_kinds() -> list[type]:
    """Return the states that tabs bring."""
    return [load(target) for entry in TABS for target in entry.states]


def page_state(**values: Any) -> PageState:
    """Return the state of a new page: the shared one, and those of the tabs.

    Parameters
    ----------
    **values
        Parameters of any of them.

    Raises
    ------
    ValueError
        A value cannot be taken, or no state has such a parameter.
    """
    from dashboard.page.core.state import PageState

    return PageState(state_kinds(), **values)
