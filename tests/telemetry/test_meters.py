from __future__ import annotations

import json
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from gateway.core.record import Line
from gateway.telemetry.facts import Folder
from gateway.telemetry.meters import Meters
from tests.journals.calls import intent, outcome, refusal
from tests.telemetry.test_facts import stored, unknown


def measured(*lines: Line) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    """Metric name -> its points: attributes, and value or count."""
    reader, folder = InMemoryMetricReader(), Folder("mine", unknown)
    provider = MeterProvider([reader])
    meters = Meters(provider.get_meter("bulkhead"), folder, lambda: 0)
    for fact in folder.fold(stored(*lines)):
        meters.note(fact)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    return {
        metric.name: [
            (dict(point.attributes or {}), getattr(point, "value", getattr(point, "count", None)))
            for point in metric.data.data_points
        ]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_calls_are_counted_by_their_outcome_in_three_layers() -> None:
    found = measured(
        intent("a"),
        outcome("a"),
        intent("b"),
        outcome("b"),
        intent("c"),
        outcome("c", "tool_error"),
    )
    counts = {(at["gateway"], at["protocol"], at["tool"]): n for at, n in found["bulkhead.calls"]}
    assert counts == {("allowed", "ok", "ok"): 2, ("allowed", "ok", "error"): 1}


def test_a_call_takes_as_long_as_from_its_intent_to_its_outcome() -> None:
    found = measured(intent("a"), outcome("a", "in_doubt"))
    [(attributes, count)] = found["mcp.server.operation.duration"]
    assert count == 1
    assert attributes == {
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": "git_log",
        "server": "git",
        "error.type": "in_doubt",
    }


def test_denials_are_counted_by_reason_and_take_no_time() -> None:
    found = measured(refusal("a"), refusal("b"), intent("c"))
    assert found["bulkhead.denials"] == [({"reason": "no_rule", "tier": "data"}, 2)]
    assert "mcp.server.operation.duration" not in found
    assert found["bulkhead.calls.under_way"] == [({}, 1)]


def test_no_label_says_who_called_or_with_what() -> None:
    lines = [intent("a"), outcome("a"), refusal("b", server="made-up", tier="")]
    text = json.dumps(measured(*lines))
    for hidden in ("analyst", "task-1", "/srv/x", "call", "made-up"):
        assert hidden not in text.replace("bulkhead.calls", "").replace("tools/call", "")


def test_what_a_rule_on_trial_would_have_denied_is_counted_by_rule() -> None:
    lines = [intent("a", shadows="W1 W2"), outcome("a"), intent("b", shadows="W1"), outcome("b")]
    counts = {at["rule"]: count for at, count in measured(*lines)["bulkhead.shadow_denials"]}
    assert counts == {"W1": 2, "W2": 1}
