"""What runs beside a gateway waits until it answers; what an operator has wrong in it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import settings as settings_file
from gateway.app.beside import beside
from gateway.app.gateway import open_gateway
from gateway.errors import Misconfigured
from gateway.settings import Settings
from tests.system.home import Home, everybody, one_tier


def settings(root: Path, **more: Any) -> Settings:
    home = Home.make(
        root / "home",
        {"store": {"command": ["/bin/false"]}},
        policy=everybody([("data", "store")]),
        tiers=one_tier("store"),
        **more,
    )
    return settings_file.load(home.config)


async def test_the_log_is_kept_once_agents_are_answered(tmp_path: Path) -> None:
    given = settings(tmp_path)
    log = given.state_dir / "evidence.db"
    with anyio.fail_after(30):
        async with open_gateway(given) as gateway, beside(gateway):
            assert not gateway.up.is_set()
            assert not log.exists()
            gateway.answers()
            while not log.exists():
                await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("up", [False, True])
async def test_it_ends_with_the_gateway_whether_it_has_begun_or_not(
    tmp_path: Path, up: bool
) -> None:
    with anyio.fail_after(30):
        async with open_gateway(settings(tmp_path)) as gateway, beside(gateway, deadlines=True):
            if up:
                gateway.up.set()
                await anyio.lowlevel.checkpoint()


async def test_an_anchor_that_cannot_be_used_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    bucket = {"url": "https://s3.test", "name": "bulk", "region": "r", "retain_days": 1}
    given = settings(tmp_path, evidence={"anchors": [{"bucket": bucket}]})
    with anyio.fail_after(30):
        async with open_gateway(given) as gateway:
            with pytest.raises(Misconfigured, match="AWS_ACCESS_KEY_ID"):
                async with beside(gateway):
                    raise AssertionError("it began")
