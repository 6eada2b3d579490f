from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from gateway.core.record import Line
from gateway.telemetry.spans import Spans
from tests.journals.calls import NOON, intent, outcome, refusal
from tests.telemetry.test_facts import TRACE, folded


def traced(*lines: Line) -> Sequence[ReadableSpan]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = Spans(provider.get_tracer("bulkhead"))
    for fact in folded(*lines):
        spans.note(fact)
    return exporter.get_finished_spans()


def test_a_call_is_a_span_in_the_agents_own_trace() -> None:
    [span] = traced(intent("a", trace=TRACE), outcome("a"))
    assert span.name == "tools/call git_log"
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" == TRACE[3:-3]
    assert (span.start_time, span.end_time) == (NOON * 1000, (NOON + 1000) * 1000)
    assert span.attributes is not None
    assert span.attributes["gen_ai.operation.name"] == "execute_tool"
    assert span.attributes["bulkhead.rule"] == "P010"
    assert span.status.status_code is StatusCode.UNSET


def test_without_a_trace_of_the_agent_it_has_one_of_its_own() -> None:
    one, other = traced(intent("a"), outcome("a"), intent("b"), outcome("b"))
    assert one.parent is None
    assert one.context.trace_id != other.context.trace_id


def test_a_no_and_a_failure_are_errors_of_different_kinds() -> None:
    spans = traced(
        refusal("a"), intent("b"), outcome("b", "tool_error"), intent("c"), outcome("c", "rejected")
    )
    kinds = [span.attributes["error.type"] for span in spans if span.attributes]
    assert kinds == ["no_rule", "tool_error", "rejected"]
    assert all(span.status.status_code is StatusCode.ERROR for span in spans)
