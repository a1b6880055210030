"""A line of a given rate and delay between a browser and a server, on loopback: a proxy of bytes that makes them wait.

Each direction carries its bytes one after the other at the rate, whichever connection they belong to, and delivers
them half of the round trip later: what one connection sends holds up the others, as on a real line.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK = 4_096
SENT_AHEAD_S = 0.05
"""So much of a connection's bytes is taken before they have left: as much as a socket's buffers hold."""


@dataclass
class Direction:
    """One way of the line.

    Attributes
    ----------
    rate : float
        Bytes per s.
    n_bytes : int
        That were carried.
    """

    rate: float
    n_bytes: int = 0
    _free_s: float = 0.0

    def leaves(self, n_bytes: int) -> float:
        """Return when so many bytes have left that come now."""
        self._free_s = max(self._free_s, time.monotonic()) + n_bytes / self.rate
        self.n_bytes += n_bytes
        return self._free_s


@dataclass
class SlowLine:
    """A line to a server.

    Attributes
    ----------
    server : (str, int)
        Address and port.
    rate : float
        Bytes per s, each way.
    delay_s : float
        One way.
    """

    server: tuple[str, int]
    rate: float
    delay_s: float
    url: str = ""
    up: Direction = field(init=False)
    down: Direction = field(init=False)

    def __post_init__(self) -> None:
        self.up, self.down = Direction(self.rate), Direction(self.rate)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        try:
            there = await asyncio.open_connection(*self.server)
        except OSError:
            writer.close()
            return
        with suppress(asyncio.CancelledError):  # the line is taken away
            await asyncio.gather(self._carry(reader, there[1], self.up), self._carry(there[0], writer, self.down))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        arriving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                at, data = await arriving.get()
                await asyncio.sleep(max(0.0, at - time.monotonic()))
                if not data:
                    return
                writer.write(data)
                await writer.drain()

        delivery = asyncio.create_task(deliver())
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                leaves = way.leaves(len(data))
                arriving.put_nowait((leaves + self.delay_s, data))
                await asyncio.sleep(max(0.0, leaves - SENT_AHEAD_S - time.monotonic()))
        arriving.put_nowait((time.monotonic() + self.delay_s, b""))
        with suppress(OSError):
            await delivery
        writer.close()


@contextmanager
def slow_line(url: str, megabits_per_s: float = 20.0, round_trip_s: float = 0.03) -> Iterator[SlowLine]:
    """Put a line in front of a server.

    Parameters
    ----------
    url : str
        Of the server.
    megabits_per_s : float
    round_trip_s : float

    Yields
    ------
    SlowLine
        Whose `url` is the server's, over the line.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None
    line = SlowLine((parts.hostname, parts.port or 80), megabits_per_s * 1e6 / 8, round_trip_s / 2)
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def listen() -> asyncio.Server:
        server = await asyncio.start_server(line.connect, "127.0.0.1", 0)
        line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{parts.path}"
        return server

    def run() -> None:
        asyncio.set_event_loop(loop)
        listening = loop.run_until_complete(listen())
        ready.set()
        loop.run_forever()
        listening.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, name="slow line", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield line
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
