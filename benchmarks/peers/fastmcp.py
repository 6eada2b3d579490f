"""FastMCP's proxy, as its own documentation makes one: `create_proxy(url)`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.load import Target
from benchmarks.peers import install
from benchmarks.peers.peer import Peer, Serving, running, until_answering
from gateway.stories.stage import free_port

SCRIPT: Final = """\
from fastmcp.server import create_proxy
create_proxy("http://127.0.0.1:{fixture}/mcp").run(
    transport="http", host="127.0.0.1", port={port}, show_banner=False, log_level="ERROR"
)
"""


@contextmanager
def serve(fixture: int, home: Path) -> Iterator[Serving]:
    port = free_port()
    (home / "proxy.py").write_text(SCRIPT.format(fixture=fixture, port=port))
    with running([str(install.python("fastmcp") / "python"), "proxy.py"], home) as process:
        until_answering(process, f"http://127.0.0.1:{port}/mcp", home)
        yield Serving(Target(port, "/mcp"), process, era="sessions")


def version() -> str:
    install.python("fastmcp")
    return install.version("fastmcp", "fastmcp")


PEER: Final = Peer("FastMCP proxy", version, serve)
