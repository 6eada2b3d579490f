"""A loop beside the calls that ends by a bug is heard of, and takes nothing with it."""

from __future__ import annotations

import inspect

import anyio
import pytest

from gateway.app.meanwhile import meanwhile


async def test_what_fails_is_logged_and_stops_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reached, over = anyio.Event(), anyio.Event()

    async def failing() -> None:
        raise ZeroDivisionError

    async def lasting() -> None:
        try:
            await anyio.sleep(0)
            reached.set()
            await anyio.sleep_forever()
        finally:
            over.set()

    with anyio.fail_after(5):
        async with meanwhile(failing(), lasting()):
            await reached.wait()
            assert not over.is_set()
    assert over.is_set()
    assert "what was to go on has ended" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_what_is_over_before_it_began_is_not_missed() -> None:
    work = anyio.sleep_forever()
    async with meanwhile(work):
        pass
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED
