"""`bulkhead export` sends its token where nobody can read along, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.export import TOKEN, _sink
from gateway.errors import Misconfigured


def test_a_token_is_not_sent_in_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _sink(tmp_path, "http://collector.example.com/events")
    monkeypatch.setenv(TOKEN, "canary")
    _sink(tmp_path, "https://collector.example.com/events")
    _sink(tmp_path, "http://127.0.0.1:9000/events")
    with pytest.raises(Misconfigured, match="https or this machine only") as no:
        _sink(tmp_path, "http://collector.example.com/events")
    assert "canary" not in str(no.value)
