"""bulkhead.yaml: where to listen, where the policies and the state are, which tool servers there are.

It knows the file's shape only; it opens no server and reads no policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, model_validator
from ruamel.yaml.comments import CommentedMap

from gateway.config import credential_settings, issuers, transmitters, yamlfile
from gateway.config.addresses import Address, Host, Origin, PageOrigin, is_loopback
from gateway.config.destinations import host_of
from gateway.config.issuers import WORD, IssuerSettings
from gateway.config.proofs import Evidence, Retention
from gateway.config.transmitters import TransmitterSettings
from gateway.config.yamlfile import ID, NO_ID, Located, Strict
from gateway.errors import Misconfigured, Where

SERVER_ID = ID
"""Server ids stand in URLs, public names and policy: one short, unambiguous alphabet."""
ITSELF = "bulkhead"
"""The gateway itself, where policy.csv names a server: no tool server is called so."""
JOURNAL: Final = "journal.db"
"""In the state directory."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Bytes = Annotated[int, Field(gt=0)]
MAX_WHOLE: Final = 65 * 1024 * 1024
"""Bytes of a tool server's message that is held whole, whatever `limits.max_result` allows."""


def bound(most: int) -> str:
    """What a message of a tool server that has to be held whole was too large for: `most` bytes."""
    of = "what is held whole" if most >= MAX_WHOLE else "limits.max_result"
    return f"{of} ({min(most, MAX_WHOLE)} bytes)"


def _destination(host: str) -> str:
    if host_of(host) != host:
        raise ValueError(f"{host!r} is no host in its plain form: in small letters, without a port")
    return host


class ServerLimits(Strict):
    """What one tool server may take. Seconds and bytes."""

    connect: Seconds = 10.0
    first_byte: Seconds = 60.0
    idle: Seconds = 60.0
    """Between two messages of one open answer."""
    total: Seconds = 300.0
    quiesce: Annotated[float, Field(ge=0, le=86_400)] = 5.0
    """How long a call that was given up on may still be at work."""
    max_result: Bytes = 1024 * 1024 * 1024
    """One message from the server, whatever the wire. Past `MAX_WHOLE` only a result that is passed on in pieces."""
    concurrency: Annotated[int, Field(gt=0, le=10_000)] = 256


class EnvironmentRule(Strict):
    """The whole environment of a stdio server: names taken over from the gateway, and values set."""

    inherit: tuple[str, ...] = ("PATH", "HOME", "LANG", "TMPDIR")
    set: dict[str, str] = Field(default_factory=dict)


ASKS: Final = ("elicitation", "sampling")


class ServerSettings(credential_settings.Credentialed):
    """One tool server: `command` (stdio) or `url` (Streamable HTTP, or HTTP+SSE by `transport`), never both."""

    command: tuple[str, ...] | None = None
    cwd: str | None = None
    environment: EnvironmentRule = EnvironmentRule()
    url: str | None = None
    transport: Literal["http", "sse"] = "http"
    headers: dict[str, str] = Field(default_factory=dict)
    """Fixed headers for an HTTP server. Not for secrets: the file is not a vault."""
    era: Literal["auto", "sessions", "stateless"] = "auto"
    questions: tuple[Literal["elicitation", "sampling", "roots"], ...] | None = None
    """What a stdio server may ask agents, each in a process of its own. Roots let clients choose directories."""
    listed_to: tuple[Literal["elicitation", "sampling", "roots"], ...] = ()
    """What a client can answer as which an HTTP server's lists are read."""
    destination: Annotated[str, AfterValidator(_destination)] = "local"
    """Where calls to this server take effect, unless tiers.yaml says otherwise: a host name or `local`."""
    pin_resources: bool = True
    """False lets resources through as listed live; tools, prompts and templates are always pinned."""
    companion_of: str | None = None
    """Rollback-only: the server whose calls this one takes back. In no catalogue, reached by no agent,
    used by the gateway itself to read before a call and to undo it."""
    undo: dict[str, str] = Field(default_factory=dict)
    """Values for the parameters of its undo pack, `<policies>/undo/<id>.yaml`."""
    limits: ServerLimits = ServerLimits()

    @property
    def asks(self) -> frozenset[str]:
        """The capabilities of an agent's client a stdio server is told of."""
        return frozenset(ASKS if self.questions is None else self.questions)

    @model_validator(mode="after")
    def _one_way_in(self) -> ServerSettings:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either command (stdio) or url (Streamable HTTP)")
        if self.questions is not None and self.command is None:
            raise ValueError("questions is for a command: over HTTP all are carried")
        if self.listed_to and self.url is None:
            raise ValueError("listed_to is for a url: for a command questions says it")
        if self.command is not None and not self.command:
            raise ValueError("command is empty")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise ValueError("url must start with http:// or https://")
        if self.transport == "sse" and (self.url is None or self.era == "stateless"):
            raise ValueError("transport sse is for a url, and speaks sessions")
        credential_settings.check(self.credentials, self.url, self.headers, self.cleartext)
        return self


