"""Sentences of the page: status line, header, notes. Text from files is escaped here."""

from __future__ import annotations

from html import escape

from dashboard.engine.count.registry import AGGREGATES
from dashboard.model.references import Histology
from dashboard.model.sorting import HISTOLOGY, SpikeSorting
from dashboard.model.texts import counted, duration_text
from dashboard.page.core import shading
from dashboard.page.core.scene import Scene
from dashboard.page.core.shading import Levels, bin_text
from dashboard.page.core.state import ViewState
from dashboard.page.plot.heatmap import HeatmapPicture
from dashboard.page.plot.raster import RasterPicture
from dashboard.page.plot.unit_rows import RowsPicture

HISTOLOGY_WORDS = {
    Histology.ALF: ("alf, final", "Brain locations are in the files: resolved by the lab, final."),
    Histology.RESOLVED: ("resolved, final", "The alignment is resolved: final, read from the database."),
    Histology.ALIGNED: ("aligned, not final", "Aligned by at least one person and not resolved: may still move."),
    Histology.TRACED: ("traced, not final", "Traced only: depths may not match the brain regions."),
    Histology.NONE: ("none", "No brain locations: the probe has not been traced, or they cannot be used."),
    Histology.UNKNOWN: ("unknown", "Whether there are brain locations is not known."),
}

UNIT_WORDS = {"uV": "µV", "a.u.": "arbitrary units"}

LEGEND_ENTRIES = 6
"""A legend of more is cut off beside the buttons; the region strip names the colours then."""


def header(sorting: SpikeSorting) -> str:
    """Return what is open: subject, date, number, probe, sorter, revision, histology state."""
    insertion = sorting.ref.insertion
    sorter = sorting.ref.sorter.value or "base"
    revision = sorting.ref.revision.value or "original"
    session = f"{insertion.subject} {insertion.date}/{insertion.number:03d}" if insertion.date else insertion.subject
    where = f"{session} {insertion.probe}"
    word, meaning = HISTOLOGY_WORDS[sorting.histology]
    if HISTOLOGY in sorting.incomplete:
        meaning = "The database did not answer; it is asked again until it does."
    state = "" if sorting.histology.is_final else " draft"
    sorter_why, revision_why, histology_why = (escape(reason) for _, _, reason in sorting.choices)
    badge = f'<span class="badge{state}" title="{escape(meaning)} ({histology_why})">histology: {escape(word)}</span>'
    if differences := sorting.differences:
        words = ", ".join(word for word, _ in differences.values())
        why = "; ".join(sentence for _, sentence in differences.values())
        badge += f'<span class="badge draft" title="{escape(why)}">{escape(words)}</span>'
    pid = (
        f'<span class="dim" title="insertion id {escape(insertion.pid)}">{escape(insertion.pid)}</span>'
        if insertion.pid
        else ""
    )
    return (
        f'<div class="header"><b>{escape(where)}</b><span title="sorter: {sorter_why}">{escape(sorter)}</span>'
        f'<span title="revision: {revision_why}">{escape(revision)}</span>{badge}{pid}</div>'
    )


def spike_counts(scene: Scene) -> str:
    """Return ``N of N spikes``, with what was dropped or hidden named."""
    columns, sorting = scene.columns, scene.sorting
    passing, total = scene.n_spikes_passing, columns.n_spikes
    text = f"{passing:,} of {counted(total, 'spike')}"
    asides = []
    if sorting.n_dropped:
        asides.append(f"{sorting.n_dropped:,} dropped: {sorting.drop_reason}")
    if sorting.incomplete:
        asides.append(f"without {', '.join(sorting.incomplete)}, which could not be fetched")
    if passing < total:
        asides.append(f"{total - passing:,} hidden by filters")
    return f"{text} ({'; '.join(asides)})" if asides else text


def status(scene: Scene, picture: RasterPicture | RowsPicture | None, coarser: int = 1) -> str:
    """Return the status line under the raster; `coarser` is how many pixels of the screen share a side of a bin."""
    parts = [spike_counts(scene), f"{scene.n_clusters_passing:,} of {counted(scene.sorting.n_clusters, 'unit')}"]
    if scene.sorting.curation:
        parts.append(scene.sorting.curation)
    if picture is not None:
        if picture.n_in_view == 0:
            hidden = f"; {picture.n_hidden:,} hidden by filters" if picture.n_hidden else ""
            parts.append(f"0 spikes here{hidden}")
        else:
            parts.append(f"{picture.n_in_view:,} in view")
        parts.append(f"{picture.render_ms:.0f} ms")
        if coarser > 1:
            parts.append(f"coarser bins while moving, their counts exact: {bin_text(picture.aggregate)}")
    return " · ".join(parts)


def colour_bar(scene: Scene, picture: RasterPicture, palette: tuple[str, ...]) -> str:
    """Return the raster's colour bar or legend as HTML; what was asked for meanwhile may be another colour."""
    inside = _colour_bar(scene, picture, palette)
    return f'<div class="bar-row">{inside}</div>'


