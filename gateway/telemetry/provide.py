"""Opens what bulkhead.yaml asks for: a Prometheus page on a port of its own, an OTLP collector, or both.

Needs the extra `telemetry`. It knows OpenTelemetry's providers, and nothing of calls.
"""

from __future__ import annotations

import time
from threading import Thread
from typing import TYPE_CHECKING, Final

from gateway.errors import Misconfigured, Where, to_install
from gateway.settings import Telemetry
from gateway.values import Value

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider


PATIENCE: Final = 2.0
"""Seconds for what is sent last."""


class Providers(Value):
    """Where meters and tracers come from. `close` sends what is left."""

    meters: MeterProvider
    tracers: TracerProvider | None
    page: WSGIServer | None
    """What answers on the Prometheus port, in a thread of its own."""

    def close(self, patience: float = PATIENCE) -> None:
        """Send what was gathered and stop. A collector that takes nothing is given up after `patience` seconds: what
        is still to be closed, as tool servers are, has its own time to have it done in."""
        ended = time.monotonic() + patience
        sending = [self.meters.shutdown, *([] if self.tracers is None else [self.tracers.shutdown])]
        threads = [Thread(target=send, daemon=True) for send in sending]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, ended - time.monotonic()))
        if self.page is not None:
            self.page.shutdown()
            self.page.server_close()


def open_providers(asked: Telemetry, version: str, where: Where | None) -> Providers:
    """Raises `Misconfigured` when the extra is not installed or the port is taken."""
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.resources import Resource
    except ImportError:
        raise Misconfigured(
            "telemetry needs more packages", where, to_install("telemetry")
        ) from None
    resource = Resource.create({"service.name": "bulkhead", "service.version": version})
    readers: list[MetricReader] = []
    page = None
    if asked.prometheus is not None:
        reader, page = _prometheus(asked.prometheus, where)
        readers.append(reader)
    if asked.otlp is not None:
        readers.append(_otlp_metrics(asked.otlp))
    tracers = None if asked.otlp is None else _otlp_traces(asked.otlp, resource)
    meters = MeterProvider(readers, resource, shutdown_on_exit=False)
    return Providers(meters, tracers, page)


def _prometheus(listen: str, where: Where | None) -> tuple[MetricReader, WSGIServer]:
    """A registry of its own: no metric of the Python process comes in by the back door."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, start_http_server

    host, _, port = listen.rpartition(":")
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(registry=registry)
    try:
        page, _ = start_http_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise Misconfigured(f"telemetry.prometheus: {listen}: {error.strerror}", where) from None
    return reader, page


def _otlp_metrics(url: str) -> MetricReader:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    return PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=f"{url}/v1/metrics"))


def _otlp_traces(url: str, resource: Resource) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{url}/v1/traces")))
    return provider