class RequestLimits(Strict):
    """What one agent's request may be."""

    max_body: Bytes = 4 * 1024 * 1024
    max_depth: Annotated[int, Field(gt=0, le=512)] = 64
    concurrency: Annotated[int, Field(gt=0)] = 1024
    """Requests in work at once, over all agents."""
    connections: Annotated[int, Field(gt=0)] = 4_096
    """Open at once. One more hears 503 and is closed."""
    sessions: Annotated[int, Field(gt=0)] = 10_000
    """Of the sessions era, open at once, over all agents. One agent has a quarter of them at most."""


class Telemetry(Strict):
    """What monitoring is told. Needs the extra `telemetry`."""

    prometheus: Address | None = None
    """HOST:PORT of a page of metrics, without authentication: keep it where only monitoring gets to."""
    otlp: Annotated[str, Field(pattern="^https?://[^/]+$")] | None = None
    """Origin of an OpenTelemetry collector (OTLP over HTTP): metrics and traces."""


class TlsSettings(Strict):
    """What the gateway shows those who connect. PEM files, taken up again when they change."""

    certificate: str
    """The chain, its own certificate first."""
    key: str


class Settings(Located):
    """bulkhead.yaml. Paths are relative to the file."""

    listen: Address = "127.0.0.1:8811"
    public_url: Origin | None = None
    """The origin agents use, when it is not `http://<listen>`: audiences are built on it."""
    allowed_hosts: tuple[Host, ...] = ()
    allowed_origins: tuple[PageOrigin, ...] = ()
    policies: str = "policies"
    state: str = ".bulkhead"
    tenant: Annotated[str, Field(pattern=f"^{WORD.pattern}$")] = "local"
    limits: RequestLimits = RequestLimits()
    telemetry: Telemetry | None = None
    tls: TlsSettings | None = None
    issuers: dict[str, IssuerSettings] = Field(default_factory=dict)
    transmitters: dict[str, TransmitterSettings] = Field(default_factory=dict)
    embedded_issuer: bool | None = None
    """Are tokens of `bulkhead token` believed? Default: only where there are no other issuers."""
    evidence: Evidence = Evidence()
    retention: Retention = Retention()
    servers: dict[str, ServerSettings]
    home: str = Field(default=".", exclude=True)
    """Directory of the file. Set by `load`, refused in the file."""

    @property
    def offered(self) -> frozenset[str]:
        """The servers agents may be offered: all but companions."""
        return frozenset(name for name, one in self.servers.items() if one.companion_of is None)

    @property
    def companions(self) -> dict[str, str]:
        """Each companion and the server it belongs to."""
        return {n: one.companion_of for n, one in self.servers.items() if one.companion_of}

    @property
    def policy_dir(self) -> Path:
        return Path(self.home, self.policies)

    @property
    def state_dir(self) -> Path:
        return Path(self.home, self.state)

    @property
    def journal_file(self) -> Path:
        return self.state_dir / JOURNAL

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    @property
    def origin(self) -> str:
        """Scheme, host and port agents reach the gateway at; no trailing slash."""
        scheme = "http" if self.tls is None else "https"
        return self.public_url or f"{scheme}://{self.listen}"

    @property
    def embedded(self) -> bool:
        """Is the embedded issuer believed?"""
        return not self.issuers if self.embedded_issuer is None else self.embedded_issuer


