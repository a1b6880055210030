"""Asking a server from a thread of its own: a browser test before may have left a loop running in the main one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def answer(attempt: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a coroutine to its end and return its result."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(attempt())).result(60)
