"""The test tool server on standard input and output. `--eras`, `--probe` as in `Behaviour`;
`--stubborn` ignores the end of its input and SIGTERM; `--noisy` writes what is not JSON first;
`--child` starts a child that ignores both too, and writes its pid to the file given;
`--deaf` reads nothing after the greeting; `--logging` has log levels; `--texts` says the client's ids and
progress tokens as text; `--refuses` opens no session for a client of that name.
Tools of this wire only: `line` writes an overlong line, `latin` answers in Latin-1, `garbage` writes words."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.servers.behaviour import JSON, Behaviour

SLEEPER = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class Stdio(Behaviour):
    """The behaviours only a pipe can show."""

    texts = False

    async def respond(self, message: JSON, emit: Any, ask: Any) -> JSON | None:
        return await super().respond(as_text(message) if self.texts else message, emit, ask)

    async def tool_line(self, params: JSON, emit: Any, ask: Any, id: int) -> JSON | None:
        """One line of `bytes`, with the id `first`, `last` or `nowhere`; then, if `nowhere`, no answer."""
        size, where = params["arguments"]["bytes"], params["arguments"]["id"]
        start = f'{{"jsonrpc":"2.0","id":{id},' if where == "first" else "{"
        end = f'","id":{id}}}' if where == "last" else '"}'
        out = sys.stdout.buffer
        out.write(start.encode() + b'"result":"')
        for _ in range(size // 1_000_000 + 1):
            out.write(b"x" * 1_000_000)
        out.write(end.encode() + b"\n")
        out.flush()
        return None

    async def tool_latin(self, params: JSON, emit: Any, ask: Any, id: int) -> JSON | None:
        text = '"content":[{"type":"text","text":"Köln"}]'
        line = f'{{"jsonrpc":"2.0","id":{id},"result":{{{text}}}}}\n'
        sys.stdout.buffer.write(line.encode("latin-1"))
        sys.stdout.buffer.flush()
        return None

    async def tool_environment(self, *_: Any) -> JSON:
        return {"result": {"content": [], "environment": dict(os.environ), "cwd": os.getcwd()}}

    async def tool_garbage(self, params: JSON, emit: Any, ask: Any, id: int) -> JSON:
        sys.stdout.buffer.write(b'plain words\n[1, 2\n"just a string"\n\n\x00\xff\n')
        sys.stdout.buffer.write(b'get issue {"id":%d}\n{"msg":"get issue","id":%d}\n' % (id, id))
        sys.stdout.buffer.flush()
        return await self.tool_echo(params)


def emit(message: JSON) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def serve(server: Behaviour, options: argparse.Namespace) -> None:
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()
    threading.Thread(target=read, args=(loop, lines, options), daemon=True).start()
    tasks: dict[Any, asyncio.Task[None]] = {}
    questions: dict[str, asyncio.Future[JSON]] = {}
    numbers = itertools.count(1)

    async def ask(method: str, params: JSON) -> JSON:
        id = f"q{next(numbers)}"
        questions[id] = loop.create_future()
        emit({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        return await questions[id]

    async def run(message: JSON) -> None:
        answer = await server.respond(message, emit, ask)
        if answer is not None:
            emit(answer)

    while line := await lines.get():
        message = json.loads(line)
        if "method" not in message:
            questions.pop(message["id"]).set_result(message)
        elif "id" in message:
            tasks[message["id"]] = asyncio.create_task(run(message))
        else:
            server.seen.append(message)
            if message["method"] == "notifications/cancelled":
                server.cancelled.append(message["params"]["requestId"])
    if options.stubborn:
        await asyncio.sleep(600)


def as_text(message: JSON) -> JSON:
    """A request as a server has it that holds every id and token as text."""
    params = message.get("params", {})
    meta = params.get("_meta", {})
    if "progressToken" in meta:
        meta = {**meta, "progressToken": str(meta["progressToken"])}
    return {**message, "id": str(message["id"]), "params": {**params, "_meta": meta}}


def read(
    loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str], options: argparse.Namespace
) -> None:
    for count, line in enumerate(sys.stdin):
        loop.call_soon_threadsafe(lines.put_nowait, line)
        if options.deaf and count == 1:
            signal.pause()
    loop.call_soon_threadsafe(lines.put_nowait, "")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--eras", default="both")
    parser.add_argument("--probe", default="answer")
    parser.add_argument("--stubborn", action="store_true")
    parser.add_argument("--noisy", action="store_true")
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--logging", action="store_true")
    parser.add_argument("--texts", action="store_true")
    parser.add_argument("--refuses", default="")
    parser.add_argument("--child")
    options = parser.parse_args()
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.noisy:
        sys.stdout.write("Welcome to my server!\n")
        sys.stdout.flush()
    if options.child:
        child = subprocess.Popen([sys.executable, "-c", SLEEPER])
        Path(options.child).write_text(str(child.pid))
    server = Stdio(options.eras, options.probe, options.logging)
    server.texts = options.texts
    server.refuses = options.refuses
    asyncio.run(serve(server, options))


if __name__ == "__main__":
    main()
