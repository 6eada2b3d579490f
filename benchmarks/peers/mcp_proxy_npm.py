"""npm `mcp-proxy`: HTTP in front of a tool server over stdio."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.load import Target
from benchmarks.peers import install
from benchmarks.peers.peer import STDIO, Peer, Serving, running, until_answering
from gateway.stories.stage import free_port
from tests import npm


@contextmanager
def serve(fixture: int, home: Path) -> Iterator[Serving]:
    port = free_port()
    script = install.node("mcp-proxy") / "dist" / "bin" / "mcp-proxy.mjs"
    words = ["--host", "127.0.0.1", "--port", str(port), "--server", "stream", "--"]
    command = [str(npm.node()), str(script), *words, *STDIO]
    with running(command, home) as process:
        until_answering(process, f"http://127.0.0.1:{port}/ping", home)
        yield Serving(Target(port, "/mcp"), process, over_http=False)


def version() -> str:
    return str(json.loads((install.node("mcp-proxy") / "package.json").read_text())["version"])


PEER: Final = Peer("mcp-proxy (npm)", version, serve)
