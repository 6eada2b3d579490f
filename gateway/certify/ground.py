"""A scratch world to try a pack in: what is in it, which calls are made, and how it is looked at from outside.

    class Ground:                                     # a file of your own: --ground notes_ground.py
        def scratch(self, name, settings, world): ... # the same server, on a scratch world
        def begin(self, world, run, rng): ...         # a fresh start; the servers go on running
        def call(self, world, run, rng): ...          # -> (tool, arguments): also no-ops and failures
        def see(self, world, run): ...                # -> {what: how it is}; never by asking the server

`see` is the oracle. It must see all that the server can change, as finely as the pack's fidelity says.
"""

from __future__ import annotations

import hashlib
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from gateway.certify import files, git, memory
from gateway.core.model import JsonObject
from gateway.errors import Misconfigured, Where
from gateway.settings import ServerSettings

if TYPE_CHECKING:
    from gateway.certify.drive import Driver


class Ground(Protocol):
    """See above. `world` is a directory; `run` a number that is another one for each start."""

    def scratch(self, name: str, settings: ServerSettings, world: Path) -> ServerSettings:
        """How the server, or its companion, is started on the scratch world instead of the real one."""
        ...

    def begin(self, world: Path, run: int, rng: Random) -> None: ...

    def call(self, world: Path, run: int, rng: Random) -> tuple[str, JsonObject]: ...

    def see(self, world: Path, run: int) -> Mapping[str, str]: ...


@runtime_checkable
class Live(Protocol):
    """A ground that looks through the servers as well (schemas.py); it has all else a `Ground` has."""

    async def look(self, driver: Driver, world: Path) -> Mapping[str, str]: ...


BUILT_IN: Final[Mapping[str, Callable[[], Ground]]] = {
    "files": files.Ground,
    "memory": memory.Ground,
    "git": git.Ground,
}


def ground(name: str) -> tuple[Ground, str]:
    """The ground, and its name for the certificate. Raises `Misconfigured`."""
    if name in BUILT_IN:
        return BUILT_IN[name](), name
    path = Path(name)
    if not path.is_file():
        raise Misconfigured(f"no ground {name!r}", hint=f"{', '.join(BUILT_IN)}, or a Python file")
    made = runpy.run_path(name).get("Ground")
    if made is None:
        raise Misconfigured("no class Ground", Where(name))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return made(), f"{path.name}@sha256:{digest}"
