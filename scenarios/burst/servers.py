"""A price list somebody pays for by the call."""

import sys
from pathlib import Path

from mcp.server import MCPServer

prices = MCPServer("prices")
METER = Path(sys.argv[1])


@prices.tool()
def price(item: str) -> str:
    """The price of a thing. Every look is counted."""
    with METER.open("a") as meter:
        meter.write(f"{item}\n")
    return f"{item}: 12"


prices.run()