def load(path: Path) -> Settings:
    """The settings in the file. Raises `Misconfigured` with file and line."""
    if not path.exists():
        hint = "bulkhead init makes one, --config names another"
        raise Misconfigured("cannot read: No such file or directory", Where(str(path)), hint)
    tree = yamlfile.read(path)
    if "home" in tree:
        raise Misconfigured("home: unknown key", Where(str(path), yamlfile.line_of(tree, ["home"])))
    settings = yamlfile.validate(tree, Settings, str(path))
    for at, what in _faults(settings):
        place = Where(str(path), yamlfile.line_of(tree, at))
        raise Misconfigured(f"{'.'.join(at)}: {what}", place)
    _check_clear(settings, Where(str(path), yamlfile.line_of(tree, ["listen"])))
    _note_places(tree, settings, str(path))
    home = _home(path)
    servers = {name: _placed(server, home) for name, server in settings.servers.items()}
    placed = settings.model_copy(update={"home": str(home), "servers": servers})
    yamlfile.refuse_open_to_all(placed.state_dir)
    return placed


def _home(path: Path) -> Path:
    """Where its paths begin. A directory that a ConfigMap leads to is gone when that changes: its links are not."""
    found = path.resolve()
    swapped = any(part.startswith("..") for part in found.parts)
    return (path.absolute() if swapped else found).parent


def _note_places(tree: CommentedMap, settings: Settings, file: str) -> None:
    """What is found wrong later than here can still name its line."""
    settings._where = Where(file, yamlfile.line_of(tree, ["listen"]))
    for name, server in settings.servers.items():
        key = "url" if server.command is None else "command"
        server._where = Where(file, yamlfile.line_of(tree, ["servers", name, key]))
    for name, issuer in settings.issuers.items():
        issuer._where = Where(file, yamlfile.line_of(tree, ["issuers", name]))
    for name, one in settings.transmitters.items():
        one._where = Where(file, yamlfile.line_of(tree, ["transmitters", name]))


def _placed(server: ServerSettings, home: Path) -> ServerSettings:
    """A stdio server with its paths made absolute: a gateway means the same wherever it is started."""
    if server.command is None:
        return server
    program, *words = server.command
    if "/" in program:
        program = str(home / program)
    cwd = str(home / server.cwd) if server.cwd else str(home)
    return server.model_copy(update={"command": (program, *words), "cwd": cwd})


def _faults(settings: Settings) -> Iterator[tuple[Sequence[str], str]]:
    """What is wrong between the parts of the file, and which key it is told at."""
    for server in settings.servers:
        if server == ITSELF:
            yield ["servers", server], "this is the gateway's own name"
        elif not SERVER_ID.fullmatch(server):
            yield ["servers", server], NO_ID
    # A companion serves one server agents are offered, alone: one of a companion would be a circle.
    first = {of: name for name, of in reversed(settings.companions.items())}
    for name, of in settings.companions.items():
        if of not in settings.offered:
            yield ["servers", name, "companion_of"], f"{of!r} is no server agents are offered"
        elif first[of] != name:
            yield ["servers", name, "companion_of"], f"{of} has a companion already, {first[of]}"
    for path, what in issuers.faults(settings.issuers, settings.tenant):
        yield ["issuers", *path], what
    for path, what in transmitters.faults(settings.transmitters, settings.issuers):
        yield ["transmitters", *path], what


def _check_clear(settings: Settings, line: Where) -> None:
    """Proofs do not cross the network in clear, and a certificate comes over TLS alone."""
    if settings.tls is None and any(one.kind == "mtls" for one in settings.issuers.values()):
        raise Misconfigured("issuers: kind mtls needs tls", line)
    in_clear = settings.tls is None and not settings.origin.startswith("https://")
    if not settings.embedded and in_clear and not is_loopback(settings.host):
        raise Misconfigured(
            f"listen: tokens would cross the network to {settings.listen} in clear",
            line,
            "give tls, or the https public_url of what stands in front",
        )
