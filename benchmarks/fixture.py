"""The tool server benchmarks call: both eras, hardly any cost of its own, so that it is not what is measured.

    python -m benchmarks.fixture [--tools 500]      over HTTP; its first line of output is its port
    python -m benchmarks.fixture --stdio

Tools: `echo` and `note` (small answers; the second is named like a write), `kb100` and `mb10` (large
ones), `progress` (twenty notifications in a burst, then the answer), `paced` (five, 10 ms apart), and notes
that are kept: `get_note`, `put_note`. `--tools N` lists N more. A request that comes again byte for byte is
answered from memory. Over HTTP, `GET /count` says how many requests there have been.
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
BURST: Final = 20
PACED: Final = 5
PACE: Final = 0.01
SIZES: Final = {
    "echo": 200,
    "note": 200,
    "progress": 200,
    "paced": 200,
    "kb100": 100_000,
    "mb10": 10_000_000,
}
TOLD: Final = {"progress": BURST, "paced": PACED}
"""Notifications before the answer, to who gives a progress token."""
NOTES: Final = ("get_note", "put_note")
KEPT: Final = 256
"""Notes there are from the start: n0, n1, ..."""
TEXT: Final[JSON] = {"type": "string"}
SCHEMA: Final[JSON] = {"type": "object", "properties": {"text": TEXT}}
NOTE_SCHEMA: Final[JSON] = {"type": "object", "properties": {"id": TEXT, "body": TEXT}}
INFO: Final = {"name": "fixture", "version": "1"}
ABOUT: Final[JSON] = {"capabilities": {"tools": {}}}
LACKING: Final = ("prompts/list", "resources/list", "resources/templates/list")
UNKNOWN: Final[JSON] = {"code": -32601, "message": "Method not found"}
LARGE: Final = 2**20
"""Answers above this are neither kept nor copied."""
REMEMBERED: Final = 4_096
"""Requests whose answer is kept, at most."""


def tool(name: str) -> JSON:
    """The descriptor of one tool."""
    said = "A tool of the benchmark, described in about as many words as tools usually are."
    return {
        "name": name,
        "description": said,
        "inputSchema": NOTE_SCHEMA if name in NOTES else SCHEMA,
    }


class Answers:
    """Every result, made once; what is left to do for a call is to put its id in."""

    def __init__(self, more: int) -> None:
        self._called = {name: _open(_text("y" * size)) for name, size in SIZES.items()}
        names = [*SIZES, *NOTES, *(f"tool_{number:04}" for number in range(more))]
        self._listed = _open({"tools": [tool(name) for name in names]})
        self._notes = {f"n{number}": "kept before" for number in range(KEPT)}

    def result(self, method: str, params: JSON, stateless: bool) -> bytes:
        """The `result` of one request, as JSON."""
        if method == "tools/call":
            opened = self._called.get(params["name"]) or _open(self._noted(**params))
            return opened + (b',"resultType":"complete"}' if stateless else b"}")
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

    def _noted(self, name: str, arguments: JSON, **_: Any) -> JSON:
        id = arguments["id"]
        if name == "put_note":
            self._notes[id] = arguments["body"]
            return _text("kept")
        if id not in self._notes:
            return {**_text("not found"), "isError": True}
        body = self._notes[id]
        return {**_text(body), "structuredContent": {"body": body}}

    def messages(self, request: JSON) -> list[bytes]:
        """All that one request is answered with, in order; nothing for a notification."""
        if "id" not in request:
            return []
        params = request.get("params") or {}
        meta = params.get("_meta") or {}
        stateless = "io.modelcontextprotocol/protocolVersion" in meta
        token = meta.get("progressToken")
        told = 0 if token is None else TOLD.get(params.get("name", ""), 0)
        if request["method"] in LACKING:
            return [to_json({"jsonrpc": "2.0", "id": request["id"], "error": UNKNOWN})]
        result = self.result(request["method"], params, stateless)
        answer = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (to_json(request["id"]), result)
        return [*(_progress(token, number, told) for number in range(1, told + 1)), answer]


def _open(value: JSON) -> bytes:
    """A JSON object without its closing brace."""
    return to_json(value)[:-1]


def _text(text: str) -> JSON:
    return {"content": [{"type": "text", "text": text}]}


def _progress(token: Any, number: int, total: int) -> bytes:
    params = {"progressToken": token, "progress": number, "total": total}
    return to_json({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})


class Site:
    """What all connections share."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.remembered: dict[bytes, bytes] = {}
        self.count = 0


class Http(asyncio.Protocol):
    """One connection; requests one after the other, bodies with a Content-Length."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        known = self._site.remembered.get(data)
        if known is not None and not self._held:
            self._site.count += 1
            self._transport.write(known)
            return
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._held) < end + 4 + size:
                return
            whole, self._held = self._held[: end + 4 + size], self._held[end + 4 + size :]
            self._answer(head, whole, whole[end + 4 :])

    def _answer(self, head: bytes, whole: bytes, body: bytes) -> None:
        if head.startswith(b"get /count"):
            self._transport.write(_plain(b"200 OK", b"%d" % self._site.count))
            return
        if not head.startswith(b"post"):
            self._transport.write(_plain(b"405 No"))
            return
        self._site.count += 1
        request = from_json(body)
        messages = self._site.answers.messages(request)
        name = (request.get("params") or {}).get("name")
        if not messages:
            self._transport.write(_plain(b"202 Accepted"))
        elif len(messages) == 1 and len(messages[0]) > LARGE:
            self._transport.write(_head(b"200 OK", len(messages[0]), b"application/json"))
            self._transport.write(messages[0])
        elif len(messages) == 1:
            self._once(whole, name, _plain(b"200 OK", messages[0], b"application/json"))
        elif name == "paced":
            self._pacing = asyncio.ensure_future(self._pace(messages))
        else:
            events = b"".join(_event(message) for message in messages)
            self._transport.write(STREAM + _chunk(events) + _chunk(b""))

    def _once(self, whole: bytes, name: Any, answer: bytes) -> None:
        if name not in NOTES and len(self._site.remembered) < REMEMBERED:
            self._site.remembered[whole] = answer
        self._transport.write(answer)

    async def _pace(self, messages: list[bytes]) -> None:
        self._transport.write(STREAM)
        for message in messages:
            await asyncio.sleep(PACE)
            self._transport.write(_chunk(_event(message)))
        self._transport.write(_chunk(b""))


STREAM: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _plain(status: bytes, body: bytes = b"", kind: bytes = b"text/plain") -> bytes:
    return _head(status, len(body), kind) + body


def _head(status: bytes, length: int, kind: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (status, kind, length)


def _event(message: bytes) -> bytes:
    return b"event: message\ndata: %b\n\n" % message


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def over_http(answers: Answers) -> None:
    """Serve a port of the system's choice until killed."""
    loop, site = asyncio.get_running_loop(), Site(answers)
    server = await loop.create_server(lambda: Http(site), "127.0.0.1", 0, backlog=1024)
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
