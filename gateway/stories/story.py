"""What a story.yaml may say. Read strictly: an unknown key or a step without an action is an error at its line.

Pure shapes: nothing here plays, looks or decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from gateway.config import yamlfile
from gateway.config.yamlfile import Strict
from gateway.core.model import Endpoint, Tier
from gateway.errors import Misconfigured
from gateway.reasons import Reason
from gateway.settings import ServerSettings
from gateway.stories.plan import WorldClaim, WorldPlan
from gateway.values import Value
from gateway.wire.agents.routes import GRANTS, protected_at

FILE: Final = "story.yaml"


class Trick(Strict):
    """How a step departs from an honest request. It is then sent raw, as one POST of 2026-07-28."""

    token_for: str | None = None
    """The endpoint the shown token was minted for, when it is not the one the request goes to."""
    no_token: bool = False
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers set after the honest ones, replacing those of the same name."""
    meta: dict[str, Any] = Field(default_factory=dict)
    """Members put into `params._meta`."""
    body: str | None = None
    """These very bytes instead of the honest body."""

    @model_validator(mode="after")
    def _is_one(self) -> Trick:
        if not self.model_fields_set:
            raise ValueError("a trick does something")
        return self


class Event(Strict):
    """Something that happens in the world outside the gateway."""

    write: dict[str, str] = Field(default_factory=dict)
    """File in the world -> its new text."""
    passes: Annotated[float, Field(gt=0, le=10)] | None = None
    """So many seconds pass in which nobody does anything."""

    @model_validator(mode="after")
    def _is_one(self) -> Event:
        if not self.model_fields_set:
            raise ValueError("something happens")
        return self


class Expected(Strict):
    """What must come of a step.

    Exactly one of: allowed, refused, http, exactly/shows/hides (lists), exit (operator).
    """

    allowed: str | None = None
    """The id of the rule that allows it."""
    refused: Reason | None = None
    """The reason in the journal; what the agent hears is checked against `reasons.told` by the player."""
    rule: str | None = None
    """With refused: the id of the rule that denies it."""
    held: bool = False
    """With allowed: it waits in the journal, and has not been sent."""
    http: int | None = None
    """The wire itself refuses, with this status, before there is anybody to record."""

    tier: Tier | None = None
    """The tier the journal has for the call."""
    says: str | None = None
    """A piece of what was answered or printed."""

    exactly: tuple[str, ...] | None = None
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()

    exit: int | None = None

    @property
    def form(self) -> Literal["allowed", "refused", "http", "list", "exit"] | None:
        """Which kind of expectation this is; None for none or several."""
        forms: dict[Literal["allowed", "refused", "http", "list", "exit"], bool] = {
            "allowed": self.allowed is not None,
            "refused": self.refused is not None,
            "http": self.http is not None,
            "list": self.exactly is not None or bool(self.shows or self.hides),
            "exit": self.exit is not None,
        }
        found = [form for form, said in forms.items() if said]
        return found[0] if len(found) == 1 else None


