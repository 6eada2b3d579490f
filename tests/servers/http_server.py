"""The test tool server over Streamable HTTP; with `--sse` over HTTP+SSE. `--eras` as in `Behaviour`. Prints its port,
then serves.

A call that says something before its answer is answered by an event stream, any other by JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.servers.behaviour import JSON, STATELESS, Behaviour, error


class Front:
    """One server's HTTP side."""

    def __init__(self, server: Behaviour) -> None:
        self.server = server
        self.questions: dict[str, asyncio.Future[JSON]] = {}
        self.numbers = itertools.count(1)
        self.sessions: set[str] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.partition(":") for line in head[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                message = json.loads(body) if body else {}
                verb, headers[":path"], _ = head[0].split()
                await self.route(verb, headers, message, Reply(reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def route(self, verb: str, headers: dict[str, str], message: JSON, to: Reply) -> None:
        stateless = headers.get("mcp-protocol-version") == STATELESS
        if stateless and self.server.eras == "sessions":
            refusal = error(-32000, "Bad Request: Unsupported protocol version")
            to.json({"jsonrpc": "2.0", "id": None, **refusal}, 400)
        elif stateless:
            await self.call(message, to, cancels=True)
        elif message.get("method") == "initialize":
            session = f"session-{next(self.numbers)}"
            self.sessions.add(session)
            to.head = f"Mcp-Session-Id: {session}\r\n"
            await self.call(message, to)
        elif headers.get("mcp-session-id") not in self.sessions:
            to.empty(404)
        elif verb == "GET":
            self.server.listening.append(to.event)
            to.stream()
            await to.left()
        elif verb == "DELETE":
            self.sessions.discard(headers["mcp-session-id"])
            to.empty(200)
        elif "method" not in message:
            self.questions.pop(message["id"]).set_result(message)
            to.empty(202)
        elif "id" not in message:
            if message["method"] == "notifications/cancelled":
                self.server.cancelled.append(message["params"]["requestId"])
            to.empty(202)
        else:
            await self.call(message, to)

    async def call(self, message: JSON, to: Reply, cancels: bool = False) -> None:
        async def ask(method: str, params: JSON) -> JSON:
            id = f"q{next(self.numbers)}"
            answer: asyncio.Future[JSON] = asyncio.get_running_loop().create_future()
            self.questions[id] = answer
            to.event({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            return await answer

        answering = asyncio.ensure_future(self.answer(message, to, ask))
        leaving = asyncio.ensure_future(to.left())
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
            if cancels:
                self.server.cancelled.append(message["id"])
        leaving.cancel()
        await asyncio.wait({answering, leaving})

    async def answer(self, message: JSON, to: Reply, ask: Any) -> None:
        answer = await self.server.respond(message, to.event, ask)
        if answer is None:
            await asyncio.Event().wait()
        elif to.streaming:
            to.event(answer)
            if not isinstance(self, OldFront):
                to.end()
        else:
            to.json(answer)


class OldFront(Front):
    """The same over HTTP+SSE of 2024-11-05: what is posted to an address is answered on its stream."""

    def __init__(self, server: Behaviour) -> None:
        super().__init__(server)
        self.streams: dict[str, Reply] = {}
        self.works: set[asyncio.Future[None]] = set()

    async def route(self, verb: str, headers: dict[str, str], message: JSON, to: Reply) -> None:
        if verb == "GET":
            path = f"/post/{next(self.numbers)}"
            self.streams[path] = to
            self.server.listening.append(to.event)
            to.stream()
            to.chunk(f"event: endpoint\ndata: {path}\n\n")
            await to.left()
            return
        to.empty(202)
        if "method" not in message:
            self.questions.pop(message["id"]).set_result(message)
        elif message["method"] == "notifications/cancelled":
            self.server.cancelled.append(message["params"]["requestId"])
        elif "id" in message:
            work = asyncio.ensure_future(self.call(message, self.streams[headers[":path"]]))
            self.works.add(work)
            work.add_done_callback(self.works.discard)


class Reply:
    """One answer being written."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.head = ""
        self.streaming = False

    def json(self, message: JSON, status: int = 200) -> None:
        body = json.dumps(message).encode()
        kind = "Content-Type: application/json\r\n"
        self.write(f"HTTP/1.1 {status} .\r\n{self.head}{kind}Content-Length: {len(body)}\r\n\r\n")
        self.writer.write(body)

    def empty(self, status: int) -> None:
        self.write(f"HTTP/1.1 {status} .\r\nContent-Length: 0\r\n\r\n")

    def stream(self) -> None:
        self.streaming = True
        kind = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.write(f"HTTP/1.1 200 .\r\n{self.head}{kind}")

    def event(self, message: JSON) -> None:
        if not self.streaming:
            self.stream()
        self.chunk(f"data: {json.dumps(message)}\n\n")

    def chunk(self, data: str) -> None:
        self.write(f"{len(data):x}\r\n{data}\r\n")

    def end(self) -> None:
        self.write("0\r\n\r\n")

    def write(self, text: str) -> None:
        self.writer.write(text.encode())

    async def left(self) -> None:
        """Returns when the other side has closed: on this wire it says nothing while it waits."""
        while not self.reader.at_eof():
            await asyncio.sleep(0.01)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--eras", default="both")
    parser.add_argument("--sse", action="store_true")
    given = parser.parse_args()
    front = (OldFront if given.sse else Front)(Behaviour(given.eras))
    listening = await asyncio.start_server(front.accept, "127.0.0.1", 0)
    sys.stdout.write(f"{listening.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
