"""Tests of the catalogue, and the tool servers they need."""

from __future__ import annotations

from pathlib import Path


def shelf_server_path() -> Path:
    """The script of the server that lists what a file holds."""
    return Path(__file__).with_name("shelf_server.py")
