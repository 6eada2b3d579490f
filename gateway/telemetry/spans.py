"""Facts as OpenTelemetry spans: one a call, in the agent's own trace when it sent a `traceparent`.

Source: semantic conventions for MCP; W3C Trace Context.
"""

from __future__ import annotations

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.telemetry.facts import Fact


class Spans:
    """Makes a span of each fact, as long as the call took."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def note(self, fact: Fact) -> None:
        """One call more."""
        span = self._tracer.start_span(
            f"{fact.method} {fact.target}".strip(),
            context=_within(fact.trace),
            kind=SpanKind.SERVER,
            start_time=fact.began * 1000,
            attributes=_attributes(fact),
        )
        if fact.gateway != "allowed":
            span.set_attribute("error.type", fact.gateway)
            span.set_status(Status(StatusCode.ERROR, fact.gateway))
        elif fact.tool == "error" or fact.protocol != "ok":
            kind = "tool_error" if fact.tool == "error" else fact.protocol
            span.set_attribute("error.type", kind)
            span.set_status(Status(StatusCode.ERROR, kind))
        span.end(end_time=fact.ended * 1000)


def _within(traceparent: str) -> Context:
    """The agent's context; an empty one, so a trace of its own, where there is none that can be read."""
    if not traceparent:
        return trace.set_span_in_context(trace.INVALID_SPAN, Context())
    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context())


def _attributes(fact: Fact) -> dict[str, str]:
    attributes = {
        "mcp.method.name": fact.method,
        "bulkhead.call": fact.call_id,
        "bulkhead.server": fact.server,
        "bulkhead.tier": fact.tier,
        "bulkhead.effect": fact.effect,
        "bulkhead.rule": fact.rule,
        "bulkhead.agent": fact.agent,
        "bulkhead.task": fact.task,
        "bulkhead.outcome.gateway": fact.gateway,
        "bulkhead.outcome.protocol": fact.protocol,
        "bulkhead.outcome.tool": fact.tool,
        "bulkhead.undo.level": fact.level,
    }
    if fact.method == "tools/call":
        attributes |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": fact.target}
    return {name: value for name, value in attributes.items() if value}
