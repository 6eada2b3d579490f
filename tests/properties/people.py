"""People who work beside a gateway and know nothing of it: what they leave, and how it is found again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.undo.real import Day


def human_file(day: Day, mark: str) -> str:
    """Somebody saves a file: one that is there, or a new one."""
    there = [path for path in day.here.rglob("*") if path.is_file() and not path.is_symlink()]
    folders = [path for path in day.here.rglob("*") if path.is_dir()] or [day.here]
    choices = there + [folder / "human.txt" for folder in folders]
    day.rng.choice(choices).write_bytes(mark.encode())
    return mark


def file_found(day: Day, mark: str) -> bool:
    """Anywhere, under any name."""
    return any(
        path.is_file() and path.read_bytes() == mark.encode() for path in day.here.rglob("*")
    )


def human_entity(day: Day, mark: str) -> str:
    """Somebody adds a line to the graph's file."""
    path = day.world.path / "graph.jsonl"
    line = {"type": "entity", "name": mark, "entityType": "person", "observations": ["is here"]}
    text = path.read_text().rstrip("\n")
    path.write_text(f"{text}\n{json.dumps(line)}" if text else json.dumps(line))
    return mark


def entity_found(day: Day, mark: str) -> bool:
    """In the file."""
    return any(mark in line for line in (day.world.path / "graph.jsonl").read_text().split("\n"))


def human_commit(day: Day, mark: str) -> str:
    """Somebody commits on whatever is checked out, or stages a file, or leaves one lying there."""
    path: Path = day.here / f"{mark}.txt"
    path.write_bytes(mark.encode())
    what = day.rng.choice(("lies", "staged", "committed"))
    if what != "lies":
        git(day.here, "add", "--", path.name)
    if what == "committed":
        git(day.here, "commit", "-q", "-m", mark, "--", path.name)
    return mark


def commit_found(day: Day, mark: str) -> bool:
    """On a branch or at HEAD, staged, or in the working tree: a dangling object is lost."""
    reachable = git(day.here, "log", "--all", "HEAD", "--format=%s", "--")
    named = git(day.here, "log", "--all", "--format=%H", "--", f"{mark}.txt")
    staged = git(day.here, "ls-files", "--", f"{mark}.txt")
    there = (day.here / f"{mark}.txt").exists()
    return mark in reachable or bool(named.strip()) or bool(staged.strip()) or there


def git(here: Path, *words: str) -> str:
    """What git prints."""
    ran = subprocess.run(["git", "-C", str(here), *words], capture_output=True, timeout=60)
    return ran.stdout.decode(errors="replace")


PEOPLE = {"files": human_file, "memory": human_entity, "git": human_commit}
FOUND = {"files": file_found, "memory": entity_found, "git": commit_found}
