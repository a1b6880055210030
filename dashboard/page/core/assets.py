"""Files that the page sends to the browser."""

from __future__ import annotations

from pathlib import Path


def asset(name: str) -> str:
    """Return the text of a file in assets/, whose folders are named as the rooms that use them."""
    return (assets_folder() / name).read_text(encoding="utf-8")


def assets_folder() -> Path:
    """Return the folder of style sheets, scripts and images.

    It lies inside the package in a wheel, and beside the package in a checkout or editable install.

    Raises
    ------
    FileNotFoundError
        Neither is there: the installation is incomplete.
    """
    package = Path(__file__).resolve().parents[2]
    for candidate in (package / "assets", package.parent / "assets"):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"{package / 'assets'} is missing: install spike-dashboard again")
