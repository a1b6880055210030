"""Make the pictures of docs/images: the main views of the demo, as a user sees them.

    python docs/screenshots.py [--out FOLDER] [--only NAME ...] [--spikes N] [--data FOLDER --insertion KEY]
    python docs/screenshots.py --sizes --out FOLDER

With `--sizes` it is the page at each size, light and dark, and at twice the density. With `--data`, the views show an
insertion of that folder in place of the demo. Such pictures are to look at, not to keep.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
from browser.driver import CHROMIUM, FLAGS, new_visit, served  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from dashboard.config.settings import default_cache  # noqa: E402
from dashboard.sources.base import Source  # noqa: E402
from dashboard.sources.demo.source import DemoSource  # noqa: E402
from dashboard.sources.folder import FolderSource  # noqa: E402

logger = logging.getLogger("screenshots")

DEMO_SPIKES = 17_575_242
SETTLE_MS = 4_000


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes
    ----------
    name : str
        File name without its ending.
    query : str
        URL keys apart from the insertion; None opens the page without one.
    size : (int, int)
        Of the window, in pixels.
    dark : bool
        Dark theme.
    keys : tuple of str
        Pressed once the spikes are there, with the raster in focus.
    patience_ms : int
        How long the page may take to settle.
    colour_blind : bool
        As a reader without the cones for green sees it.
    density : int
        Pixels of the screen to a pixel of the page.
    """

    name: str
    query: str | None = ""
    size: tuple[int, int] = (1600, 1000)
    dark: bool = False
    keys: tuple[str, ...] = ()
    patience_ms: int = SETTLE_MS
    colour_blind: bool = False
    density: int = 1


DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
"""On linear RGB, severity 1.0: Machado, Oliveira and Fernandes 2009, table of the supplement."""

SHOTS = (
    Shot("start", query=None),
    Shot("session"),
    Shot("session-dark", dark=True),
    Shot("session-1280", size=(1280, 800)),
    Shot("session-2560", size=(2560, 1440)),
    Shot("minute", query="t=1000,1060&show=raster"),
    Shot("second", query="t=1000,1001&depth=1500,2300&show=raster"),
    Shot("regions", query="color=region&show=raster"),
    Shot("selected", query="t=1000,1060&selected=160,480,760"),
    Shot("unit", query="selected=700&tab=Unit"),
    Shot("probe", query="selected=160,480,760&tab=Probe", patience_ms=6_000),
    Shot("session-colour-blind", query="selected=160,480,760&tab=Probe", patience_ms=6_000, colour_blind=True),
    Shot("events", query="selected=5&tab=Events&split=contrast"),
    Shot("export", query="t=1000,1060", keys=("Control+Shift+e",)),
    Shot("compare", query="tab=Compare&compare=sorting:pykilosort,original", patience_ms=25_000),
)

SIZES = tuple(
    Shot(f"size-{width}{name}", query=query, size=(width, height), dark=dark, density=density)
    for width, height, density in (
        (1280, 800, 1), (1440, 900, 1), (1600, 1000, 1), (1600, 1000, 2), (1920, 1080, 1), (2560, 1440, 1),
    )
    for dark in (False, True)
    for query in ("", "t=1000,1060&selected=160,280&tab=Unit")
    for name in ["-unit" * bool(query) + "-dark" * dark + "-density-2" * (density == 2)]
)  # fmt: skip


def take(browser: Browser, address: str, shot: Shot, insertion: str, out: Path) -> list[str]:
    """Take one picture; returns what the console complained about."""
    visit = new_visit(browser, *shot.size, dark=shot.dark, device_scale_factor=shot.density)
    try:
        query = "" if shot.query is None else f"?insertion={insertion}&{shot.query}"
        visit.open(f"{address}/{query}")
        if shot.query is not None:
            visit.wait_for_spikes()
        visit.page.wait_for_timeout(shot.patience_ms)
        for key in shot.keys:
            visit.page.keyboard.press(key)
            visit.page.wait_for_timeout(SETTLE_MS)
        _write(visit.page, out / f"{shot.name}.png", colour_blind=shot.colour_blind)
        return visit.complaints + visit.foreign
    finally:
        visit.page.context.close()


def _write(page: Page, path: Path, *, colour_blind: bool) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".png", delete=False) as file:
        temporary = Path(file.name)
    page.screenshot(path=temporary)
    with Image.open(temporary) as picture:
        seen = np.asarray(picture.convert("RGB"))
    small = Image.fromarray(deuteranopia(seen) if colour_blind else seen).quantize(256, dither=Image.Dither.NONE)
    small.save(temporary, format="PNG", optimize=True)
    temporary.chmod(0o644)
    temporary.replace(path)


def deuteranopia(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a picture as a reader without the cones for green sees it.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3), uint8, sRGB
    """
    share = np.arange(256) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)[image]
    seen = np.clip(linear @ DEUTERANOPIA.T, 0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


def main() -> int:
    """Take the pictures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("--only", nargs="*", choices=[shot.name for shot in SHOTS])
    parser.add_argument("--spikes", type=int, default=DEMO_SPIKES)
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--insertion", default="demo")
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)
    wanted.out.mkdir(parents=True, exist_ok=True)
    cache = wanted.cache or default_cache()
    sources: list[Source] = [DemoSource(cache, n_spikes=wanted.spikes)]
    if wanted.data:
        sources.append(FolderSource(wanted.data))
    complaints = []
    with served(sources, cache) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        for shot in SIZES if wanted.sizes else SHOTS:
            if wanted.only and shot.name not in wanted.only:
                continue
            found = take(browser, address, shot, wanted.insertion, wanted.out)
            complaints += [f"{shot.name}: {line}" for line in found]
            logger.info("%s", wanted.out / f"{shot.name}.png")
        browser.close()
    for line in complaints:
        logger.error("console: %s", line)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
