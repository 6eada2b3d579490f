"""What runs leave behind for the page: one JSON file each in .bench/, with the machine and the command."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

PLACE: Final = Path(__file__).resolve().parents[1] / ".bench"
VERSIONS: Final = ("bulkhead", "uvloop", "httptools", "pycasbin", "pydantic-core", "mcp")


def keep(kind: str, rows: Sequence[Mapping[str, Any]], **more: Any) -> None:
    """Write .bench/KIND.json."""
    PLACE.mkdir(exist_ok=True)
    told = {**about(), **more, "rows": list(rows)}
    (PLACE / f"{kind}.json").write_text(json.dumps(told, indent=1) + "\n")


def keep_beside(kind: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """The same, and rows of earlier runs stay unless there is a new one `of` the same."""
    there = {row["of"]: row for row in (kept(kind) or {"rows": []})["rows"]}
    keep(kind, list((there | {row["of"]: row for row in rows}).values()))


def kept(kind: str) -> dict[str, Any] | None:
    """What the last run of this kind left, if there was one."""
    path = PLACE / f"{kind}.json"
    return dict(json.loads(path.read_text())) if path.exists() else None


def about() -> dict[str, Any]:
    """Where, when, with what and how."""
    module = Path(sys.argv[0])
    name = module.parent.name if module.stem == "__main__" else module.stem
    package = "benchmarks" if name == "benchmarks" else f"benchmarks.{name}"
    return {
        "command": " ".join(["python -m", package, *sys.argv[1:]]),
        "taken": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine(),
        "load": os.getloadavg()[0],
        "versions": {"CPython": platform.python_version(), "SQLite": sqlite3.sqlite_version}
        | {name: metadata.version(name) for name in VERSIONS},
    }


def machine() -> str:
    """Processor, cores, kernel; no name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"
