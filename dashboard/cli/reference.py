"""The commands as people read them: docs/commands.md, made from the parser."""

from __future__ import annotations

import argparse
import sys

from dashboard.cli.main import build_parser
from dashboard.config.settings import table

EXIT_CODES = """Exit codes: 0 all is done; 1 something could not be fetched, or some of many insertions failed, and
trying again may help; 2 bad input, or a server that does not answer; 130 interrupted. What fails is one line on
standard error."""

BAR = "\\|"
"""A bar that does not end a cell."""


def reference() -> str:
    """Return docs/commands.md: every command with its arguments and options; settings have a page of their own."""
    parser = build_parser()
    commands = next(act for act in parser._actions if isinstance(act, argparse._SubParsersAction))
    helps = {choice.dest: choice.help for choice in commands._choices_actions}
    settings = {item.metadata["flag"] for item in table() if item.metadata["flag"]}
    lines = [
        "# Commands",
        "",
        "Made from the parser by `make docs`; do not edit. `spike-dashboard COMMAND --help` says the same.",
        "",
        EXIT_CODES,
        "",
        "Options that stand in [the table of settings](settings.md) can be set in the environment or a file, too.",
    ]
    for name, command in commands.choices.items():
        lines += ["", f"## {name}", "", f"{_sentence(helps[name])}", ""]
        rows = [_row(act) for act in command._actions if act.dest != "help" and not {*act.option_strings} & settings]
        if rows:
            lines += ["| argument | meaning |", "|---|---|", *rows, ""]
        taken = [flag for act in command._actions for flag in act.option_strings if flag in settings]
        lines += [f"Settings: {', '.join(f'`{flag}`' for flag in taken)}."] if taken else []
    return "\n".join(lines) + "\n"


def _row(act: argparse.Action) -> str:
    """Return a row of the table: how an argument is written, and what it means."""
    value = str(act.metavar or "|".join(map(str, act.choices or ())) or act.dest.upper())
    many = {"*": f"[{value} ...]", "+": f"{value} [{value} ...]", "?": f"[{value}]"}
    if act.option_strings:
        written = act.option_strings[-1] + (f" {value}" if act.nargs != 0 else "")
    else:
        written = many.get(str(act.nargs), value)
    text = (act.help or "") % {**vars(act), "prog": "spike-dashboard"}
    needed = " Needed." if act.option_strings and act.required else ""
    cells = (f"`{written}`", f"{_sentence(text)}{needed}".replace("<", "\\<"))
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


def _sentence(text: str | None) -> str:
    """Return a help text as a sentence."""
    text = (text or "").strip()
    return f"{text[:1].upper()}{text[1:]}." if text else ""


if __name__ == "__main__":
    sys.stdout.write(reference())
