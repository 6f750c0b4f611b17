"""Numbers for Prometheus: requests, executions by state, agents that wait.

With several processes (``PROMETHEUS_MULTIPROC_DIR`` is set by ``medperf server start``) each writes
into a shared folder and any of them answers for all.
"""

import os
from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """What one process counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram | None]] = {}
        self._requests = Counter(
            "medperf_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "medperf_request_seconds",
            "Time to answer a request; a long poll is not counted.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._waiting = Gauge(
            "medperf_agents_waiting",
            "Agents in a long poll.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        # Looking labels up costs more than counting, so the found series are kept.
        key = (method, route, status)
        if key not in self._series:
            self._series[key] = (
                self._requests.labels(method, route, str(status)),
                None if route.endswith("/work") else self._seconds.labels(method, route),
            )
        requests, duration = self._series[key]
        requests.inc()
        if duration is not None:
            duration.observe(seconds)

    def set_waiting(self, agents: int) -> None:
        """Say how many agents wait in this process."""
        self._waiting.set(agents)

    def exposition(self, executions_by_state: Callable[[], dict[str, int]]) -> bytes:
        """All numbers in Prometheus' text format."""
        registry = self._registry
        if os.environ.get(MULTIPROCESS_VARIABLE):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        own = CollectorRegistry()
        own.register(_Executions(executions_by_state()))
        return generate_latest(registry) + generate_latest(own)


class _Executions(Collector):
    def __init__(self, by_state: dict[str, int]) -> None:
        self._by_state = by_state

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("medperf_executions", "Executions by state.", labels=("state",))
        for state, n in sorted(self._by_state.items()):
            family.add_metric((state,), n)
        yield family
