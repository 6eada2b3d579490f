"""What the settings of a tool server say of the credentials that are lent for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway import settings as settings_file
from gateway.app.credentials import Lending
from gateway.core.model import Tier
from tests.system.home import Home


@pytest.mark.parametrize(
    ("how", "shape", "held"),
    [
        ({"command": ["cat"]}, {"environment": {"SECRET": "{secret}"}}, 55.0),
        ({"url": "http://127.0.0.1:9/mcp"}, {"headers": {"X-Secret": "{secret}"}}, 0),
    ],
)
def test_a_process_has_its_credential_for_as_long_as_a_call_may_take(
    tmp_path: Path, how: dict[str, Any], shape: dict[str, Any], held: float
) -> None:
    """From before it is started. Over HTTP a request has it when it is sent."""
    offered = lending(tmp_path, how, shape)._offers["tried", Tier.DATA]
    assert offered.held == held


@pytest.mark.parametrize(("seconds", "warned"), [(110, False), (109, True)])
def test_an_operator_hears_of_calls_that_may_outlast_their_credential(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: int, warned: bool
) -> None:
    shape = {"environment": {"SECRET": "{secret}"}, "tiers": ["data"], "seconds": seconds}
    lending(tmp_path, {"command": ["cat"]}, shape).warn()
    assert ("takes more than 54 s can be cut off" in caplog.text) is warned


def lending(root: Path, how: dict[str, Any], shape: dict[str, Any]) -> Lending:
    """Of one server whose calls take 50 seconds at most, and 5 to start."""
    (root / "secret").write_text("of-the-server")
    secret = {"provider": "static", "secret": {"file": str(root / "secret")}, **shape}
    limits = {"connect": 5, "total": 50}
    home = Home.make(root / "home", {"tried": {**how, "credentials": [secret], "limits": limits}})
    return Lending(settings_file.load(home.config))
