"""Settings as people read them: docs/settings.md, and what a server says of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import Field
from typing import Any

from dashboard.config.readers import size
from dashboard.config.settings import ANY, Settings, environment_name, table


def reference() -> str:
    """Return docs/settings.md: every setting with its flag, variable, default and meaning."""
    lines = [
        "# Settings",
        "",
        "Made from the table in `dashboard/config/settings.py` by `make docs`; do not edit.",
        "",
        "A value is taken from the flag, else from the environment, else from the TOML file given with `--config`",
        "(keys are the names below), else the default holds. Secrets have no flag and are not read from the file.",
        "",
        "| name, flag, environment | default | commands | meaning |",
        "|---|---|---|---|",
    ]
    for item in table():
        meta = item.metadata
        flag = f"`{meta['flag']}{' ' + meta['metavar'] if meta['metavar'] else ''}`" if meta["flag"] else "no flag"
        commands = "all" if set(meta["commands"]) == set(ANY) else ", ".join(meta["commands"])
        lines.append(
            f"| `{item.name}`<br>{flag}<br>`{environment_name(item.name)}` | {_default_text(item)} | {commands} "
            f"| {meta['help']}{' (secret)' if meta['secret'] else ''} |"
        )
    return "\n".join(lines) + "\n"


def _default_text(item: Field[Any]) -> str:
    """Write a default for the reference, the same on every machine."""
    if item.name == "cache":
        return "the platform's cache folder, `~/.cache/spike-dashboard`"
    value: Any = item.default
    if value is None or value in ((), ""):
        return "none"
    if isinstance(value, bool):
        return "no"
    if item.metadata["read"] is size:
        return f"`{value // 2**30}G`" if value >= 2**30 else f"`{value // 2**20}M`"
    if isinstance(value, tuple):
        return ", ".join(f"`{part}`" for part in value)
    return f"`{value}`"


def shown(settings: Settings, origins: Mapping[str, str]) -> str:
    """Return every setting with where it came from, as a TOML file that gives the same; secrets are not in it."""
    lines = []
    for item in table():
        value, origin = getattr(settings, item.name), origins.get(item.name, "default")
        if item.metadata["secret"]:
            lines.append(f"# {item.name} is {'set' if value else 'not set'}, {environment_name(item.name)}")
        elif value is None or item.name == "config":
            lines.append(f"# {item.name} is {value or 'not set'}")
        else:
            lines.append(f"{item.name} = {_toml(value)}  # {origin}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value if isinstance(value, bool | int) else str(value), ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(reference())
