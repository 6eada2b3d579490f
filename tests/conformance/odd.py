"""A tool server that says strange things in strange ways, all of them allowed: bytes written by hand.

`python -m tests.conformance.odd --port N --version V`. Of the sessions era (2024-11-05 to 2025-11-25) or
stateless (2026-07-28). It has no session ids, closes connections when it likes, and its event streams have
comments, BOMs, other events, CRs and data over several lines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

JSON = dict[str, Any]
STATELESS: Final = "2026-07-28"

RESULTS: Final[dict[str, str]] = {
    "nothing": "{}",
    "empty": '{"content":[],"structuredContent":{},"_meta":{}}',
    "nulls": '{"content":[{"type":"text","text":"","annotations":null}],"isError":null,"x":null}',
    "numbers": '{"content":[],"structuredContent":[1e2,1E+2,-0,-0.0,0.1e1,123456789012345678901234567890,'
    "9007199254740993,5e-324,1.7976931348623157e308]}",
    "letters": '{"content":[{"type":"text","text":"\\u0000\\ud83d\\ude00 \\u2028é 漢 \\/ \U0001f600 \\u007f"}]}',
    "names": '{"content":[],"":{"":""},"é":1,"__proto__":2,"a.b":3,"$ref":4,"constructor":{"x":[]}}',
    "error_and_more": '{"isError":true,"content":[{"type":"text","text":"no"}],"structuredContent":{"a":1}}',
    "not_a_task": '{"content":[],"taskId":"t-1","status":"completed","task":{"note":1}}',
    "own_link": '{"content":[{"type":"resource_link","uri":"x:","name":""}]}',
    "spaced": ' {\n\t"content" : [ ] ,\r\n "x":[ 1 , 2 ]\n} ',
    "nested": '{"content":[],"structuredContent":' + '{"a":[' * 25 + "1" + "]}" * 25 + "}",
    "many": '{"content":[' + ",".join(['{"type":"text","text":"x"}'] * 5_000) + "]}",
}
ERRORS: Final[dict[str, str]] = {
    "refused": '{"code":0,"message":""}',
    "large_code": '{"code":2147483647,"message":"é","data":{"a":[null,{}]},"x":1}',
    "own_code": '{"code":-31999,"message":"m","data":""}',
    "false_data": '{"code":-32603,"message":"m","data":false}',
}
STREAMED: Final = (
    "plain",
    "comments",
    "lines",
    "returns",
    "bom",
    "others",
    "bytes",
    "early",
    "late",
)
"""Tools answered by an event stream of that kind."""
ODD_NAMES: Final = (
    "ünï",
    "emoji 😀",
    "a/b",
    "UPPER.lower-1_2",
    "x" * 128,
    "%41",
    "=?base64?eA==?=",
)
URIS: Final = ("odd:é/1?%20+", "odd:%zz")
NAMES: Final = (*RESULTS, *ERRORS, *STREAMED, *ODD_NAMES)
TOOLS: Final[list[JSON]] = [
    {"name": name, "inputSchema": {"type": "object"}, "description": "", "annotations": {}}
    for name in NAMES
]
ANYTHING: Final[JSON] = {"type": "object", "properties": {"": {}, "é": {}}}
TOOLS[NAMES.index("a/b")]["inputSchema"] = ANYTHING
TOOLS[0] |= {"title": "", "outputSchema": {"type": "object"}, "icons": [], "x": {"y": None}}


def _resources() -> list[JSON]:
    return [
        {"uri": URIS[0], "name": ""},
        {"uri": URIS[1], "name": "n", "size": 0, "mimeType": ""},
    ]


def answer(method: str, params: JSON, version: str) -> str:
    """The `result` or `error` member of one answer, as text."""
    name = params.get("name")
    if method == "tools/call" and name in ERRORS:
        return f'"error":{ERRORS[name]}'
    if method == "tools/call":
        return f'"result":{_stamped(RESULTS.get(str(name), _echo(params)), version)}'
    if method == "initialize":
        about = {"protocolVersion": version, "capabilities": {"tools": {}, "resources": {}}}
        return f'"result":{json.dumps({**about, "serverInfo": {"name": "odd", "version": ""}})}'
    if method == "server/discover" and version == STATELESS:
        about = {"supportedVersions": [STATELESS], "capabilities": {"tools": {}, "resources": {}}}
        return f'"result":{json.dumps({**about, "ttlMs": 0, "cacheScope": "private", "resultType": "complete"})}'
    listed = {"tools/list": ("tools", TOOLS), "resources/list": ("resources", _resources())}
    if method in listed:
        key, items = listed[method]
        return f'"result":{_stamped(json.dumps({key: items}), version, listed=True)}'
    if method == "resources/read":
        contents = [{"uri": params["uri"], "text": ""}, {"uri": "", "blob": ""}]
        return f'"result":{_stamped(json.dumps({"contents": contents}), version, listed=True)}'
    return '"error":{"code":-32601,"message":"Method not found"}'


def _echo(params: JSON) -> str:
    seen = {name: value for name, value in params.items() if name != "_meta"}
    return json.dumps({"content": [], "seen": seen})


def _stamped(result: str, version: str, *, listed: bool = False) -> str:
    """As the stateless era wants it; an older server says nothing of the kind."""
    if version != STATELESS:
        return result
    start = result.index("{") + 1
    caching = '"ttlMs":1,"cacheScope":"public",' if listed else ""
    comma = "" if result[start:].strip() == "}" and not caching else ","
    more = f'"resultType":"complete"{comma}{caching}'
    return (
        result[:start]
        + (more.rstrip(",") if result[start:].strip() == "}" else more)
        + result[start:]
    )


def streamed(kind: str, body: bytes, token: Any) -> list[bytes]:
    """The pieces of one event stream that end in this answer."""
    note = {"progressToken": token, "progress": 0.5, "message": ""}
    told = json.dumps(
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": note}
    ).encode()
    before = b"" if token is None else b"data:" + told + b"\n\n"
    plain = before + b"event: message\nid: 1\ndata: " + body + b"\n\n"
    kinds: dict[str, Callable[[], list[bytes]]] = {
        "comments": lambda: [b": hello\n\n:\n", b"retry: 50\n:" + b"x" * 70_000 + b"\n\n", plain],
        "lines": lambda: [before, b"data: " + body.replace(b",", b",\ndata: ") + b"\n\n"],
        "returns": lambda: [plain.replace(b"\n", b"\r")],
        "bom": lambda: [b"\xef\xbb", b"\xbf" + plain],
        "others": lambda: [
            b"id: 0\ndata:\n\nid\ndata\nunknown: 1\n\n",
            plain.replace(b"message", b""),
        ],
        "bytes": lambda: [plain[at : at + 1] for at in range(len(plain))],
        "late": lambda: [plain, b": one more comment\n\n"],
    }
    return kinds.get(kind, lambda: [plain])()


class Server:
    """One version, one port."""

    def __init__(self, version: str) -> None:
        self._version = version

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = head.partition("content-length:")[2].partition("\r\n")[0]
        body = await reader.readexactly(int(length or 0))
        if not head.startswith("post"):
            writer.write(b"HTTP/1.1 405 \r\nContent-Length: 0\r\n\r\n")
            return True
        message = json.loads(body)
        era = (
            STATELESS in head.partition("mcp-protocol-version:")[2][:14],
            self._version == STATELESS,
        )
        if era[0] != era[1]:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno!")
            return True
        if "id" not in message:
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nX-Odd: 1\r\n\r\n")
            return True
        return await self._answered(message, writer)

    async def _answered(self, message: JSON, writer: asyncio.StreamWriter) -> bool:
        params = message.get("params") or {}
        said = answer(message["method"], params, self._version)
        text = f'{{"x":[1],{said},"id":{json.dumps(message["id"])},"jsonrpc":"2.0"}}'.encode()
        name = params.get("name")
        if name not in STREAMED:
            status = b"400 " if b'"code":-32601' in text and self._version == STATELESS else b"200 "
            kind = b"Application/JSON ; charset=UTF-8"
            head = b"HTTP/1.1 %bOdd\r\nCONTENT-TYPE:  %b\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % (status, kind, len(text)) + text)
            return True
        token = params.get("_meta", {}).get("progressToken")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream;charset=utf-8\r\n")
        writer.write(
            b"Connection: close\r\n\r\n"
            if name == "early"
            else b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for piece in filter(None, streamed(name, text, token)):
            writer.write(piece if name == "early" else b"%x;odd=1\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if name == "early":
            return False
        writer.write(b"0\r\nX-Trailer: 1\r\n\r\n")
        return True


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--version", required=True)
    given = parser.parse_args()
    server = await asyncio.start_server(Server(given.version).serve, "127.0.0.1", given.port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
