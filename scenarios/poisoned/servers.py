"""A desk: pages from anywhere, customers from the house, and mail that leaves."""

import sys
from pathlib import Path

from mcp.server import MCPServer

desk = MCPServer("desk")
WORLD = Path(sys.argv[1])


@desk.tool()
def page(name: str) -> str:
    """A page from the web."""
    return (WORLD / name).read_text()


@desk.tool()
def customers() -> str:
    """Who buys here."""
    return (WORLD / "customers.txt").read_text()


@desk.tool()
def send(to: str, text: str) -> str:
    """Send a mail."""
    with (WORLD / "sent.txt").open("a") as box:
        box.write(f"{to}: {text}\n")
    return "sent"


@desk.tool()
def send_seen(to: str, text: str) -> str:
    """Send a mail that somebody has seen."""
    return send(to, text)


desk.run()
