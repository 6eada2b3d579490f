"""PyPI `mcp-proxy`: HTTP in front of a tool server over stdio; sessions of the old era only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.load import Target
from benchmarks.peers import install
from benchmarks.peers.peer import STDIO, Peer, Serving, running, until_answering
from gateway.stories.stage import free_port


@contextmanager
def serve(fixture: int, home: Path) -> Iterator[Serving]:
    port = free_port()
    words = ["--host", "127.0.0.1", "--port", str(port), "--pass-environment", "--log-level"]
    program = str(install.python("mcp-proxy") / "mcp-proxy")
    command = [program, *words, "WARNING", "--", *STDIO]
    with running(command, home) as process:
        until_answering(process, f"http://127.0.0.1:{port}/status", home)
        yield Serving(Target(port, "/mcp"), process, era="sessions", over_http=False)


def version() -> str:
    install.python("mcp-proxy")
    return install.version("mcp-proxy", "mcp-proxy")


PEER: Final = Peer("mcp-proxy (PyPI)", version, serve)
