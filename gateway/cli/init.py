"""`bulkhead init`: the files a gateway starts from, in a directory that has none of them.

Closed: until rules are written and tools approved, agents reach nothing. It changes no file that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from gateway.cli.options import json_option, print_json
from gateway.config.starter import STARTER
from gateway.errors import Misconfigured, Where
from gateway.files import whole

READABLE: Final = 0o644
ENTERED: Final = 0o755
SETTINGS: Final = "bulkhead.yaml"

_HEAD: Final = """\
# Where it listens, where its policies are, which tool servers there are. Paths are relative to this file.
listen: 127.0.0.1:8811
policies: policies

"""
NO_SERVERS: Final = f"""{_HEAD}\
servers: {{}}  # with the first server, take the {{}} away
#  git:                       # over stdio: the gateway starts it
#    command: [mcp-server-git, --repository, /srv/app]
#  tickets:                   # over Streamable HTTP: it is running somewhere
#    url: https://tickets.example.com/mcp
#    destination: tickets.example.com
"""
TWO_SERVERS: Final = f"""{_HEAD}\
servers:
  git:
    command: [mcp-server-git]
  time:
    command: [mcp-server-time]
"""
NO_RULES: Final = """\
# Who may do what. An allow names its tier, server, role, tenant and intent; only a deny may say * there.
# A deny beats any allow. What no line allows is denied. Every rule needs a case in tests.yaml.

# p, id, tier, server, tool, role, tenant, intent, destination, when, effect
#p, P010, data, git, git_log|git_status, role:reader, local, general, local, -, allow

# g, agent, role, tenant
#g, agent:triage-1, role:reader, local
"""
NO_TIERS: Final = """\
# What each tool of each server is: tier (data, tool, admin), effect (read, write, destroy), where it takes effect.
# First match wins; what is not here cannot be reached. `bulkhead servers inspect SERVER` drafts a section.

servers: {}  # with the first server, take the {} away
#  git:
#    tools:
#      git_log|git_status: {tier: data, effect: read}
"""
NO_CASES: Final = """\
# What this policy must say. A gateway does not take a policy that fails its own cases.

cases: []  # with the first case, take the [] away
#  - tells: a reader reads the log
#    agent: agent:triage-1
#    server: git
#    tool: git_log
#    arguments: {repo_path: /srv/app}
#    expect: allow
#    rule: P010
"""
NEXT: Final = """\
Next:
  name your tool servers in bulkhead.yaml
  bulkhead servers inspect SERVER         what it offers, and a draft for policies/tiers.yaml
  bulkhead policy check                   rules go into policies/policy.csv, cases into policies/tests.yaml
  bulkhead policy test
  bulkhead servers approve SERVER --all   this, and nothing that it may become
  bulkhead serve"""
NEXT_STARTER: Final = """\
Next:
  bulkhead policy test
  bulkhead servers inspect git
  bulkhead servers approve git --all
  bulkhead servers approve time --all
  bulkhead serve"""


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path("."))
@click.option(
    "--starter", is_flag=True, help="With the starter policy, for the git and time servers."
)
@json_option
def command(directory: Path, starter: bool, as_json: bool) -> None:
    """Make the files a gateway starts from: settings, and a policy that allows nothing yet."""
    files = dict(_starter() if starter else _empty())
    for name in files:
        if (directory / name).exists():
            place = Where(str(directory / name))
            raise Misconfigured("it is there already", place, "init changes no file: take another")
    try:
        for name, data in files.items():
            _make_directory((directory / name).parent)
            whole.replace(directory / name, data, READABLE)
    except OSError as error:
        raise Misconfigured(f"cannot write: {error.strerror}", Where(str(directory))) from None
    if as_json:
        print_json({"directory": str(directory.resolve()), "made": list(files)})
        return
    for name in files:
        click.echo(f"made {directory / name}")
    click.echo(NEXT_STARTER if starter else NEXT)


def _make_directory(path: Path) -> None:
    """With those above it: `mkdir -p` would leave these to the umask."""
    if not path.is_dir():
        _make_directory(path.parent)
        path.mkdir(ENTERED)


def _empty() -> Iterator[tuple[str, bytes]]:
    """Sound, and allows nothing."""
    yield "policies/model.conf", (STARTER / "model.conf").read_bytes()
    yield "policies/policy.csv", NO_RULES.encode()
    yield "policies/tiers.yaml", NO_TIERS.encode()
    yield "policies/tests.yaml", NO_CASES.encode()
    yield SETTINGS, NO_SERVERS.encode()


def _starter() -> Iterator[tuple[str, bytes]]:
    for path in sorted(STARTER.rglob("*")):
        if path.is_file():
            yield f"policies/{path.relative_to(STARTER)}", path.read_bytes()
    yield SETTINGS, TWO_SERVERS.encode()
