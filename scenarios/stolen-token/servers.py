"""The shop: a tool server over one SQLite file. It trusts whoever calls."""

import json
import sqlite3
import sys

from mcp.server import MCPServer

shop = MCPServer("shop")
database = sqlite3.connect(sys.argv[1], check_same_thread=False, isolation_level=None)


@shop.tool()
def orders() -> str:
    """Every order, with the customer's address."""
    return json.dumps(database.execute("SELECT * FROM orders").fetchall())


@shop.tool()
def refund(number: int) -> str:
    """Pay an order back."""
    database.execute("UPDATE orders SET paid = 0 WHERE number = ?", (number,))
    return f"paid back {number}"


shop.run()
