"""The tool server benchmarks call: both eras, hardly any cost of its own, so that it is not what is measured.

    python -m benchmarks.fixture [--tools 500]      over HTTP; its first line of output is its port
    python -m benchmarks.fixture --stdio

Tools: `echo` and `note` (small answers; the second is named like a write), `kb100` and `mb10` (large
ones), `progress` (twenty notifications in a burst, then the answer); `--tools N` lists N more.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any, Final

from pydantic_core import from_json, to_json

JSON = dict[str, Any]

STATELESS: Final = "2026-07-28"
SESSIONS: Final = "2025-11-25"
NOTIFICATIONS: Final = 20
SIZES: Final = {"echo": 200, "note": 200, "progress": 200, "kb100": 100_000, "mb10": 10_000_000}
SCHEMA: Final[JSON] = {"type": "object", "properties": {"text": {"type": "string"}}}
INFO: Final = {"name": "fixture", "version": "1"}
ABOUT: Final[JSON] = {"capabilities": {"tools": {}}}


class Answers:
    """Every result, made once; what is left to do for a call is to put its id in."""

    def __init__(self, more: int) -> None:
        self._called = {name: _open(_text(size)) for name, size in SIZES.items()}
        names = [*SIZES, *(f"tool_{number:04}" for number in range(more))]
        self._listed = _open({"tools": [_tool(name) for name in names]})

    def result(self, method: str, name: Any, stateless: bool) -> bytes:
        """The `result` of one request, as JSON."""
        if method == "tools/call":
            return self._called[name] + (b',"resultType":"complete"}' if stateless else b"}")
        if method == "tools/list":
            caching = b',"resultType":"complete","ttlMs":60000,"cacheScope":"public"}'
            return self._listed + (caching if stateless else b"}")
        if method == "initialize":
            return to_json({**ABOUT, "protocolVersion": SESSIONS, "serverInfo": INFO})
        if method == "server/discover":
            caching_too = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
            meta = {"io.modelcontextprotocol/serverInfo": INFO}
            return to_json(
                {**ABOUT, **caching_too, "supportedVersions": [STATELESS], "_meta": meta}
            )
        return b"{}"

    def messages(self, request: JSON) -> list[bytes]:
        """All that one request is answered with, in order; nothing for a notification."""
        if "id" not in request:
            return []
        params = request.get("params") or {}
        meta, name = params.get("_meta") or {}, params.get("name")
        stateless = "io.modelcontextprotocol/protocolVersion" in meta
        token = meta.get("progressToken")
        told = NOTIFICATIONS if name == "progress" and token is not None else 0
        result = self.result(request["method"], name, stateless)
        answer = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (to_json(request["id"]), result)
        return [*(_progress(token, number) for number in range(1, told + 1)), answer]


def _open(value: JSON) -> bytes:
    """A JSON object without its closing brace."""
    return to_json(value)[:-1]


def _text(size: int) -> JSON:
    return {"content": [{"type": "text", "text": "y" * size}]}


def _tool(name: str) -> JSON:
    said = "A tool of the benchmark, described in about as many words as tools usually are."
    return {"name": name, "description": said, "inputSchema": SCHEMA}


def _progress(token: Any, number: int) -> bytes:
    params = {"progressToken": token, "progress": number, "total": NOTIFICATIONS}
    return to_json({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})


class Http(asyncio.Protocol):
    """One connection; requests one after the other, bodies with a Content-Length."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._held) < end + 4 + size:
                return
            body, self._held = self._held[end + 4 : end + 4 + size], self._held[end + 4 + size :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"post"):
            self._transport.write(b"HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n")
            return
        messages = self._answers.messages(from_json(body))
        if not messages:
            self._transport.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        elif len(messages) == 1:
            lines = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            self._transport.write(lines + b"content-length: %d\r\n\r\n" % len(messages[0]))
            self._transport.write(messages[0])
        else:
            events = b"".join(b"event: message\ndata: %b\n\n" % one for one in messages)
            lines = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            chunked = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
            self._transport.write(lines + chunked % (len(events), events))


async def over_http(answers: Answers) -> None:
    """Serve a port of the system's choice until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Http(answers), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def over_stdio(answers: Answers) -> None:
    """Serve standard input until it ends."""
    for line in sys.stdin.buffer:
        for message in answers.messages(from_json(line)):
            sys.stdout.buffer.write(message + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", type=int, default=0)
    parser.add_argument("--stdio", action="store_true")
    given = parser.parse_args()
    answers = Answers(given.tools)
    if given.stdio:
        over_stdio(answers)
        return
    import uvloop

    uvloop.run(over_http(answers))


if __name__ == "__main__":
    main()
