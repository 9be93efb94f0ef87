"""The metrics that ``/metrics`` shows, in Prometheus format."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
from ledger import Ledger
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import SummaryMetricFamily
from prometheus_client.registry import Collector

disable_created_metrics()

_RECENT = 10_000
_QUANTILES = (0.5, 0.9, 0.99, 0.999)


class Latencies(Collector):
    """The duration of requests: count and sum of all, quantiles of the last 10,000."""

    def __init__(self, name: str, help: str) -> None:
        self._name, self._help = name, help
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._count, self._sum = 0, 0.0

    def observe(self, seconds: float) -> None:
        """Add a request."""
        self._recent.append(seconds)
        self._count += 1
        self._sum += seconds

    def collect(self) -> Iterator[SummaryMetricFamily]:
        """Yield a Prometheus summary."""
        family = SummaryMetricFamily(self._name, self._help, self._count, self._sum)
        if self._recent:
            values = np.quantile(self._recent, _QUANTILES)
            for quantile, value in zip(_QUANTILES, values.tolist(), strict=True):
                family.add_sample(self._name, {"quantile": str(quantile)}, value)
        yield family


class Metrics:
    """The metrics of a service."""

    def __init__(self, ledger: Ledger) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "rnn_rust_requests", "Requests of /score", ["status"], registry=registry
        )
        self.scored = Counter("rnn_rust_scored_events", "Events scored", registry=registry)
        self.repeated = Counter(
            "rnn_rust_repeated_events",
            "Events sent again after they were scored",
            registry=registry,
        )
        self.latencies = Latencies(
            "rnn_rust_score_seconds", "From a request of /score to its answer"
        )
        registry.register(self.latencies)
        for name, text, value in (
            ("entities", "Entities that have a state", lambda: len(ledger.scorer)),
            ("evicted_entities", "Given up for others", lambda: ledger.scorer.evicted),
            ("expired_entities", "Given up by their time", lambda: ledger.scorer.expired),
            ("snapshot_age_seconds", "Since the last snapshot", lambda: ledger.snapshot_age),
        ):
            Gauge(f"rnn_rust_{name}", text, registry=registry).set_function(value)

    def text(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self.registry)
