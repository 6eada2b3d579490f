"""`bulkhead stdio` beside a gateway that serves with the same settings."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.system.home import Home


@pytest.mark.parametrize("more", [{}, {"otlp": "http://127.0.0.1:9"}])
def test_the_page_of_metrics_is_left_to_who_serves(tmp_path: Path, more: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        page = "{}:{}".format(*taken.getsockname())
        home = Home.make(tmp_path / "home", {}, telemetry={"prometheus": page, **more})
        done = home.run("stdio", "--agent", "tester")
    assert (done.returncode, done.stdout) == (0, "")
