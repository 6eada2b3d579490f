"""The bank: a tool server over one SQLite file that pays whatever it is told to."""

import json
import sqlite3
import sys

from mcp.server import MCPServer

bank = MCPServer("bank")
database = sqlite3.connect(sys.argv[1], check_same_thread=False, isolation_level=None)


@bank.tool()
def payments() -> str:
    """What was paid so far."""
    return json.dumps(database.execute("SELECT * FROM payments").fetchall())


@bank.tool()
def pay(to: str, amount: int, note: str = "") -> str:
    """Pay an amount to an account."""
    database.execute("INSERT INTO payments VALUES (?, ?, ?)", (to, amount, note))
    return f"paid {amount} to {to}"


@bank.tool()
def close_account(name: str) -> str:
    """Close an account for good."""
    database.execute("DELETE FROM accounts WHERE name = ?", (name,))
    return f"closed {name}"


bank.run()
