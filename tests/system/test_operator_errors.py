"""What an operator can have wrong, and the one line they are told: the file, its line, the mistake; exit status 2.

Every case is a home that works, spoilt in one place. Every command that reads that place says the same.
What would go on for ever if it saw nothing is run as a process, the others here, where they cost less.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli import command
from tests.journals.test_sqlite_disk import read_only, small_disk
from tests.system.home import Home

TIME = str(Path(sys.executable).parent / "mcp-server-time")

CONFIG = """\
listen: 127.0.0.1:{port}
policies: policies
servers:
  time:
    command: [{time}]
    limits:
      total: 30
"""
POLICY = """\
# p, id, tier, server, tool, role, tenant, intent, destination, when, effect
p, P010, data, time, *, role:reader, local, general, *, -, allow
p, D020, *, time, convert_time, *, *, *, *, far_away, deny
g, agent:tester, role:reader, local
"""
TIERS = """\
servers:
  time:
    tools:
      get_current_time: {tier: data, effect: read}
      convert_time: {tier: data, effect: read}
"""
CONSTRAINTS = """\
conditions:
  far_away:
    arguments:
      target_timezone: {pattern: '^Mars/'}
"""
CASES = """\
cases:
  - tells: a reader reads the clock
    agent: agent:tester
    server: time
    tool: get_current_time
    arguments: {timezone: UTC}
    expect: allow
    rule: P010
