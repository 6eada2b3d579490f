"""A shop's two tool servers: `servers.py ledger FILE.db` takes SQL, `servers.py payments FILE.json` takes money.

The ledger runs one statement at a time, as it comes. The payments are two-phase, as card payments are: money is
authorised (held), then captured or cancelled. Cancelling what was never authorised is remembered, so that an
authorisation that comes late is refused.
"""

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

which, place = sys.argv[1], Path(sys.argv[2])
server = MCPServer(which, version="1.0")


def ledger() -> None:
    database = sqlite3.connect(place, check_same_thread=False, isolation_level=None)
    database.execute("PRAGMA busy_timeout = 5000")
    database.execute("PRAGMA recursive_triggers = ON")  # or a REPLACE deletes without a trace

    @server.tool()
    def execute(sql: str) -> dict[str, Any]:
        """Run one SQL statement."""
        done = database.execute(sql)
        return {"rows": done.fetchall(), "changed": done.rowcount}


def payments() -> None:
    def book() -> dict[str, Any]:
        read: dict[str, Any] = json.loads(place.read_text())
        return read

    def write(payment: str, amount: int, status: str) -> dict[str, Any]:
        fresh = place.with_suffix(".new")
        fresh.write_text(json.dumps({**book(), payment: {"amount": amount, "status": status}}))
        os.replace(fresh, place)
        return {"payment": payment, "amount": amount, "status": status}

    @server.tool()
    def look(payment: str) -> dict[str, Any]:
        """How a payment stands."""
        return {"payment": payment, **book().get(payment, {"amount": 0, "status": "none"})}

    @server.tool()
    def authorise(payment: str, amount: int) -> dict[str, Any]:
        """Hold an amount on the customer's card."""
        if payment in book():
            raise ValueError(f"{payment} is {book()[payment]['status']}")
        return write(payment, amount, "authorised")

    @server.tool()
    def capture(payment: str) -> dict[str, Any]:
        """Take the money that is held. It cannot be given back from here."""
        if book().get(payment, {}).get("status") != "authorised":
            raise ValueError(f"{payment} is not authorised")
        return write(payment, book()[payment]["amount"], "captured")

    @server.tool()
    def cancel(payment: str) -> dict[str, Any]:
        """Let go of the money that is held."""
        status = book().get(payment, {"amount": 0, "status": "none"})
        if status["status"] == "captured":
            raise ValueError(f"{payment} is captured")
        return write(payment, status["amount"], "cancelled")


{"ledger": ledger, "payments": payments}[which]()
server.run()
