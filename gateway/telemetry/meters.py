"""Facts as OpenTelemetry metrics, by the conventions for GenAI and MCP. Needs the extra `telemetry`.

No agent, task, argument or call id is a label: what identifies grows without bound.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from gateway.telemetry.facts import Fact, Folder
from gateway.telemetry.horizon import Horizon
from gateway.timings import Timings, taken

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
SHORT: Final = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.1)
"""Seconds."""


class Meters:
    """Counts what it is given."""

    def __init__(self, meter: Meter, folder: Folder, now: Callable[[], int]) -> None:
        """`now`: microseconds since the epoch."""
        self._now = now
        self._folder = folder
        self._horizon = Horizon()
        self._duration = _seconds(
            meter,
            "mcp.server.operation.duration",
            "From the intent to the outcome, as the journal has them",
        )
        self._calls = meter.create_counter(
            "bulkhead.calls", unit="{call}", description="Calls, by their outcome in three layers"
        )
        self._denials = meter.create_counter(
            "bulkhead.denials", unit="{call}", description="Refused calls, by reason code"
        )
        self._shadows = meter.create_counter(
            "bulkhead.shadow_denials",
            unit="{call}",
            description="Forwarded calls that a rule on trial would have denied, by rule",
        )
        self._decisions = _seconds(
            meter, "bulkhead.decision.duration", "Deciding a call that may be made", SHORT
        )
        self._waits = _seconds(
            meter, "bulkhead.journal.duration", "How long a line is waited for until it is durable"
        )
        self._gauges(meter)

    def _gauges(self, meter: Meter) -> None:
        """What is asked for when it is looked at."""
        meter.create_observable_gauge(
            "bulkhead.undo.horizon",
            [self._seen_horizon],
            unit="s",
            description="Until the next call becomes irreversible",
        )
        meter.create_observable_gauge(
            "bulkhead.undo.exposure",
            [self._seen_exposure],
            unit="{call}",
            description="Calls that changed something: what can still be undone, and what cannot",
        )
        meter.create_observable_gauge(
            "bulkhead.calls.under_way", [self._seen_under_way], unit="{call}"
        )

    def note(self, fact: Fact) -> None:
        """One call more."""
        where = {"server": fact.server, "tier": fact.tier, "effect": fact.effect}
        layers = {"gateway": fact.gateway, "protocol": fact.protocol, "tool": fact.tool}
        if fact.gateway != "allowed":
            # What a refused call asked for may be made up: only what is known is a label.
            where = {**where, "server": fact.server if fact.tier else ""}
            self._denials.add(1, {"reason": fact.gateway, "tier": fact.tier})
            self._calls.add(1, {**where, **layers, "gateway": "refused"})
            return
        self._calls.add(1, {**where, **layers, "level": fact.level})
        for rule in fact.shadows.split():
            self._shadows.add(1, {"rule": rule, "tier": fact.tier})
        self._horizon.note(fact)
        attributes = {"mcp.method.name": fact.method, "server": fact.server}
        if fact.method == "tools/call":
            attributes["gen_ai.tool.name"] = fact.target
        if fact.tool == "error" or fact.protocol in ("rejected", "in_doubt"):
            attributes["error.type"] = "tool_error" if fact.tool == "error" else fact.protocol
        self._duration.record((fact.ended - fact.began) / 1e6, attributes)

    def timed(self, timings: Timings) -> None:
        """What was timed since the last time."""
        for seconds in taken(timings.decisions):
            self._decisions.record(seconds)
        for seconds in taken(timings.waits):
            self._waits.record(seconds)

    def _seen_exposure(self, _: CallbackOptions) -> Iterable[Observation]:
        undoable = self._horizon.undoable(self._now())
        return [
            Observation(undoable, {"undo": "possible"}),
            Observation(self._horizon.irreversible, {"undo": "impossible"}),
        ]

    def _seen_horizon(self, _: CallbackOptions) -> Iterable[Observation]:
        seconds = self._horizon.seconds(self._now())
        return [] if seconds is None else [Observation(seconds)]

    def _seen_under_way(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self._folder.under_way)]


def _seconds(
    meter: Meter, name: str, description: str, buckets: tuple[float, ...] = BUCKETS
) -> Histogram:
    return meter.create_histogram(
        name, unit="s", description=description, explicit_bucket_boundaries_advisory=buckets
    )