"""

SERVE = ("serve",)
STDIO = ("stdio", "--agent", "tester")
TOKEN = ("token", "--agent", "tester")
LIST = ("servers", "list")
INSPECT = ("servers", "inspect", "time")
APPROVE = ("servers", "approve", "time", "--all", "--yes")
CHECK = ("policy", "check")
EXPLAIN = ("policy", "explain", "--agent", "tester", "--server", "time", "--tool", "x")
JOURNAL = ("journal", "list")

EVERYTHING = (SERVE, STDIO, TOKEN, LIST, INSPECT, APPROVE, CHECK, EXPLAIN, JOURNAL)
STARTING = (SERVE,)
JUDGING = (SERVE, EXPLAIN)
LOOKING = (SERVE, LIST, INSPECT, APPROVE)


@dataclass(frozen=True)
class Mistake:
    """One place spoilt. `told` is what the line says, the path of the home left out."""

    name: str
    spoil: Callable[[Home], None]
    told: str
    commands: tuple[tuple[str, ...], ...]


def swap(path: str, old: str, new: str) -> Callable[[Home], None]:
    """Spoils by one word in one file."""

    def spoil(home: Home) -> None:
        text = (home.root / path).read_text()
        assert old in text
        (home.root / path).write_text(text.replace(old, new, 1))

    return spoil


def write(path: str, text: str) -> Callable[[Home], None]:
    """Spoils by another file in the place of one."""

    def spoil(home: Home) -> None:
        (home.root / path).parent.mkdir(exist_ok=True)
        (home.root / path).write_text(text)

    return spoil


def remove(path: str) -> Callable[[Home], None]:
    return lambda home: (home.root / path).unlink()


def unreadable(home: Home) -> None:
    """Nobody can read it, not even root: a directory stands in its place."""
    (home.root / "policies/policy.csv").unlink()
    (home.root / "policies/policy.csv").mkdir()


def open_to_others(path: str) -> Callable[[Home], None]:
    def spoil(home: Home) -> None:
        home.must(*TOKEN)
        for found in home.root.glob(path):
            found.chmod(0o755 if found.is_dir() else 0o644)

    return spoil


def of_a_server_that_is_gone(home: Home) -> None:
    pins = home.root / "policies/pins"
    text = (pins / "time.json").read_text()
    (pins / "clock.json").write_text(text.replace('"server": "time"', '"server": "clock"'))


def edited_digest(home: Home) -> None:
    pins = home.root / "policies/pins/time.json"
    tree = json.loads(pins.read_text())
    tree["tool"]["convert_time"]["digest"] = "sha256:" + "0" * 64
    pins.write_text(json.dumps(tree, indent=2))


MISTAKES = (
    Mistake(
        "an unknown key",
        swap("bulkhead.yaml", "policies: policies", "polices: policies"),
        "bulkhead.yaml:2: polices: unknown key",
        EVERYTHING,
    ),
    Mistake(
        "an unknown key deep down",
        swap("bulkhead.yaml", "total: 30", "totl: 30"),
        "bulkhead.yaml:7: servers.time.limits.totl: unknown key",
        STARTING,
    ),
    Mistake(
        "bad YAML",
        swap("bulkhead.yaml", "limits:", "limits: {"),
        "bulkhead.yaml:8: ",
        EVERYTHING,
    ),
    Mistake(
        "a key twice",
        swap("bulkhead.yaml", "policies: policies", "listen: 127.0.0.1:1"),
        "bulkhead.yaml:2: ",
        STARTING,
    ),
    Mistake("no settings", remove("bulkhead.yaml"), "bulkhead.yaml: cannot read", EVERYTHING),
    Mistake(
        "an address that is none",
        swap("bulkhead.yaml", "127.0.0.1:", "127.0.0.1/"),
        "bulkhead.yaml:1: listen: ",
        STARTING,
    ),
    Mistake(
        "an address beyond this machine",
        swap("bulkhead.yaml", "127.0.0.1:", "0.0.0.0:"),
        "bulkhead.yaml:1: the embedded issuer serves loopback only",
        (*STARTING, TOKEN),
    ),
    Mistake(
        "a rule that is neither",
        swap("policies/policy.csv", "-, allow", "-, alow"),
        "policies/policy.csv:2: ",
        (*JUDGING, CHECK),
    ),
    Mistake(
        "a rule for a server nobody has",
        swap("policies/policy.csv", "data, time", "data, tiem"),
        "policies/policy.csv:2: ",
        (*JUDGING, CHECK),
    ),
    Mistake(
        "a rule on a condition nobody made",
        swap("policies/policy.csv", "far_away", "far_way"),
        "policies/policy.csv:3: ",
        (*JUDGING, CHECK),
    ),
    Mistake(
        "a policy nobody can read",
        unreadable,
        "policies/policy.csv: cannot read: Is a directory",
        (*JUDGING, CHECK),
    ),
    Mistake(
        "a tier that is none",
        swap("policies/tiers.yaml", "tier: data", "tier: date"),
        "policies/tiers.yaml:4: ",
        (*JUDGING, CHECK),
    ),
    Mistake(
        "bad YAML in the tiers",
        write("policies/tiers.yaml", "servers:\n\ttime: {}\n"),
        "policies/tiers.yaml:2: ",
        (*JUDGING, CHECK),
    ),
    Mistake(
        "an unknown word in a condition",
        swap("policies/constraints.yaml", "{pattern:", "{patern:"),
        "policies/constraints.yaml:4: ",
        (*JUDGING, CHECK),
    ),
    Mistake(
        "a model of one's own",
        swap("policies/model.conf", "some(where (p.eft == allow))", "true"),
        "policies/model.conf: ",
        (*JUDGING, CHECK),
    ),
    Mistake(
        "a case that comes out otherwise",
        swap("policies/tests.yaml", "expect: allow", "expect: deny"),
        "policies/tests.yaml:",
        STARTING,
    ),
    Mistake(
        "a server that is not there",
        swap("bulkhead.yaml", TIME, "mcp-server-tiem"),
        "bulkhead.yaml:5: servers.time.command: 'mcp-server-tiem' is not an executable here",
        (SERVE, INSPECT, APPROVE),
    ),
    Mistake(
        "a pin whose digest was edited",
        edited_digest,
        "policies/pins/time.json:5: tool.convert_time: the descriptor does not match its digest",
        LOOKING,
    ),
    Mistake(
        "a pin whose text was edited",
        swap("policies/pins/time.json", "time", "tide"),
        "policies/pins/time.json:2: ",
        LOOKING,
    ),
    Mistake(
        "pins of a server that is gone",
        of_a_server_that_is_gone,
        "policies/pins/clock.json:2: no server 'clock' in bulkhead.yaml",
        LOOKING,
    ),
    Mistake(
        "pins that are no JSON",
        swap("policies/pins/time.json", ",", ""),
        "policies/pins/time.json:3: not JSON",
        LOOKING,
    ),
    Mistake(
        "a key others can read",
        open_to_others(".bulkhead/issuer/*.pem"),
        ".pem: mode is 0644, others could read the issuer's keys",
        (*STARTING, TOKEN),
    ),
    Mistake(
        "a directory of keys others can enter",
        open_to_others(".bulkhead/issuer"),
        ".bulkhead/issuer: mode is 0755, others could read the issuer's keys",
        (*STARTING, TOKEN),
    ),
    Mistake(
        "a journal that is something else",
        write(".bulkhead/journal.db", "not a database, whatever its name says" * 50),
        "journal.db: the journal cannot be opened: ",
        STARTING,
    ),
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which everything is as it must be."""
    home = Home.make(
        tmp_path_factory.mktemp("sound") / "home",
        {},
        policy=POLICY,
        tiers=TIERS,
        constraints=CONSTRAINTS,
    )
    (home.root / "policies/tests.yaml").write_text(CASES)
    home.config.write_text(CONFIG.format(port=home.port, time=TIME))
    home.approve("time")
    return home


