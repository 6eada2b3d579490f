"""`bulkhead serve`: what it loads before it answers."""

from __future__ import annotations

import subprocess
import sys

import pytest


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
