"""The one table of settings."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.cli.main import build_parser
from dashboard.config import settings
from dashboard.config.readers import page_layout
from dashboard.config.reference import reference, shown
from dashboard.config.settings import Settings, environment_name, load, load_with_origins, table
from dashboard.model.errors import BadRequest


def flags(command: str, *arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    settings.add_flags(parser, command)
    return parser.parse_args(arguments)


def test_the_reference_page_is_that_of_the_table(repository: Path) -> None:
    assert (repository / "docs" / "settings.md").read_text(encoding="utf-8") == reference(), "run: make docs"


@pytest.mark.parametrize("item", table(), ids=lambda item: item.name)
def test_every_setting_is_documented(item: object) -> None:
    page, name = reference(), item.name  # type: ignore[attr-defined]
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}`<br>"))
    assert environment_name(name) in row
    assert len(row.split("|")[-2].strip()) > 10, "no meaning"


def test_no_variable_is_read_that_the_table_does_not_have(repository: Path) -> None:
    known = {environment_name(item.name) for item in table()} | {settings.ENVIRONMENT_PREFIX}
    for path in (repository / "dashboard").rglob("*.py"):
        found = set(re.findall(r"SPIKE_DASHBOARD_[A-Z_]*", path.read_text(encoding="utf-8")))
        assert found <= known, path


def test_secrets_are_neither_flags_nor_shown() -> None:
    secrets = [item for item in table() if item.metadata["secret"]]
    assert {item.name for item in secrets} >= {"alyx_password", "alyx_token", "data_password"}
    text = repr(load(environ={environment_name(item.name): "hunter2" for item in secrets}))
    assert "hunter2" not in text
    for command in settings.ANY:
        shown = vars(flags(command))
        assert not [item.name for item in secrets if f"setting_{item.name}" in shown]


def test_defaults_need_nothing() -> None:
    got = load(environ={})
    assert got == Settings()
    assert (got.address, got.port, got.spikes, got.data) == ("127.0.0.1", 5006, 17_575_242, ())


def test_flag_wins_over_environment_over_file_over_default(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('port = 1\naddress = "0.0.0.0"\nmax_sessions = 3\nno_browser = true\ndata = ["a", "b"]\n')
    environ = {"SPIKE_DASHBOARD_PORT": "2", "SPIKE_DASHBOARD_ADDRESS": "::1", "SPIKE_DASHBOARD_CONFIG": str(file)}
    got = load(flags("serve", "--port", "4"), environ)
    assert (got.port, got.address, got.max_sessions, got.memory) == (4, "::1", 3, 8 * 2**30)
    assert got.no_browser is True
    assert got.data == (Path("a"), Path("b"))


def test_folders_repeat() -> None:
    assert load(flags("serve", "--data", "a", "--data", "b"), {}).data == (Path("a"), Path("b"))
    assert load(environ={"SPIKE_DASHBOARD_DATA": "a:b"}).data == (Path("a"), Path("b"))


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert load(flags("demo", "--cache", "~/c"), {}).cache == Path("/home/ann/c")


def test_default_cache_follows_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/ann")
    assert settings.default_cache() == Path("/var/ann/spike-dashboard")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert settings.default_cache() == Path("/home/ann/.cache/spike-dashboard")
    monkeypatch.setattr(settings.sys, "platform", "darwin")
    assert settings.default_cache() == Path("/home/ann/Library/Caches/spike-dashboard")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"SPIKE_DASHBOARD_PORT": "70000"}, "70,000 is not from 0 to 65,535"),
        ({"SPIKE_DASHBOARD_PORT": "http"}, "'http' is not a whole number"),
        ({"SPIKE_DASHBOARD_SPIKES": "5"}, "5 is not from 1,000 to 100,000,000"),
        ({"SPIKE_DASHBOARD_LAYOUT": "dock=ajar"}, "'dock=ajar' is none of dock=open, dock=closed"),
        ({"SPIKE_DASHBOARD_LAYOUT": "dock=open, width=-3"}, "'width=-3' is none of"),
        ({"SPIKE_DASHBOARD_LAYOUT": "pinned=<script>"}, "'pinned=<script>' is none of"),
        ({"SPIKE_DASHBOARD_MEMORY": "lots"}, "'lots' is not a size"),
        ({"SPIKE_DASHBOARD_NO_BROWSER": "maybe"}, "neither yes nor no"),
        ({"SPIKE_DASHBOARD_LOG_LEVEL": "loud"}, "none of debug"),
        ({"SPIKE_DASHBOARD_ALYX_URL": "https://ann:secret@alyx.org"}, "not a web address"),
        ({"SPIKE_DASHBOARD_PRT": "1"}, "Unknown setting: SPIKE_DASHBOARD_PRT"),
        ({"SPIKE_DASHBOARD_CONFIG": "/nowhere.toml"}, "Cannot read the configuration"),
    ],
)
def test_what_cannot_be_read_is_named(environ: dict[str, str], said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        load(environ=environ)
    assert said in str(caught.value)
    assert next(iter(environ)) in str(caught.value) or "configuration" in said
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prt = 1", "Unknown setting 'prt'"),
        ("port = ", "not TOML"),
        ("alyx_password = 'x'", "secrets are not read here"),
        ("port = [1, 2]", "takes one value"),
        ("port = 'x'", "'port'"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(content)
    with pytest.raises(BadRequest, match=r"settings\.toml") as caught:
        load(environ={"SPIKE_DASHBOARD_CONFIG": str(file)})
    assert said in str(caught.value)


def test_what_is_shown_is_a_file_that_says_the_same(tmp_path: Path) -> None:
    """With where each came from; without secrets, and without what is not set."""
    first, second = tmp_path / "settings.toml", tmp_path / "again.toml"
    first.write_text('prefix = "/spikes"\ndata = ["/d a", "/é\\"ü"]\nopen_health = true\n')
    environ = {"SPIKE_DASHBOARD_MEMORY": "2G", "SPIKE_DASHBOARD_ALYX_TOKEN": "hunter2"}
    arguments = flags("serve", "--port", "4", "--config", str(first), "--user", "ann")
    text = shown(*load_with_origins(arguments, environ))
    assert "port = 4  # --port\n" in text
    assert f"memory = {2 << 30}  # SPIKE_DASHBOARD_MEMORY\n" in text
    assert f'prefix = "/spikes"  # {first}\n' in text
    assert 'address = "127.0.0.1"  # default\n' in text
    assert "# alyx_token is set, SPIKE_DASHBOARD_ALYX_TOKEN\n" in text
    assert "hunter2" not in text
    second.write_text(text)
    assert load(flags("serve", "--config", str(second)), {}) == replace(
        load(arguments, {}), memory=2 << 30, config=second
    )


def test_a_layout_names_what_differs() -> None:
    assert page_layout("") == {}
    assert page_layout("dock=closed, width=600,pinned = filters") == {"dock": False, "width": 600, "pinned": "filters"}
    assert load(environ={"SPIKE_DASHBOARD_LAYOUT": " dock=open "}).layout == "dock=open"


@given(st.integers(1, 2**50))
def test_sizes_are_bytes(n_bytes: int) -> None:
    assert settings.size(str(n_bytes)) == n_bytes
    assert settings.size(f"{n_bytes % 1000 + 1}G") == (n_bytes % 1000 + 1) * 2**30
    assert settings.size(f"{n_bytes % 1000 + 1} MiB") == (n_bytes % 1000 + 1) * 2**20


def test_every_flag_reaches_its_command() -> None:
    commands = next(
        action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)
    ).choices
    assert set(commands) == set(settings.ANY)
    for item in fields(Settings):
        for name, parser in commands.items():
            has = item.metadata["flag"] in parser._option_string_actions
            assert has == (item.metadata["flag"] is not None and name in item.metadata["commands"]), (name, item.name)