def copy(sound: Home, to: Path) -> Home:
    """The same in a place of its own, without its state."""
    for path in ("bulkhead.yaml", *(f"policies/{f}" for f in os.listdir(sound.root / "policies"))):
        source, target = sound.root / path, to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():
            target.write_bytes(source.read_bytes())
    (to / "policies/pins").mkdir()
    pins = sound.root / "policies/pins/time.json"
    (to / "policies/pins/time.json").write_bytes(pins.read_bytes())
    return Home(to, sound.port)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_one_clear_line(sound: Home, tmp_path: Path, mistake: Mistake) -> None:
    home = copy(sound, tmp_path / "home")
    mistake.spoil(home)
    for words in mistake.commands:
        status, said = run(home, words)
        label = f"bulkhead {' '.join(words)}: {said}"
        assert status == 2, label
        assert mistake.told in said.removeprefix("bulkhead: ").removeprefix(f"{home.root}/"), label
        assert said.count("\n") == 1, label


def run(home: Home, words: tuple[str, ...]) -> tuple[int, str]:
    """Exit status, and all that was said."""
    if words[0] in ("serve", "stdio"):
        done = home.run(*words)
    else:
        done = command.run(*words, "--config", str(home.config))
    return done.returncode, done.stdout + done.stderr


def test_a_mistake_leaves_the_sound_home_sound(sound: Home) -> None:
    """What all cases stand on: unspoilt, it serves."""
    with sound.serving() as serving:
        status = serving.stop()
        said = (sound.root / "serve.log").read_text()
    assert status == 0
    # On a busy machine it takes longer than a start waits for it.
    assert re.search("time  (ready|starting): 2 tools", said), said


def test_a_port_in_use_is_named(sound: Home, tmp_path: Path) -> None:
    home = copy(sound, tmp_path / "home")
    with socket.create_server(("127.0.0.1", home.port)):
        done = home.run("serve")
    assert done.returncode == 2
    place = f"{home.config}:1: listen"
    said = done.stderr.splitlines()[-1]  # a machine at work may have its tool server late before
    assert said == f"bulkhead: {place}: 127.0.0.1:{home.port} is already in use"


def test_a_file_that_cannot_be_had_is_named(sound: Home, tmp_path: Path) -> None:
    """As one in a state directory of another user's."""
    home = copy(sound, tmp_path / "home")
    place = home.root / ".bulkhead" / "tasks"
    place.parent.mkdir(mode=0o700, exist_ok=True)
    place.write_text("no directory")
    done = home.run("task", "begin", "nightly")
    assert (done.returncode, done.stderr) == (2, f"bulkhead: {place}: File exists\n")


def test_a_read_only_disk_is_named(sound: Home, tmp_path: Path) -> None:
    home = copy(sound, tmp_path / "home")
    with small_disk(tmp_path / "disk", "1m") as disk:
        swap("bulkhead.yaml", "policies: policies", f"policies: policies\nstate: {disk}")(home)
        with read_only(disk / "journal.db"):
            done = home.run("serve")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(disk) in done.stderr and "Read-only file system" in done.stderr


def test_a_wish_that_makes_no_sense_is_one_line_too(sound: Home) -> None:
    wishes = {
        ("token", "--agent", "A"): "'A' is not a name a token can carry (small letters, digits",
        ("token", "--agent", "x", "--server", "tiem"): "no server 'tiem' in the settings (time)",
        ("token", "--agent", "x", "--ttl", "2h"): "lives 1 to 3600 seconds",
        ("token", "--agent", "x", "--tier", "admin"): "needs --yes",
        ("stdio", "--agent", "x", "--tier", "admin"): "the admin tier needs a token",
        ("servers", "inspect", "tiem"): "tiem",
        ("servers", "approve", "time"): "say what to approve",
    }
    for words, told in wishes.items():
        status, said = run(sound, words)
        assert (status, said.count("\n")) == (2, 1), (words, said)
        assert told in said, words
