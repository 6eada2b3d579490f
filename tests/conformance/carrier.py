"""Carries a bearer token for a client that cannot: each request to the listening port goes on with one added header.

Bytes pass as they are otherwise, one connection a request, so that nothing of the wire under test is hidden.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Callable, Coroutine

MAX_HEAD = 64 * 1024


class Carrier:
    """A loopback forwarder that adds `Authorization` and closes after each answer."""

    def __init__(self, host: str, port: int, token: Callable[[], str]) -> None:
        self._to = (host, port)
        self._token = token

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of one client."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            onward, back = await asyncio.open_connection(*self._to, limit=MAX_HEAD)
            back.write(self._with_token(head))
            await _either(_pipe(reader, back), _pipe(onward, writer))
            back.close()
        writer.close()

    def _with_token(self, head: bytes) -> bytes:
        lines = [
            line
            for line in head.removesuffix(b"\r\n\r\n").split(b"\r\n")
            if not line.lower().startswith((b"connection:", b"authorization:"))
        ]
        lines += [f"Authorization: Bearer {self._token()}".encode(), b"Connection: close"]
        return b"\r\n".join(lines) + b"\r\n\r\n"


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()


async def _either(*ways: Coroutine[None, None, None]) -> None:
    """Until one side has ended: an agent that hangs up must be seen to hang up."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def carry(port: int, host: str, to: int, token: Callable[[], str]) -> None:
    """Forward 127.0.0.1:`port` to `host`:`to` until cancelled."""
    server = await asyncio.start_server(
        Carrier(host, to, token).serve, "127.0.0.1", port, limit=MAX_HEAD
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("to", type=int)
    parser.add_argument("token")
    given = parser.parse_args()
    asyncio.run(carry(given.port, "127.0.0.1", given.to, lambda: given.token))
