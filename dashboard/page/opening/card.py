"""What stands in place of the pictures while nothing is open, or something opens."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui

from dashboard.page.core.late import Late
from dashboard.page.core.panes import style_sheets
from dashboard.page.core.sizes import PANEL_PX
from dashboard.page.opening.preview import ArrivingView

TRY_AGAIN = "Try again"

CARD_PX = 620
"""Width of the card that shows the progress of a load."""


class OpeningCard:
    """What stands in for the centre, or over it, while there is nothing to see yet."""

    def __init__(self) -> None:
        css = style_sheets()
        self.progress = pmui.LinearProgress(variant="indeterminate", sizing_mode="stretch_width", margin=(8, 16))
        self.stage = pn.pane.HTML("", stylesheets=css, margin=(0, 16), sizing_mode="stretch_width")
        self.cancel = pmui.Button(label="Cancel", variant="outlined", size="small", margin=(8, 16))
        self.arriving = ArrivingView()
        self.loading = Late(
            pmui.Paper(
                self.stage, self.arriving.panel, self.progress, self.cancel, elevation=6, width=CARD_PX, margin=0
            ),
            width=CARD_PX,
            sizing_mode=None,
            visible=False,
            styles={"position": "absolute", "left": f"calc(50% - {CARD_PX // 2}px)", "top": "14%", "z-index": "20"},
        )
        # Beside an open panel: what failed or has changed is said in answer to what was pressed there. The button stays
        # where it is when the press closes the panel.
        beside, always_beside = {"padding-left": "var(--panel-over, 0px)"}, {"margin-left": f"{PANEL_PX + 10}px"}
        self.alert = pmui.Alert(
            title="", severity="error", closeable=True, visible=False, sizing_mode="stretch_width", margin=(4, 8),
            styles=beside,
        )  # fmt: skip
        self.retry = pmui.Button(
            label=TRY_AGAIN, variant="outlined", size="small", visible=False, margin=(0, 8), styles=always_beside
        )
        self.paste = pmui.TextInput(
            label="Insertion",
            placeholder="pid, eid/probe, subject/date/number/probe",
            sizing_mode="stretch_width",
            margin=(8, 0),
        )
        self.empty = Late(
            pn.pane.HTML(
                '<div class="empty"><p>This page shows every spike of a Neuropixels insertion: where on the probe, '
                "when, of which unit, and what the unit does around events.</p><h2>Open an insertion</h2>"
                "<p>Paste a pid, an eid and probe, or a session path, or find one in the lists.</p></div>",
                stylesheets=css,
                margin=0,
                sizing_mode="stretch_width",
            ),
            self.paste,
            width=640,
            sizing_mode=None,
            align="center",
            margin=(60, 0, 0, 0),
        )
        # What failed stands between them: under the field.
        self.more = pn.Column(width=640, align="center", margin=0)
        self.empty.param.watch(lambda event: self.more.param.update(visible=event.new), "visible")