def _colour_bar(scene: Scene, picture: RasterPicture, palette: tuple[str, ...]) -> str:
    entry, entries = AGGREGATES[picture.aggregate.kind], scene.legend(picture.aggregate.kind)
    is_selected = picture.overlay is not None
    if picture.marks is not None and (is_selected or not entries):
        aside = "; selected units in their colours, the others grey" if is_selected else ""
        return f'<span class="title">each mark is one spike{aside}</span>'
    unit = UNIT_WORDS.get(picture.aggregate.unit, picture.aggregate.unit)
    title = entry.bar.format(bin=bin_text(picture.aggregate), unit=unit)
    if picture.levels is None:
        aside = ", selected units over it" if is_selected else ""
        return f'<span class="title">{escape(title + aside)}</span>{legend_chips(entries)}'
    levels = picture.levels
    if picture.is_aside:
        title = f"selected units in their colours; grey: {title}"
    scale = {"linear": "", "log": ", log", "eq": ", equalised: not quantitative"}[levels.scale]
    return f'<span class="title">{escape(title + scale)}</span>{scale_bar(levels, palette)}'


def scale_bar(levels: Levels, palette: tuple[str, ...]) -> str:
    """Return the bar of a palette between the values of its ends."""
    stops = ",".join(palette[index] for index in range(0, 256, 17))
    return (
        f'<span>{levels.low:.2g}</span><i class="bar" style="background:linear-gradient(to right,{stops})"></i>'
        f"<span>{_short(levels.high)}</span>"
    )


def _short(value: float) -> str:
    """Return a number with three digits, and never with a power of ten where people count."""
    return f"{float(f'{value:.3g}'):,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.3g}"


def legend_chips(entries: list[tuple[str, str]], named_by: str = "the region strip") -> str:
    """Return names with their colours, where they are few enough to stand beside the buttons."""
    if len(entries) > LEGEND_ENTRIES:
        return f'<span class="title">colours of {named_by}</span>'
    return "".join(
        f'<span class="chip"><i style="background:{colour}"></i>{escape(name)}</span>' for name, colour in entries
    )


def heatmap_bar(scene: Scene, picture: HeatmapPicture, state: ViewState, palette: tuple[str, ...]) -> str:
    """Return the heatmap's colour bar as HTML."""
    heat, merged = picture.heat, ""
    if heat is not None and not heat.is_there:
        return f'<div class="bar-row"><span class="title">{escape(heat.words)}</span></div>'
    if heat is not None:
        palette = shading.palette(picture.palette, dark=state.dark)
    stops = ",".join(palette[index] for index in range(0, 256, 17))
    if picture.merged != (1, 1):
        drawn = duration_text(state.time_bin_s * picture.merged[0])
        merged = f", mean over {drawn} × {state.depth_bin_um * picture.merged[1]:.3g} µm"
    title = f"Hz per {duration_text(state.time_bin_s)} × {state.depth_bin_um:.3g} µm bin{merged}"
    low = f"{picture.levels.low:.2g}"
    if heat is not None:
        title, low = heat.words, _short(picture.levels.low)
    return (
        f'<div class="bar-row"><span class="title">{escape(title)}</span><span>{low}</span>'
        f'<i class="bar" style="background:linear-gradient(to right,{stops})"></i>'
        f"<span>{_short(picture.levels.high)}</span></div>"
    )


def unfetched(sorting: SpikeSorting) -> list[str]:
    """Return what a page says over the pictures where something exists and could not be fetched."""
    if not sorting.incomplete:
        return []
    said = "; ".join(f"{name} ({why.rstrip('.')})" for name, why in sorting.incomplete.items())
    return [f"Not everything could be fetched; the pictures are drawn without it: {said}."]


def notes(sorting: SpikeSorting, notice: str = "") -> str:
    """Return what a reader of the plot should know: decisions, mixed revisions, missing datasets.

    Parameters
    ----------
    sorting : SpikeSorting
    notice : str
        What the source says of itself now, such as that it is offline; first, and marked.
    """
    warning = f'<div class="notice">{escape(notice)}</div>' if notice else ""
    lines = [f"{name} {value}: {reason}" for name, value, reason in sorting.choices if reason]
    lines += [f"{name}: {sentence}" for name, (_, sentence) in sorting.differences.items()]
    lines += [note for note in sorting.notes if note not in sorting.histology_reason]
    items = "".join(f"<li>{escape(line)}</li>" for line in lines if line)
    missing = "".join(f"<li><b>{escape(item.dataset)}</b> {escape(item.reason)}</li>" for item in sorting.missing)
    is_open = " open" if any(item.can_come for item in sorting.missing) else ""
    summary = f"<summary>{counted(len(sorting.missing), 'dataset')} not available</summary>"
    absent = f"<details{is_open}>{summary}<ul>{missing}</ul></details>"
    return f'<div class="notes">{warning}<ul>{items}</ul>{_offers(sorting)}{absent if missing else ""}</div>'


def _offers(sorting: SpikeSorting) -> str:
    """Return the table of the insertion's sortings, for a reader who wonders which one this is."""
    if not sorting.offers:
        return ""
    shown = (sorting.ref.sorter.value, sorting.ref.revision.value)
    rows = "".join(
        f'<tr class="{"shown" if (offer.sorter, offer.revision) == shown else ""}">'
        f"<td>{escape(offer.sorter or 'base')}</td><td>{escape(offer.revision or 'original')}</td>"
        f"<td>{escape(offer.version or '—')}</td><td>{offer.n_bytes / 1e6:,.0f} MB</td>"
        f"<td>{'opens by default' if offer.is_default else ''}</td></tr>"
        for offer in sorting.offers
    )
    n_sortings = len(sorting.offers)
    summary = f"{counted(n_sortings, 'sorting')} of this probe"
    head = "<tr><th>sorter</th><th>revision</th><th>version</th><th>size</th><th></th></tr>"
    return f'<details><summary>{summary}</summary><table class="offers">{head}{rows}</table></details>'
