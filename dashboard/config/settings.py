"""Every setting of the program, once: the fields of `Settings` make the flags, the environment and docs/settings.md.

A value is taken from the flag, else from the environment, else from the configuration file, else from the default.
Secrets have no flag (other users of a machine can read command lines) and are not shown in any text.
"""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from dashboard.config.readers import (
    folder,
    label_category,
    layout_text,
    one_of,
    positive,
    size,
    switch,
    web_address,
    web_file,
    web_origin,
    web_prefix,
    web_site,
    whole,
)
from dashboard.model.curation import PRECEDENCES, QUALITY, CurationRules, read_category
from dashboard.model.errors import BadRequest

ENVIRONMENT_PREFIX = "SPIKE_DASHBOARD_"
SERVING = ("demo", "serve")
BATCH = ("render", "units", "prefetch")
READING = (*BATCH, "check", "fetch", "convert", "curation")
OPERATING = ("user", "cache")
ANY = (*SERVING, *READING, *OPERATING)
OAUTH_PROVIDERS = ("auth0", "azure", "azurev2", "bitbucket", "generic", "github", "gitlab", "google", "okta")
PUBLIC_HOSTS = (
    "ibl.flatironinstitute.org", "ibl-brain-wide-map-public.s3.amazonaws.com", "api.dandiarchive.org",
    "dandiarchive.s3.amazonaws.com", "dandiarchive.s3.us-east-2.amazonaws.com",
)  # fmt: skip
LOG_LEVELS = ("debug", "info", "warning", "error")


def default_cache() -> Path:
    """Return the platform's cache folder for this program."""
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "spike-dashboard"


