"""Opens what bulkhead.yaml asks for: a Prometheus page on a port of its own, an OTLP collector, or both.

Needs the extra `telemetry`. It knows OpenTelemetry's providers, and nothing of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.errors import Misconfigured, Where
from gateway.settings import Telemetry
from gateway.values import Value

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.trace import TracerProvider


class Providers(Value):
    """Where meters and tracers come from. `close` sends what is left."""

    meters: MeterProvider
    tracers: TracerProvider | None
    page: Any = None

    def close(self) -> None:
        """Send what was gathered and stop."""
        self.meters.shutdown()
        if self.tracers is not None:
            self.tracers.shutdown()
        if self.page is not None:
            self.page[0].shutdown()
            self.page[0].server_close()


def open_providers(asked: Telemetry, version: str, where: Where | None) -> Providers:
    """Raises `Misconfigured` when the extra is not installed or the port is taken."""
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource
    except ImportError:
        raise Misconfigured(
            "telemetry needs more packages", where, "pip install 'bulkhead[telemetry]'"
        ) from None
    resource = Resource.create({"service.name": "bulkhead", "service.version": version})
    readers: list[Any] = []
    page = None
    if asked.prometheus is not None:
        reader, page = _prometheus(asked.prometheus, where)
        readers.append(reader)
    if asked.otlp is not None:
        readers.append(_otlp_metrics(asked.otlp))
    tracers = None if asked.otlp is None else _otlp_traces(asked.otlp, resource)
    return Providers(MeterProvider(readers, resource), tracers, page)


def _prometheus(listen: str, where: Where | None) -> tuple[Any, Any]:
    """A registry of its own: no metric of the Python process comes in by the back door."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, start_http_server

    host, _, port = listen.rpartition(":")
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    try:
        return reader, start_http_server(int(port), host, registry)
    except OSError as error:
        raise Misconfigured(f"telemetry.prometheus: {listen}: {error.strerror}", where) from None


def _otlp_metrics(url: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    return PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{url}/v1/metrics"))


def _otlp_traces(url: str, resource: Any) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    return provider
