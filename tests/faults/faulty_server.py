"""A tool server over stdio with a folder of records that answers one kind of call wrongly: `faulty_server.py FOLDER`.

FOLDER/fault names what it does with the next write; each write it has seen is a line of FOLDER/seen. Its
version is FOLDER/version. Standard library only: it starts in milliseconds.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[1])
WORLD = FOLDER / "world"
LATE = 0.5


def write(reply: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **reply}) + "\n")
    sys.stdout.flush()


def said(text: str, is_error: bool = False, **structured: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": is_error}
    return {"result": {**result, "structuredContent": structured} if structured else result}


def done(tool: str, arguments: dict[str, str]) -> dict[str, Any]:
    """The call, as it should be."""
    if tool == "put":
        (WORLD / arguments["key"]).write_text(arguments["value"])
        return said("done")
    path = WORLD / arguments["key"]
    if not path.exists():
        return said("absent", True)
    if tool == "get":
        return said(path.read_text(), value=path.read_text())
    path.unlink()
    return said("done")


def faulty(fault: str, id: Any, tool: str, arguments: dict[str, str]) -> None:
    """The call, as it should not be."""
    match fault:
        case "wrong-id":
            write({"id": 10**6, **done(tool, arguments)})
        case "text-id":
            write({"id": str(id), **done(tool, arguments)})
        case "twice":
            answer = done(tool, arguments)
            write({"id": id, **answer})
            write({"id": id, **answer})
        case "two-words":
            write({"id": id, **said("no", True)})
            write({"id": id, **done(tool, arguments)})
        case "truncated":
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": id, **done(tool, arguments)})[:30])
            sys.stdout.flush()
            os._exit(3)
        case "late":
            time.sleep(LATE)
            write({"id": id, **done(tool, arguments)})
        case "error-and-done":
            done(tool, arguments)
            write({"id": id, **said("it failed", True)})
        case "ok-and-not-done":
            write({"id": id, **said("done")})
        case "dies-before":
            os._exit(3)
        case "dies-after":
            done(tool, arguments)
            os._exit(3)
        case "deaf-and-done":
            os.close(1)
            sys.stdin.read()
            time.sleep(LATE)
            done(tool, arguments)
            os._exit(0)
        case "silent":
            return
        case "upgraded":
            done(tool, arguments)
            (FOLDER / "version").write_text("0.9")
            os._exit(0)
        case "blind":
            write({"id": id, **done(tool, arguments)})
            (FOLDER / "reads").write_text("null")


def called(id: Any, tool: str, arguments: dict[str, str]) -> None:
    if tool == "get":
        blind = (FOLDER / "reads").exists()
        write({"id": id, **(said("error: disk on fire") if blind else done(tool, arguments))})
        return
    with (FOLDER / "seen").open("a") as seen:
        seen.write(json.dumps([tool, arguments]) + "\n")
    fault = FOLDER / "fault"
    if fault.exists():
        name = fault.read_text()
        fault.unlink()
        faulty(name, id, tool, arguments)
    else:
        write({"id": id, **done(tool, arguments)})


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        id, method = message.get("id"), message.get("method")
        if method == "initialize":
            about = {"name": "store", "version": (FOLDER / "version").read_text()}
            greeting = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
            write({"id": id, "result": {**greeting, "serverInfo": about}})
        elif method == "tools/call":
            called(id, message["params"]["name"], message["params"]["arguments"])
        elif method == "tools/list":
            write({"id": id, "result": {"tools": []}})
        elif id is not None:
            write({"id": id, "error": {"code": -32601, "message": "Method not found"}})


if __name__ == "__main__":
    main()