def setting(
    default: Any,
    help: str,
    *,
    read: Callable[[str], Any] = str,
    flag: str | None = None,
    commands: tuple[str, ...] = ANY,
    metavar: str | None = None,
    secret: bool = False,
    repeated: bool = False,
) -> Any:
    """Declare one setting: a dataclass field with what flags, environment and documentation need.

    Parameters
    ----------
    default : Any
        The value where nothing is given; a callable is called.
    help : str
        One sentence without a full stop, for ``--help`` and docs/settings.md.
    read : callable
        Text to value; raises ValueError with the reason.
    flag : str, optional
        ``--name``; None where there is only the environment.
    commands : tuple of str
        Commands that take the flag.
    metavar : str, optional
        What the value is called in ``--help``; None makes the flag a switch.
    secret : bool
        Never shown, never a flag, never in the configuration file.
    repeated : bool
        Whether the flag may be given several times; the environment separates by ``os.pathsep``, and what has colons of
        its own (hosts with ports, addresses) by spaces.
    """
    if secret and flag:
        raise ValueError("a secret cannot be a flag")
    metadata = {
        "help": help,
        "read": read,
        "flag": flag,
        "commands": commands,
        "metavar": metavar,
        "secret": secret,
        "repeated": repeated,
    }
    if callable(default):
        return field(default_factory=default, repr=not secret, metadata=metadata)
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a process was told; see docs/settings.md, which is made from these fields."""

    data: tuple[Path, ...] = setting(
        (), "Folder with insertions, of any kind that docs/formats.md lists: a ONE cache, a session, one sorting; "
        "may be given several times",
        read=folder, flag="--data", metavar="FOLDER", repeated=True, commands=("serve", *READING),
    )  # fmt: skip
    events: Path | None = setting(
        None, "Events of the one insertion that is opened, in place of trials: CSV, TSV, parquet or npy with a column "
        "of times in s, or TTL pulses of SpikeGLX (a .txt of CatGT or TPrime, a .bin) or Open Ephys (a folder); by "
        "default events.csv (or .tsv, .npy, .pqt) in the folder of a sorting, else pulses around it",
        read=folder, flag="--events", metavar="FILE", commands=("serve", *READING),
    )  # fmt: skip
    sync: Path | None = setting(
        None, "Table of two clocks of the one insertion that is opened, the probe's and the session's, in s; by "
        "default sync.csv (or .tsv, .npy) in the folder of a sorting",
        read=folder, flag="--sync", metavar="FILE", commands=("serve", *READING),
    )  # fmt: skip
    bit_uv: float | None = setting(
        None, "Microvolts per bit of the raw files that Kilosort and phy folders were sorted from; their own files "
        "do not say it",
        read=positive, flag="--bit-uv", metavar="UV", commands=("serve", *READING),
    )  # fmt: skip
    raw: Path | None = setting(
        None, "Raw file of the one Kilosort or phy folder that is opened, in place of the dat_path of its params.py",
        read=folder, flag="--raw", metavar="FILE", commands=("serve", *READING),
    )  # fmt: skip
    cache: Path = setting(
        default_cache, "Folder for everything that this program writes",
        read=folder, flag="--cache", metavar="FOLDER",
    )  # fmt: skip
    config: Path | None = setting(
        None, "TOML file with settings; its keys are their names",
        read=folder, flag="--config", metavar="FILE",
    )  # fmt: skip
    plugins: tuple[str, ...] = setting(
        (), "Plug-in of another installed package to use, by the name of its entry point: a source, "
        "aggregate, tab or figure; may be given several times",
        flag="--plugin", metavar="NAME", repeated=True, commands=(*SERVING, *READING),
    )  # fmt: skip
    log_level: str = setting(
        "warning", "Least severe messages to log: debug, info, warning or error",
        read=one_of(*LOG_LEVELS), flag="--log-level", metavar="LEVEL",
    )  # fmt: skip
    address: str = setting(
        "127.0.0.1", "Network address to listen on",
        flag="--address", metavar="ADDRESS", commands=("serve",),
    )  # fmt: skip
    port: int = setting(
        5006, "Port to listen on; 0 takes a free one",
        read=whole(0, 65535), flag="--port", metavar="PORT", commands=SERVING,
    )  # fmt: skip
    no_browser: bool = setting(
        False, "Do not open a browser", read=switch, flag="--no-browser", commands=SERVING,
    )  # fmt: skip
    users: Path | None = setting(
        None, "File of users who may log in, made with `user add`; without it nobody has to",
        read=folder, flag="--users", metavar="FILE", commands=("serve", "user"),
    )  # fmt: skip
    oauth: str | None = setting(
        None, f"Log in through a provider: {', '.join(OAUTH_PROVIDERS)}",
        read=one_of(*OAUTH_PROVIDERS), flag="--oauth", metavar="PROVIDER", commands=("serve",),
    )  # fmt: skip
    oauth_user: tuple[str, ...] = setting(
        (), "Which of the provider's users may log in: a name, `@example.org` or `*`; may be repeated",
        flag="--oauth-user", metavar="NAME", repeated=True, commands=("serve",),
    )  # fmt: skip
    oauth_users: Path | None = setting(
        None, "File of more users who may log in, one a line; read again when it changes, `#` begins a remark",
        read=folder, flag="--oauth-users", metavar="FILE", commands=("serve",),
    )  # fmt: skip
    oauth_redirect: str | None = setting(
        None, "Address that the provider sends people back to, where that is not the page's own",
        read=web_address, flag="--oauth-redirect", metavar="URL", commands=("serve",),
    )  # fmt: skip
    oauth_extra: tuple[str, ...] = setting(
        (), "Further parameters for the provider, such as `tenant=...` or `scope=...`; may be repeated",
        flag="--oauth-extra", metavar="NAME=VALUE", repeated=True, commands=("serve",),
    )  # fmt: skip
    oauth_name: str | None = setting(
        None, "Part of the provider's answer that is the user's name, where that is not the usual one",
        flag="--oauth-name", metavar="KEY", commands=("serve",),
    )  # fmt: skip
    oauth_key: str | None = setting(None, "Client id at the OAuth provider", secret=True)
    oauth_secret: str | None = setting(None, "Client secret at the OAuth provider", secret=True)
    cookie_secret: str | None = setting(None, "Random text that OAuth logins are signed with", secret=True)
    processes: int = setting(
        1, "Number of server processes, on ports from --port upwards, behind a proxy that keeps each "
        "browser with one of them",
        read=whole(1, 64), flag="--processes", metavar="N", commands=("serve",),
    )  # fmt: skip
    allow_open_access: bool = setting(
        False, "Listen beyond this machine without logins: anyone who reaches the address sees the data",
        read=switch, flag="--allow-open-access", commands=("serve",),
    )  # fmt: skip
    origin: tuple[str, ...] = setting(
        (), "Host and port by which browsers reach the server, such as `lab.example.org`, where these are "
        "not those it listens on; may be repeated",
        read=web_origin, flag="--origin", metavar="HOST", repeated=True, commands=("serve",),
    )  # fmt: skip
    frame_ancestor: tuple[str, ...] = setting(
        (), "Site whose pages may show the dashboard in a frame, such as `https://wiki.example.org`; none by default; "
        "may be repeated",
        read=web_site, flag="--frame-ancestor", metavar="URL", repeated=True, commands=("serve",),
    )  # fmt: skip
    behind_proxy: bool = setting(
        False, "Take address and protocol of the browser from the headers of a proxy, which must set them itself",
        read=switch, flag="--behind-proxy", commands=("serve",),
    )  # fmt: skip
    prefix: str = setting(
        "", "Path that every URL begins with, such as `/spikes`", read=web_prefix, flag="--prefix", metavar="PATH",
        commands=("serve",),
    )  # fmt: skip
    idle_minutes: int = setting(
        480, "Minutes after which an unused login ends",
        read=whole(1, 100_000), flag="--idle-minutes", metavar="N", commands=("serve",),
    )  # fmt: skip
    login_days: int = setting(
        30, "Days after which a login of --users ends, however much it is used",
        read=whole(1, 3650), flag="--login-days", metavar="N", commands=("serve",),
    )  # fmt: skip
    open_health: bool = setting(
        False, "Answer /health without a login", read=switch, flag="--open-health", commands=("serve",),
    )  # fmt: skip
    log_json: bool = setting(
        False, "Log one JSON object per line, with the browser session", read=switch, flag="--log-json",
        commands=SERVING,
    )  # fmt: skip
    spikes: int = setting(
        17_575_242, "Number of spikes of the demo's default sorting",
        read=whole(1_000, 100_000_000), flag="--spikes", metavar="N", commands=("demo", *READING),
    )  # fmt: skip
    refresh: int = setting(
        5, "Minutes between two looks for new data in lists, records and files; 0: only when asked to",
        read=whole(0, 1440), flag="--refresh", metavar="MINUTES", commands=SERVING,
    )  # fmt: skip
    memory: int = setting(
        8 * 2**30, "Bytes of opened insertions to hold in memory; beyond them the least recently used is let go",
        read=size, flag="--memory", metavar="SIZE", commands=SERVING,
    )  # fmt: skip
    disk: int | None = setting(
        None, "Bytes of columns and fetched files to keep in the cache folder; beyond them the least recently "
        "used are removed",
        read=size, flag="--disk", metavar="SIZE", commands=SERVING,
    )  # fmt: skip
    max_sessions: int = setting(
        64, "Most browser sessions at the same time; more are told to wait",
        read=whole(1), flag="--max-sessions", metavar="N", commands=SERVING,
    )  # fmt: skip
    sessions_each: int | None = setting(
        None, "Most browser sessions of one login, or of one address where nobody has to log in; a quarter of "
        "--max-sessions by default",
        read=whole(1), flag="--sessions-each", metavar="N", commands=SERVING,
    )  # fmt: skip
    layout: str = setting(
        "", "Layout of a page that its reader has not changed, such as `dock=closed, width=600, pinned=filters`",
        read=layout_text, flag="--layout", metavar="LAYOUT", commands=SERVING,
    )  # fmt: skip
    insertions: Path | None = setting(
        None, "CSV or parquet list of insertions to search: pid, eid, probe_name, session_number, date, subject, lab",
        read=folder, flag="--insertions", metavar="FILE", commands=("serve", *BATCH),
    )  # fmt: skip
    regions: Path | None = setting(
        None, "CSV or parquet list of pid, region and number of clusters, for searches by region",
        read=folder, flag="--regions", metavar="FILE", commands=("serve", *BATCH),
    )  # fmt: skip
    database: str | None = setting(
        None, "SQLAlchemy address of the database for verdicts, favourites and what was opened; kept.sqlite in the "
        "cache folder by default",
        secret=True,
    )  # fmt: skip
    curators: tuple[str, ...] = setting(
        (), "Who may decide about units, by login or the name that a browser says; everybody by default; may be "
        "repeated",
        flag="--curators", metavar="NAME", repeated=True, commands=SERVING,
    )  # fmt: skip
    labels: tuple[str, ...] = setting(
        (), "Labels that units can be given, with letters that give them together with Alt; `+` before the colon lets "
        "a unit have several; `quality: good=g, mua=m, noise=n` by default; may be repeated, the first is the main one",
        read=label_category, flag="--labels", metavar="NAME:LABELS", repeated=True,
        commands=(*SERVING, "units", "render", "curation"),
    )  # fmt: skip
    precedence: str = setting(
        PRECEDENCES[0], "Whose label of a unit is shown as curated: mine (where there is none, the last), or the last",
        read=one_of(*PRECEDENCES), flag="--precedence", metavar="NAME",
        commands=(*SERVING, "units", "render", "curation"),
    )  # fmt: skip
    alyx_url: str | None = setting(
        None, "Alyx server to find insertions on; where none is named, "
        "ONE's default server, else OpenAlyx, is asked for ids that no folder has, and by `serve` without --data",
        read=web_address, flag="--alyx", metavar="URL", commands=("serve", *READING),
    )  # fmt: skip
    alyx_user: str | None = setting(
        None, "User on the Alyx server", flag="--user", metavar="NAME", commands=("serve", *READING),
    )  # fmt: skip
    alyx_password: str | None = setting(None, "Password of the Alyx user", secret=True)
    alyx_token: str | None = setting(None, "Token on the Alyx server, instead of user and password", secret=True)
    offline: bool = setting(
        False, "Ask no server: open what was fetched before",
        read=switch, flag="--offline", commands=("serve", *READING),
    )  # fmt: skip
    nwb: tuple[str, ...] = setting(
        (), "Address of an NWB file on a server of --range-host, which is read by parts; may be repeated",
        read=web_file, flag="--nwb", metavar="URL", repeated=True, commands=("serve", *READING),
    )  # fmt: skip
    range_host: tuple[str, ...] = setting(
        PUBLIC_HOSTS, "Server, as `host` or `host:port`, from which parts of large files may be read (raw data, NWB); "
        "may be repeated, and then replaces the public ones of the default",
        read=web_origin, flag="--range-host", metavar="HOST", repeated=True, commands=("serve", *READING),
    )  # fmt: skip
    range_disk: int = setting(
        8 * 2**30, "Bytes of parts of files to keep in the cache folder; beyond them the least recently used go",
        read=size, flag="--range-disk", metavar="SIZE", commands=("serve", *READING),
    )  # fmt: skip
    range_budget: int = setting(
        16 * 2**30, "Bytes of parts of files that one person may have fetched from servers in an hour",
        read=size, flag="--range-budget", metavar="SIZE", commands=("serve", *READING),
    )  # fmt: skip
    raw_memory: int = setting(
        512 * 2**20, "Bytes of decoded raw data to hold in memory for all together; beyond them the least recently "
        "used is let go",
        read=size, flag="--raw-memory", metavar="SIZE", commands=SERVING,
    )  # fmt: skip
    one_cache: Path | None = setting(
        None, "Existing ONE cache whose files are used as they are, before anything is fetched",
        read=folder, flag="--one-cache", metavar="FOLDER", commands=("serve", *READING),
    )  # fmt: skip
    scheduler: str | None = setting(
        None, "Dask scheduler to work on many insertions, `tcp://host:8786`; a cluster on this machine by default",
        flag="--scheduler", metavar="ADDRESS", commands=BATCH,
    )  # fmt: skip
    workers: int | None = setting(
        None, "Processes to work on many insertions on this machine; one per core by default",
        read=whole(1, 1024), flag="--workers", metavar="N", commands=BATCH,
    )  # fmt: skip
    dashboard_url: str = setting(
        "http://127.0.0.1:5006", "Address of the dashboard that the gallery of many figures links to",
        read=web_address, flag="--dashboard-url", metavar="URL", commands=("render",),
    )  # fmt: skip
    data_user: str | None = setting(None, "User on the data server, where it asks for one", secret=True)
    data_password: str | None = setting(None, "Password on the data server", secret=True)


def table() -> tuple[Field[Any], ...]:
    """Return every setting, in the order of the documentation."""
    return fields(Settings)


def environment_name(name: str) -> str:
    """Return the environment variable of the setting `name`."""
    return ENVIRONMENT_PREFIX + name.upper()


def add_flags(parser: argparse.ArgumentParser, command: str) -> None:
    """Give `parser` the flags of every setting that `command` takes; values stay text, absent ones None."""
    group = parser.add_argument_group("settings")
    for item in table():
        flag = item.metadata["flag"]
        if flag is None or command not in item.metadata["commands"]:
            continue
        options: dict[str, Any] = {"dest": f"setting_{item.name}", "default": None, "help": item.metadata["help"]}
        if item.metadata["metavar"] is None:
            group.add_argument(flag, action="store_const", const="yes", **options)
        else:
            action = "append" if item.metadata["repeated"] else "store"
            group.add_argument(flag, action=action, metavar=item.metadata["metavar"], **options)


def load(arguments: argparse.Namespace | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Put the settings together.

    Parameters
    ----------
    arguments : Namespace, optional
        From a parser that `add_flags` filled.
    environ : mapping of str to str, optional
        Environment variables; those of the process by default.

    Returns
    -------
    Settings

    Raises
    ------
    BadRequest
        A value cannot be read, a name is unknown; the message names the flag, variable or file.
    """
    return load_with_origins(arguments, environ)[0]


