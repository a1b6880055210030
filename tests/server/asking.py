"""Asking a server, with and without a login; in a thread, as a browser test before may have left a loop running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from dashboard.access import COOKIE

PASSWORD = "correct horse battery"


@dataclass
class Site:
    url: str
    server: Any

    def login(self, name: str = "ann", password: str = PASSWORD, **extra: Any) -> requests.Response:
        form = {"name": name, "password": password, **extra.pop("form", {})}
        return requests.post(f"{self.url}/login", data=form, allow_redirects=False, timeout=30, **extra)

    def get(self, path: str, cookie: str | None = None, **extra: Any) -> requests.Response:
        cookies = {COOKIE: cookie} if cookie is not None else None
        return requests.get(f"{self.url}{path}", cookies=cookies, allow_redirects=False, timeout=30, **extra)


def answer(attempt: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine to its end and return its result."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(attempt())).result(60)
