"""One warm process for all tests of a worker that end lives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.warm import Warm, running


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    with running() as process:
        yield process