def load_with_origins(
    arguments: argparse.Namespace | None = None, environ: Mapping[str, str] | None = None
) -> tuple[Settings, dict[str, str]]:
    """Put the settings together as `load` does; return where each that is not the default came from, too."""
    environ = os.environ if environ is None else environ
    flags = {key: value for key, value in vars(arguments or argparse.Namespace()).items() if value is not None}
    unknown = {name for name in environ if name.startswith(ENVIRONMENT_PREFIX)}
    unknown -= {environment_name(item.name) for item in table()}
    if unknown:
        raise BadRequest("Unknown setting", ", ".join(sorted(unknown)), "docs/settings.md lists them")
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for item in table():
        given = flags.get(f"setting_{item.name}")
        variable = environment_name(item.name)
        if given is not None:
            values[item.name] = _read(item, given, item.metadata["flag"])
            origins[item.name] = item.metadata["flag"]
        elif environ.get(variable):
            text = environ[variable]
            by = None if item.metadata["read"] in (web_file, web_origin, web_site) else os.pathsep
            values[item.name] = _read(item, text.split(by) if item.metadata["repeated"] else text, variable)
            origins[item.name] = variable
    if (path := values.get("config")) is not None:
        found = _from_file(path)
        values, origins = found | values, dict.fromkeys(found, str(path)) | origins
    return Settings(**values), origins


def _read(item: Field[Any], given: str | list[str], where: str) -> Any:
    """Turn text into the value of one setting."""
    read = cast(Callable[[str], Any], item.metadata["read"])
    try:
        return tuple(read(text) for text in given if text) if isinstance(given, list) else read(given)
    except ValueError as error:
        # What was written is not repeated for a secret: messages end up in logs.
        raise BadRequest(f"Bad value of {where}", "" if item.metadata["secret"] else str(error)) from None


def _from_file(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file; values may be text, numbers, booleans or lists of text."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest("Cannot read the configuration", path, f"{error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadRequest("The configuration is not TOML", path, str(error)) from None
    known = {item.name: item for item in table() if not item.metadata["secret"] and item.name != "config"}
    values: dict[str, Any] = {}
    for name, given in content.items():
        if name not in known:
            raise BadRequest(
                f"Unknown setting '{name}'", path, "docs/settings.md lists them; secrets are not read here"
            )
        texts = [str(part) for part in given] if isinstance(given, list) else str(given)
        if known[name].metadata["repeated"] and isinstance(texts, str):
            texts = [texts]
        if isinstance(texts, list) and not known[name].metadata["repeated"]:
            raise BadRequest(f"'{name}' takes one value", path)
        values[name] = _read(known[name], texts, f"'{name}' in {path}")
    return values


def curation_rules(settings: Settings) -> CurationRules:
    """Return how people decide about units."""
    categories = tuple(map(read_category, settings.labels)) or (QUALITY,)
    keys = [key for one in categories for key in one.keys if key]
    if len({one.name for one in categories}) < len(categories) or len(set(keys)) < len(keys):
        raise BadRequest("Two categories of --labels share a name or a key", ", ".join(settings.labels))
    return CurationRules(categories, settings.curators, settings.precedence)