class Step(Strict):
    """One thing somebody does. Exactly one of call, list, ask, operator, happens."""

    says: str
    """What is going on, in a sentence."""
    agent: str | None = None
    at: str | None = None
    """The endpoint, as a path: /mcp, /data/mcp, /servers/git/mcp; of an ask /grants, or below it."""

    call: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    trick: Trick | None = None
    list: Literal["tools", "prompts", "resources"] | None = None
    ask: dict[str, Any] | None = None
    """A request about grants: this body."""
    operator: tuple[str, ...] | None = None
    """Words after `bulkhead`; --config is added. Here and in `at` marks stand for names heard before
    (marks.py)."""
    cut_after: int | None = None
    """An operator's command is killed (SIGKILL: exit -9) once so many steps of an undo are on record."""
    happens: Event | None = None

    expect: Expected | None = None
    eventually: bool = False
    """A list may need a moment to follow the world: it is asked again for up to ten seconds."""
    world: tuple[WorldClaim, ...] = ()
    proves: str | None = None

    @property
    def endpoint(self) -> Endpoint:
        assert self.at is not None
        return endpoint(self.at)

    @property
    def action(self) -> Literal["call", "list", "ask", "operator", "happens"]:
        for name in ("call", "list", "ask", "operator"):
            if getattr(self, name) is not None:
                return name
        return "happens"

    @model_validator(mode="after")
    def _does_one_thing(self) -> Step:
        actions = {"call", "list", "ask", "operator", "happens"} & self.model_fields_set
        if len(actions) != 1:
            raise ValueError("a step does one thing: call, list, ask, operator or happens")
        by_agent = self.action in ("call", "list", "ask")
        if by_agent != (self.agent is not None) or by_agent != (self.at is not None):
            raise ValueError("agent and at belong to call, list and ask, and to nothing else")
        if self.at is not None and (endpoint(self.at).kind == "grants") != (self.action == "ask"):
            raise ValueError("an ask goes to /grants, and nothing else does")
        if self.trick is not None and self.trick.token_for is not None:
            endpoint(self.trick.token_for)
        return self

    @model_validator(mode="after")
    def _expects_what_fits(self) -> Step:
        fitting = {
            "call": ("allowed", "refused", "http"),
            "list": ("list", "http"),
            "ask": ("http",),
            "operator": ("exit",),
            "happens": (None,),
        }
        form = self.expect.form if self.expect else None
        if form not in fitting[self.action]:
            wanted = " or ".join(str(each) for each in fitting[self.action])
            raise ValueError(f"expect of a {self.action} says: {wanted}")
        if (self.arguments or self.trick) and self.action != "call":
            raise ValueError("arguments and trick belong to call")
        if self.cut_after is not None and self.action != "operator":
            raise ValueError("only an operator's command can be cut off")
        if self.eventually and self.action != "list":
            raise ValueError("only a list can be asked again")
        return self


class AgentPlan(Strict):
    """An agent of the story. Its name is its identity: `agent:<name>` in the policy."""

    era: Literal["stateless", "sessions"] = "stateless"
    intent: str = "general"
    token_of: str | None = None
    """It shows tokens of another agent, whose name it then has in the policy and in the journal."""
    task: str | None = None
    """The task its token names; that of the story when left out."""


class Script(Strict):
    """story.yaml."""

    title: str
    tells: str
    """One or two sentences: why this story is told."""
    world: WorldPlan
    servers: dict[str, ServerSettings]
    """As in bulkhead.yaml; {world}, {story}, {bin} and {python} stand for directories and the interpreter."""
    policies: str | None = None
    """A directory inside the story; the starter policy when left out."""
    approved: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Server -> what the operator approved before the story begins; all it offers when left out."""
    agents: dict[str, AgentPlan]
    steps: tuple[Step, ...] = Field(min_length=1)
    after: tuple[WorldClaim, ...] = Field(min_length=1)
    """What must be so in the world when all is done."""

    @model_validator(mode="after")
    def _knows_its_agents(self) -> Script:
        for step in self.steps:
            if step.agent is not None and step.agent not in self.agents:
                raise ValueError(f"agent {step.agent!r} is not among agents")
        return self


class Story(Value):
    """A script and where it stands."""

    name: str
    directory: Path
    script: Script


def read(directory: Path) -> Story:
    """The story in a directory. Raises `Misconfigured` with file and line."""
    script = yamlfile.load(directory / FILE, Script)
    return Story(directory.resolve().name, directory.resolve(), script)


def find(name: str, scenarios: Path) -> Path:
    """The directory of a story: a path, or a name under `scenarios`. Raises `Misconfigured`."""
    for directory in (Path(name), scenarios / name):
        if (directory / FILE).is_file():
            return directory.resolve()
    known = ", ".join(every(scenarios)) or "none"
    raise Misconfigured(f"no story {name!r}", hint=f"stories here: {known}")


def every(scenarios: Path) -> list[str]:
    """The names of all stories under `scenarios`."""
    return sorted(file.parent.name for file in scenarios.glob(f"*/{FILE}"))


def endpoint(path: str) -> Endpoint:
    """The endpoint with this path. Raises `ValueError`."""
    found = GRANTS if path.startswith(f"{GRANTS.path}/") else protected_at(path)
    if found is None:
        raise ValueError(f"{path!r} is no endpoint")
    return found
