"""The recipes of docs/extending.md as installed packages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dashboard.config import plugins
from dashboard.model.registry import load

DOCUMENT = Path(__file__).parents[2] / "docs" / "extending.md"


def recipe(title: str) -> str:
    """Return the Python code in a section of docs/extending.md."""
    section = re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(f"{title}\n"))
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


@contextmanager
def installed(folder: Path, module: str, code: str, group: str, name: str, entry: str = "ENTRY") -> Iterator[Path]:
    """Install a package of one module with one entry point, as pip would; nothing of it is left at the end.

    Parameters
    ----------
    folder : Path
        Takes the package; it is on the path of imports while the package is installed.
    module, code : str
    group, name, entry : str
        Of the entry point: ``name = "module:entry"``.
    """
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{entry}\n")
    sys.path.insert(0, str(folder))
    forget()
    try:
        yield folder
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(module, None)
        for registry in map(load, plugins.REGISTRIES):
            for found in registry.names:
                registry.remove(found)
        forget()


def forget() -> None:
    """Let plug-ins be looked for anew."""
    plugins._add.cache_clear()
    load.cache_clear()
