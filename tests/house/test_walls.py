"""The walls of the house: who may import whom. A new room needs its place in `MAY_IMPORT` before it can stand."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.house.source import GATEWAY, ROOT, calls, imports, python_files, short, tree

GROUND: Final = {"errors", "reasons", "values", "made", "files"}
SEAMS: Final = GROUND | {
    "core",
    "ports",
    "credential_ports",
    "grant_ports",
    "lease_ports",
    "nobody",
}
ADAPTER: Final = SEAMS | {
    "config",
    "settings",
    "signer",
    "sdk",
}
ADAPTERS: Final = {
    "approvals",
    "policy",
    "identity",
    "catalogue",
    "credentials",
    "journals",
    "undo",
    "wire.agents",
    "wire.servers",
    "evidence",
    "export",
    "telemetry",
    "grants",
    "fences",
}
HOUSE: Final = (
    ADAPTER
    | ADAPTERS
    | {
        "wire",
        "pep",
        "errands",
        "gate",
        "line",
        "timings",
        "finishing",
        "handed",
    }
)

MAY_IMPORT: Final[dict[str, set[str]]] = {
    "reasons": set(),
    "sdk": set(),
    "values": set(),
    "made": set(),
    "errors": {"reasons", "values"},
    "files": {"errors"},
    "core": GROUND - {"files"},
    "ports": GROUND | {"core"},
    "credential_ports": GROUND | {"core"},
    "grant_ports": GROUND | {"core"},
    "lease_ports": GROUND | {"core"},
    "nobody": GROUND | {"core"},
    "config": GROUND,
    "settings": GROUND | {"config"},
    "terms": GROUND | {"core", "settings", "config"},
    "signer": GROUND,
    "timings": {"values"},
    "handed": set(),
    "line": SEAMS,
    "finishing": set(),
    "approvals": SEAMS,
    "pep": SEAMS | {"line", "finishing", "timings"},
    "errands": SEAMS | {"finishing"},
    "gate": SEAMS | {"pep", "line"},
    "grants": ADAPTER | {"terms"},
    "fences": ADAPTER,
    "policy": ADAPTER | {"terms"},
    "identity": ADAPTER,
    "catalogue": ADAPTER,
    "credentials": ADAPTER | {"finishing"},
    "journals": ADAPTER | {"handed", "timings"},
    "undo": ADAPTER | {"line", "finishing"},
    "evidence": ADAPTER | {"finishing"},
    "export": ADAPTER,
    "telemetry": ADAPTER | {"timings"},
    "wire": ADAPTER,
    "wire.agents": ADAPTER | {"wire", "finishing"},
    "wire.servers": ADAPTER | {"wire", "finishing"},
    "app": HOUSE,
    "certify": HOUSE,
    "stories": HOUSE | {"app"},
    "cli": HOUSE | {"app", "certify", "stories"},
    "__main__": {"cli", "errors"},
}
"""Room -> rooms it may import. Adapters of different ports do not know each other; only `app` wires them."""

PURE: Final = set(
    "__future__ abc base64 bisect collections contextlib contextvars copy dataclasses decimal enum functools "
    "hashlib heapq hmac itertools json math operator re string textwrap types typing unicodedata urllib.parse "
    "jsonschema referencing re2 mcp.shared.uri_template".split()
)
"""What the core may import from outside: no clock, network, disk, random, logging, thread or loop."""

FILES: Final = python_files(GATEWAY)


def room(module: str) -> str:
    """`gateway.wire.agents.http` -> `wire.agents`; the package itself is the room with no name."""
    parts = module.split(".")[1:]
    if parts[:1] == ["wire"] and parts[1:2] in (["agents"], ["servers"]):
        return ".".join(parts[:2])
    return parts[0] if parts else ""


def home(path: Path) -> str:
    return room(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))


def ours(path: Path) -> set[str]:
    """Other rooms this file imports."""
    rooms = {room(name) for name in imports(path) if name.split(".")[0] == "gateway"}
    # `from gateway import __version__` asks the package itself, which knows nothing.
    return rooms - {"__version__", ""} - {home(path)}


@pytest.mark.parametrize("path", FILES, ids=short)
def test_a_room_imports_only_what_lies_below_it(path: Path) -> None:
    if home(path):
        assert home(path) in MAY_IMPORT, f"{home(path)}: give this room its place in MAY_IMPORT"
        assert ours(path) <= MAY_IMPORT[home(path)]
    else:
        assert not ours(path)


def test_the_order_of_the_rooms_has_no_circle() -> None:
    below: dict[str, set[str]] = {}
    waiting = dict(MAY_IMPORT)
    while waiting:
        free = [name for name, needs in waiting.items() if needs <= below.keys()]
        assert free, f"a circle among {sorted(waiting)}"
        for name in free:
            below[name] = waiting.pop(name)


@pytest.mark.parametrize("path", python_files(GATEWAY / "core"), ids=short)
def test_the_core_imports_no_clock_disk_network_random_or_logging(path: Path) -> None:
    outside = {name for name in imports(path) if not name.startswith("gateway.")}
    assert not [name for name in outside if not _any_prefix(name, PURE)]
    assert not [name for name in ("open", "print", "input") if calls(path, name)]


def _any_prefix(name: str, allowed: Iterable[str]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in allowed)


def test_the_list_of_pure_modules_names_nothing_that_touches_the_world() -> None:
    impure = {"time", "datetime", "os", "io", "pathlib", "socket", "random", "secrets", "uuid"}
    impure |= {"logging", "asyncio", "threading", "subprocess", "sqlite3", "tempfile", "sys"}
    assert impure <= sys.stdlib_module_names
    assert PURE.isdisjoint(impure)


def callers(name: str) -> set[str]:
    return {short(path) for path in FILES if calls(path, name)}


def importers(package: str) -> set[str]:
    return {short(path) for path in FILES if any(_any_prefix(n, {package}) for n in imports(path))}


def test_a_permit_is_made_in_one_place_and_asked_for_by_the_line_and_the_errands() -> None:
    assert callers("Permit") == {"gateway/core/record.py"}
    asking = {"gateway/pep.py", "gateway/errands.py", "gateway/undo/own.py"}
    asking.add("gateway/certify/drive.py")  # at scratch servers only, which it starts itself
    assert callers("permit") == asking


@pytest.mark.parametrize("name", ["Queued", "Sealed"])
def test_only_a_journal_says_that_a_line_is_written(name: str) -> None:
    assert {path.rpartition("/")[0] for path in callers(name)} <= {"gateway/journals"}


def test_casbin_is_imported_by_one_file() -> None:
    assert len(importers("casbin")) <= 1
    assert {path.split("/")[1] for path in importers("casbin")} <= {"policy"}


def test_only_the_journals_know_sqlite() -> None:
    """A story and a certification may have a database in their world, a companion one to look after."""
    found = importers("sqlite3") | importers("sqlite_utils")
    found -= {"gateway/undo/companion/sqlitefile.py"}
    assert {path.split("/")[1] for path in found} <= {"journals", "stories", "certify"}


@pytest.mark.parametrize("package", ["httpx", "httpx2", "requests", "aiohttp"])
def test_no_general_http_client_is_on_the_call_path(package: str) -> None:
    rooms = {home(ROOT / path) for path in importers(package)}
    assert rooms.isdisjoint(
        {"wire", "wire.agents", "wire.servers", "pep", "line", "gate", "core", "policy"}
    )


def test_commands_are_the_only_modules_found_by_name() -> None:
    assert callers("import_module") <= {"gateway/cli/__init__.py"}


@pytest.mark.parametrize("name", ["eval", "exec", "__import__", "enable_enforce"])
def test_nothing_is_evaluated_and_no_switch_turns_decisions_off(name: str) -> None:
    assert callers(name) == set()


def test_every_module_says_what_it_is_for() -> None:
    assert [short(path) for path in FILES if not ast.get_docstring(tree(path))] == []
