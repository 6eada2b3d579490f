"""A customer file: a tool server over one SQLite file. It trusts whoever calls."""

import json
import sqlite3
import sys

from mcp.server import MCPServer

crm = MCPServer("crm")
database = sqlite3.connect(sys.argv[1], check_same_thread=False, isolation_level=None)


@crm.tool()
def find(name: str) -> str:
    """Customers of this name."""
    rows = database.execute("SELECT * FROM customers WHERE name = ?", (name,)).fetchall()
    return json.dumps(rows)


@crm.tool()
def forget(name: str) -> str:
    """Forget a customer."""
    database.execute("DELETE FROM customers WHERE name = ?", (name,))
    return f"forgot {name}"


crm.run()
