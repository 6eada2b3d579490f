"""Homes in which calls can be taken back: the three reference servers, their companions, and their packs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests import npm
from tests.system import starter
from tests.system.home import POLICIES, Home

SERVERS = ("files", "memory", "git")
APPROVED: dict[tuple[str, ...], dict[str, bytes]] = {}
"""What was approved of which servers: they offer the same in every world, and are asked once in a process."""


def servers(world: Path, wanted: Iterable[str] = SERVERS) -> dict[str, dict[str, Any]]:
    """Servers and companions over one world: `world/files`, `world/graph.jsonl`, `world/repos`."""
    wanted = tuple(wanted)
    (world / "files").mkdir(parents=True, exist_ok=True)
    (world / "repos").mkdir(exist_ok=True)
    memory, variables = npm.memory(world / "graph.jsonl")
    companion = [starter.python(), "-m", "gateway", "companion"]
    files, repos = str(world / "files"), str(world / "repos")
    every: dict[str, dict[str, Any]] = {
        "files": {"command": list(npm.filesystem(world / "files")), "undo": {"root": files}},
        "files-undo": {"command": [*companion, "files", files], "companion_of": "files"},
        "memory": {"command": list(memory), "environment": {"set": variables}},
        "git": {"command": [starter.program("mcp-server-git")], "undo": {"root": repos}},
        "git-undo": {"command": [*companion, "git", repos], "companion_of": "git"},
    }
    return {
        name: one
        for name, one in every.items()
        if name in wanted or one.get("companion_of") in wanted
    }


def home(root: Path, wanted: Iterable[str] = SERVERS) -> Home:
    """Approved, with the packs of this project. The world is `root/world`."""
    wanted = tuple(wanted)
    made = Home.make(root / "home", servers(root / "world", wanted))
    packs = made.root / "policies" / "undo"
    packs.mkdir()
    for path in (POLICIES / "undo").iterdir():
        if path.stem in wanted or path.suffix == ".json":
            shutil.copy(path, packs)
    pins = made.root / "policies" / "pins"
    if wanted not in APPROVED:
        made.approve(*servers(root / "world", wanted))
        APPROVED[wanted] = {path.name: path.read_bytes() for path in pins.iterdir()}
    pins.mkdir(exist_ok=True)
    for name, text in APPROVED[wanted].items():
        (pins / name).write_bytes(text)
    return made
