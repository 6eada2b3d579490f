"""`bulkhead stdio` beside a gateway that serves with the same settings, and longer than a token lives."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import settings as settings_file
from gateway.cli import stdio
from gateway.core.model import Endpoint, WorkloadIdentity
from gateway.wire.agents import stdio as agents_stdio
from tests.system.home import Home


@pytest.mark.parametrize("more", [{}, {"otlp": "http://127.0.0.1:9"}])
def test_the_page_of_metrics_is_left_to_who_serves(tmp_path: Path, more: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        page = "{}:{}".format(*taken.getsockname())
        home = Home.make(tmp_path / "home", {}, telemetry={"prometheus": page, **more})
        done = home.run("stdio", "--agent", "tester")
    assert (done.returncode, done.stdout) == (0, "")


async def test_who_was_named_at_the_start_is_who_it_is_as_long_as_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What rests on an identity (credentials, what is listened to) ends with it, and a host runs for days."""
    served: list[Any] = []

    async def serve(gate: object, endpoint: Endpoint, who: Any, limits: object) -> None:
        served.append(who)

    monkeypatch.setattr(agents_stdio, "serve", serve)
    home = Home.make(tmp_path / "home", {})
    with anyio.fail_after(60):
        await stdio._serve(settings_file.load(home.config), Endpoint("all"), "tester", "general")
    (who,) = served
    assert isinstance(who, WorkloadIdentity) and who.agent == "agent:tester"
    assert who.expires_at > time.time() + 365 * 86_400
