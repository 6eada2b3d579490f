"""A place to run the real gateway in: settings, a policy, approvals, and `bulkhead serve` as a process.

Whoever enters `serving()` gets a gateway that answers, and it is gone when they leave. Commands are started
by the starter, which has them loaded; test_first_light.py runs them as a shell would.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.request import urlopen

from gateway import settings as settings_file
from gateway.core.model import Endpoint
from gateway.identity.local import LocalIssuer
from gateway.stories.stage import free_port
from tests.system import starter
from tests.system.starter import Process

POLICIES = Path(__file__).resolve().parents[2] / "policies"
TICKING = Path(__file__).resolve().parents[1] / "servers" / "ticking.py"
READY_SECONDS = 30.0
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Serving:
    """A gateway that answers."""

    home: Home
    process: Process

    @property
    def origin(self) -> str:
        return self.home.origin

    def kill(self) -> None:
        """As a power cut would: nothing is told, nothing is closed."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """As an operator would; its exit status."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)


@dataclass(frozen=True, slots=True)
class Home:
    """A directory with bulkhead.yaml and policies/."""

    root: Path
    port: int
    warm: bool = True
    """Without it every command is begun as a shell would, with a Python of its own."""

    @classmethod
    def make(
        cls,
        root: Path,
        servers: Mapping[str, Mapping[str, Any]],
        *,
        policy: str | None = None,
        tiers: str | None = None,
        constraints: str = "conditions: {}\n",
        intents: str = "",
        **settings: Any,
    ) -> Home:
        """Write it. Without `policy` and `tiers` it has the starter policies."""
        policies = root / "policies"
        policies.mkdir(parents=True)
        if policy is None or tiers is None:
            for name in ("policy.csv", "tiers.yaml", "constraints.yaml", "intents.yaml"):
                (policies / name).write_bytes((POLICIES / name).read_bytes())
        else:
            (policies / "policy.csv").write_text(policy)
            (policies / "tiers.yaml").write_text(tiers)
            (policies / "constraints.yaml").write_text(constraints)
        if intents:
            (policies / "intents.yaml").write_text(intents)
        (policies / "model.conf").write_bytes((POLICIES / "model.conf").read_bytes())
        home = cls(root, free_port())
        tree = {"listen": f"127.0.0.1:{home.port}", **settings, "servers": servers}
        home.config.write_text(json.dumps(tree, indent=2))  # JSON is YAML too
        return home

    @classmethod
    def idle(cls, root: Path, intents: str = "") -> Home:
        """For commands that need no tool server: its only one, `store`, never starts."""
        return cls.make(
            root,
            {"store": {"command": ["/bin/false"]}},
            policy=everybody([("data", "store")]),
            tiers=one_tier("store"),
            intents=intents,
        )

    @classmethod
    def ticking(cls, root: Path, **written: Any) -> Home:
        """Its only server, `tick`, is approved, and works in `root/place`."""
        place = root / "place"
        place.mkdir(parents=True)
        tick = {"command": [starter.python(), str(TICKING), str(place)]}
        home = cls.make(root / "home", {"tick": tick}, **written)
        home.approve("tick")
        return home

    @property
    def config(self) -> Path:
        return self.root / "bulkhead.yaml"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """`bulkhead WORDS --config ...`; whatever comes of it."""
        command = ["-m", "gateway", *words, "--config", str(self.config)]
        if self.warm:
            return starter.run(command, self.root, timeout)
        command = [sys.executable, *command]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, cwd=self.root
        )

    def must(self, *words: str) -> str:
        """The output of a command that must work."""
        ran = self.run(*words)
        assert ran.returncode == 0, f"bulkhead {' '.join(words)}: {ran.stdout}{ran.stderr}"
        return ran.stdout.strip()

    def approve(self, *servers: str) -> None:
        """Approve all these servers offer, side by side: each has a file of its own."""
        with ThreadPoolExecutor(4) as threads:
            for done in threads.map(self._approve, servers):
                assert done

    def _approve(self, server: str) -> str:
        return self.must("servers", "approve", server, "--all", "--yes")

    def token(self, agent: str, *words: str) -> str:
        """A token, minted as an operator would."""
        return self.must("token", "--agent", agent, "--yes", *words)

    def mint(self, agent: str, endpoint: Endpoint, task: str = "test") -> str:
        """The same token without starting a command for it: for tests that need many."""
        state = settings_file.load(self.config).state_dir
        return LocalIssuer.open(state, self.origin).mint(
            agent=agent,
            endpoint=endpoint,
            tiers=endpoint.tiers,
            tenant="local",
            task=task,
            intent="general",
            now=int(time.time()),
        )

    def grant(self, agent: str, *words: str, task: str = "test") -> str:
        """The id of a grant, given as an operator would."""
        said = ("grant", "create", "--agent", agent, "--task", task, "--intent", "general", *words)
        given = json.loads(self.must(*said, "--json"))
        return str(given["id"])

    def calls(self, *words: str) -> list[dict[str, Any]]:
        """What the journal has, newest first."""
        listed = json.loads(self.must("journal", "list", "--json", *words))
        assert isinstance(listed, list)
        return listed

    @contextmanager
    def serving(self, *, log: Path | None = None) -> Iterator[Serving]:
        """`bulkhead serve` as a process, answering."""
        path = log or self.root / "serve.log"
        with path.open("ab") as out:
            process = self._begin(["-m", "gateway", "serve", "--config", str(self.config)], out)
        try:
            wait_until_ready(self.origin, process, path)
            yield Serving(self, process)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    raise

    def _begin(self, command: list[str], out: IO[bytes]) -> Process:
        if self.warm:
            return starter.start(command, self.root, out, out)
        return subprocess.Popen([sys.executable, *command], stdout=out, stderr=out, cwd=self.root)


def wait_until_ready(
    origin: str, process: Process, log: Path, patience: float = READY_SECONDS
) -> None:
    """Returns when /readyz says so; fails with the log if the process ends first."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the gateway ended: {log.read_text()}")
        try:
            with urlopen(f"{origin}/readyz", timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"not ready in {patience} s: {log.read_text()}")


def intents(
    servers: Iterable[str], tiers: Sequence[str] = ("data", "tool"), seconds: int = 600
) -> str:
    """An intents.yaml with one, `general`: all of these servers, in these tiers, for so long."""
    tools = [f"{server}/*" for server in servers]
    said = {"tells": "All.", "tiers": tiers, "tools": tools, "seconds": seconds}
    return json.dumps({"intents": {"general": said}})


def one_tier(server: str, tier: str = "data", effect: str = "read") -> str:
    """A tiers.yaml that puts all of one server in one tier."""
    sections = ("tools", "prompts", "resources", "methods")
    rows = "\n".join(
        f'    {name}:\n      "*": {{tier: {tier}, effect: {effect}}}' for name in sections
    )
    return f"servers:\n  {server}:\n{rows}\n"


def everybody(rules: Sequence[tuple[str, str]], agent: str = "tester") -> str:
    """A policy.csv that lets one agent do all of these (tier, server) pairs."""
    rows = [
        f"p, P{number:03}, {tier}, {server}, *, role:tester, local, general, *, -, allow"
        for number, (tier, server) in enumerate(rules, 1)
    ]
    return "\n".join([*rows, f"g, agent:{agent}, role:tester, local", ""])
