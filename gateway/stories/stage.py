"""The stage of one play: a fresh directory with world, policies and settings, and the real gateway on loopback.

It does what an operator does: writes bulkhead.yaml, approves what the tool servers offer by the
`bulkhead` command, serves. It knows no step of the story.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any, Final

import anyio

from gateway import settings as settings_file
from gateway.app.gateway import open_gateway
from gateway.config.starter import STARTER
from gateway.errors import Misconfigured, Where
from gateway.settings import Settings
from gateway.stories.story import Story
from gateway.values import Value
from gateway.wire.agents import http
from gateway.wire.agents.face import Face

MODEL: Final = "model.conf"
"""The same in every policy, so a story need not bring it."""
START_SECONDS: Final = 30.0


class Programs(Value):
    """What {bin} and {python} stand for in a story, and what runs `bulkhead`."""

    bin: Path = Path(sys.executable).parent
    python: Path = Path(sys.executable)


HERE: Final = Programs()


class Ran(Value):
    """A command an operator ran, and what it printed."""

    status: int
    output: str


class Stage(Value):
    """Where one play takes place."""

    root: Path
    config: Path
    settings: Settings
    programs: Programs = HERE

    @classmethod
    def build(cls, story: Story, directory: str, programs: Programs = HERE) -> Stage:
        """Write policies and settings for this story in a directory. Raises `Misconfigured`."""
        root = Path(directory).resolve()
        _copy_policies(story, root / "policies")
        servers = {
            name: server.model_dump(mode="json", exclude_defaults=True)
            for name, server in story.script.servers.items()
        }
        tree = {"listen": f"127.0.0.1:{free_port()}", "servers": servers}
        config = root / "bulkhead.yaml"
        # JSON is YAML too.
        config.write_text(fill(json.dumps(tree, indent=2), story, root, programs), encoding="utf-8")
        return cls(root, config, settings_file.load(config), programs)

    async def operate(self, words: Sequence[str]) -> Ran:
        """Run `bulkhead WORDS --config ...` as an operator would."""
        command = self._command(self.programs.python, words)
        done = await anyio.run_process(
            command, cwd=self.root, check=False, stdin=None, stdout=PIPE, stderr=STDOUT
        )
        return Ran(done.returncode, done.stdout.decode("utf-8", "replace"))

    async def cut_off(self, words: Sequence[str], enough: Callable[[], bool]) -> Ran:
        """The same, killed as a power cut would once it has done enough."""
        # Whatever runs the others: this one has to be gone at once.
        command = self._command(HERE.python, words)
        said = self.root / "cut-off.txt"
        with said.open("wb") as file:
            async with await anyio.open_process(
                command, cwd=self.root, stdin=None, stdout=file, stderr=STDOUT
            ) as process:
                # What it does can be seen in the journal alone: there is no event anybody could set.
                while process.returncode is None and not enough():  # noqa: ASYNC110
                    await anyio.sleep(0.002)
                if process.returncode is None:
                    process.kill()
                status = await process.wait()
        return Ran(status, said.read_text(errors="replace"))

    def _command(self, python: Path, words: Sequence[str]) -> list[str]:
        return [str(python), "-m", "gateway", *words, "--config", str(self.config)]

    async def approve(self, only: Mapping[str, Sequence[str]]) -> None:
        """What the servers offer as the story begins is approved: all of it, or what `only` names.

        Raises `Misconfigured`.
        """

        async def approve_one(server: str) -> None:
            chosen = ["--only", ",".join(only[server])] if server in only else ["--all"]
            ran = await self.operate(["servers", "approve", server, *chosen, "--yes"])
            if ran.status:
                raise Misconfigured(f"cannot approve {server}: {ran.output.strip()}")

        async with anyio.create_task_group() as tasks:
            for server in self.settings.servers:
                tasks.start_soon(approve_one, server)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """The real gateway, on real HTTP, while this is entered. Raises `Misconfigured`."""
        up = anyio.Event()
        async with open_gateway(self.settings) as running, anyio.create_task_group() as tasks:
            face = Face(
                running.gate, self.settings, running.ready, running.catalogue, desk=running.desk
            )
            serve = partial(http.serve, face, self.settings, on_ready=lambda _: up.set())
            tasks.start_soon(serve)
            with anyio.fail_after(START_SECONDS):
                await up.wait()
            running.up.set()
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    def line_at(self, where: str) -> str:
        """The text of the line a decision points at; empty when it points nowhere."""
        file, _, line = where.rpartition(":")
        path = self.root / file
        if not line.isdigit() or not path.is_file():
            return ""
        return path.read_text(encoding="utf-8").splitlines()[int(line) - 1].strip()


def fill(text: str, story: Story, root: Path, programs: Programs = HERE) -> str:
    """The text with {world}, {story}, {bin} and {python} put in. Other braces stay as they are."""
    places = {
        "{world}": root / "world",
        "{story}": story.directory,
        "{bin}": programs.bin,
        "{python}": programs.python,
    }
    for mark, path in places.items():
        text = text.replace(mark, str(path))
    return text


def fill_all(value: Any, story: Story, root: Path) -> Any:
    """The same for every string inside a value."""
    if isinstance(value, str):
        return fill(value, story, root)
    if isinstance(value, dict):
        return {name: fill_all(each, story, root) for name, each in value.items()}
    if isinstance(value, list):
        return [fill_all(each, story, root) for each in value]
    return value


def _copy_policies(story: Story, to: Path) -> None:
    source = story.directory / story.script.policies if story.script.policies else STARTER
    if not source.is_dir():
        raise Misconfigured(f"no directory {source}", Where(str(story.directory / "story.yaml")))
    shutil.copytree(source, to, ignore=shutil.ignore_patterns("pins"))
    if not (to / MODEL).exists():
        shutil.copy(STARTER / MODEL, to / MODEL)


def free_port() -> int:
    """A port nobody listens on now, and on Linux nobody else is given one by the system while this process lives.

    It stays bound there: a listener that shares addresses, as ours does, may have it all the same. Between
    finding it and listening a whole start may lie, and others look for ports meanwhile.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        if sys.platform == "linux":
            probe.detach()
        return port
