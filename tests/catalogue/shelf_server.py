"""A tool server over standard input and output that lists whatever a file holds at that moment.

The file is JSON: list method -> result, and `about`: more of the `initialize` result. Older protocol era, no libraries.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

SHELF = Path(sys.argv[1])


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        about = {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "shelf", "version": "1"},
        }
        return {"result": {**about, **json.loads(SHELF.read_text()).get("about", {})}}
    results = json.loads(SHELF.read_text())
    if method in results:
        return {"result": results[method]}
    return {"error": {"code": -32601, "message": "Method not found"}}


for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked and "method" in asked:
        reply = {
            "jsonrpc": "2.0",
            "id": asked["id"],
            **answer(asked["method"], asked.get("params", {})),
        }
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
