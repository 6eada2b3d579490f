"""`bulkhead export` sends its token where nobody can read along, and nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.export import TOKEN, _alone, _sink
from gateway.errors import Misconfigured


def test_a_token_is_not_sent_in_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _sink(tmp_path, "http://collector.example.com/events")
    monkeypatch.setenv(TOKEN, "canary")
    _sink(tmp_path, "https://collector.example.com/events")
    _sink(tmp_path, "http://127.0.0.1:9000/events")
    with pytest.raises(Misconfigured, match="https or this machine only") as no:
        _sink(tmp_path, "http://collector.example.com/events")
    assert "canary" not in str(no.value)


@pytest.mark.parametrize("to", ["events.jsonl", "https://collector.example.com/events"])
def test_of_two_exports_to_one_place_one_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    """Each would deliver all lines the other delivers."""
    monkeypatch.chdir(tmp_path)
    with _alone(tmp_path, to):
        with (
            pytest.raises(Misconfigured, match="another export to it is at work"),
            _alone(tmp_path, to if "://" in to else str(tmp_path / to)),
        ):
            raise AssertionError
        with _alone(tmp_path, "elsewhere.jsonl"):
            pass
    with _alone(tmp_path, to):
        pass
