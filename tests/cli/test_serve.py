"""`bulkhead serve`: what it loads before it answers, and what it says then."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.catalogue import shelf_server_path
from tests.catalogue.offering import tool
from tests.system import starter
from tests.system.home import Home, everybody, one_tier


@pytest.fixture(scope="module")
def loaded() -> frozenset[str]:
    """The modules of a process that is about to serve."""
    told = "import sys, gateway.cli.serve\nprint(*sys.modules)"
    words = [sys.executable, "-c", told]
    ran = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return frozenset(ran.stdout.split())


@pytest.mark.parametrize("package", ["httpx", "rich", "opentelemetry", "psycopg", "boto3"])
def test_what_only_some_settings_need_is_not_loaded_for_all(
    loaded: frozenset[str], package: str
) -> None:
    assert "gateway.pep" in loaded
    assert package not in loaded


@pytest.mark.parametrize(
    "module",
    ["evidence.sequencer", "evidence.warrant", "app.undo", "app.retention", "fences.desk"],
)
def test_what_runs_beside_is_not_waited_for(loaded: frozenset[str], module: str) -> None:
    assert f"gateway.{module}" not in loaded


def test_what_was_approved_and_is_not_there_is_not_said_to_be_unapproved(tmp_path: Path) -> None:
    shelf, log = tmp_path / "shelf.json", tmp_path / "log"
    shelf.write_text(json.dumps({"tools/list": {"tools": [tool("read")]}}))
    files = {"command": [starter.python(), str(shelf_server_path()), str(shelf)]}
    policy, tiers = everybody([("data", "files")]), one_tier("files")
    home = Home.make(tmp_path / "home", {"files": files}, policy=policy, tiers=tiers)
    home.approve("files")
    shelf.unlink()
    with home.serving(log=log):
        pass
    assert "files  failing: 0 tools, 1 withheld" in log.read_text()
