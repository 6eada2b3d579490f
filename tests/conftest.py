"""Settings every test shares. The campaign profile is the long run of `make campaign`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

# A checkout that may not be written to remembers no example.
kept = settings().database if os.access(Path(__file__).parents[1], os.W_OK) else None
# A shared machine is slow at times: only what a property finds may fail it, never how long it took.
settings.register_profile("default", max_examples=50, deadline=None, database=kept)
settings.register_profile(
    "campaign",
    max_examples=2_000,
    deadline=None,
    database=kept,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")


def _memory(place: Path = Path("/dev/shm"), enough: int = 2 * 1024**3) -> Path | None:
    """A file system in memory that is large enough and runs programs."""
    if not os.access(place, os.W_OK) or shutil.disk_usage(place).free < enough:
        return None
    return None if os.statvfs(place).f_flag & os.ST_NOEXEC else place


# Journals wait for the disk at every line, and no test cuts the power: none is needed where memory will do.
if (memory := _memory()) is not None:
    os.environ.setdefault("TMPDIR", str(memory))
    tempfile.tempdir = None

# What a test writes as an operator is that operator's word: not one that anybody on the machine could change.
os.umask(0o022)
