from __future__ import annotations

import re
import socket
import time
import urllib.request
from pathlib import Path

import pytest

from gateway.app.telemetry import follower_of
from gateway.errors import Misconfigured, Where
from gateway.journals.sqlite import SqliteJournal, SqliteReader
from gateway.settings import Telemetry
from gateway.stories.stage import free_port
from gateway.telemetry.provide import open_providers
from gateway.timings import Timings, newest
from tests.journals.calls import intent, outcome, refusal

DASHBOARD = Path(__file__).parents[2] / "docs" / "how-to" / "grafana-dashboard.json"
HERE = Where("bulkhead.yaml", 3)


async def test_the_page_shows_what_the_journal_says(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    reader = SqliteReader(tmp_path / "journal.db")
    listen = f"127.0.0.1:{free_port()}"
    providers = open_providers(Telemetry(prometheus=listen), "1.0", HERE)
    timings = Timings(newest(), journal.waits)
    timings.decisions.append(0.00003)
    follower = follower_of(providers, reader, journal.run, timings)
    for line in (intent("a"), outcome("a"), refusal("b")):
        await journal.append(line).sealed()
    follower.catch_up()
    with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    providers.close()
    await journal.aclose()
    assert "bulkhead_denials_total{" in page
    assert 'reason="no_rule"' in page
    assert 'gen_ai_tool_name="git_log"' in page
    assert "python_gc" not in page
    assert 'bulkhead_decision_duration_seconds_bucket{le="5e-05"' in page
    assert "bulkhead_journal_duration_seconds_count" in page
    assert "bulkhead_undo_exposure{" in page
    shown = set(re.findall(r"(?:bulkhead|mcp)_[a-z_]+", DASHBOARD.read_text()))
    # Nothing here can be undone, so there is no horizon.
    assert {name for name in shown if name not in page} == {"bulkhead_undo_horizon_seconds"}


def test_a_port_in_use_is_the_operators_to_mend() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Misconfigured, match=r"telemetry\.prometheus.*in use"):
            open_providers(Telemetry(prometheus=listen), "1.0", HERE)


def test_a_collector_that_takes_nothing_does_not_hold_up_the_end() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        providers = open_providers(Telemetry(otlp=url), "1.0", HERE)
        assert providers.tracers is not None
        providers.tracers.get_tracer("bulkhead").start_span("a call").end()
        providers.meters.get_meter("bulkhead").create_counter("calls").add(1)
        begun = time.monotonic()
        providers.close(0.2)
        assert time.monotonic() - begun < 5
