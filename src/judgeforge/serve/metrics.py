"""What Prometheus reads at ``/metrics``."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        self._requests = Counter("judgeforge_requests", "Requests.", ["route", "status"], registry=own)
        self._seconds = Histogram(
            "judgeforge_request_seconds", "Time to the answer.", ["route"], registry=own, buckets=_LATENCY_S
        )
        self._waiting = Gauge("judgeforge_queue_length", "Items that wait for the worker.", registry=own)
        self._sent = Gauge("judgeforge_items_sent", "Items that a worker has.", registry=own)
        self._batches = Histogram("judgeforge_batch_size", "Items read together.", registry=own, buckets=_BATCH)
        self._unparsable = Counter("judgeforge_unparsable", "Answers without a verdict.", ["format"], registry=own)
        self._restarts = Counter("judgeforge_worker_restarts", "Workers that died.", registry=own)
        self._changes = Counter("judgeforge_changes", "Changes of the judge.", ["outcome"], registry=own)
        self._cut = Counter("judgeforge_connections_cut", "Requests that came in too slowly.", registry=own)
        self._version = Gauge("judgeforge_model_info", "The judge that is served.", ["version"], registry=own)

    def watch_queue(self, waiting: Callable[[], int], sent: Callable[[], int]) -> None:
        """Ask these for their lengths whenever somebody looks."""
        self._waiting.set_function(waiting)
        self._sent.set_function(sent)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is one of the service's own, so that nobody can invent any number of them."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_batch(self, size: int) -> None:
        """Count a batch."""
        self._batches.observe(size)

    def count_unparsable(self, format: str) -> None:
        """Count an answer without a verdict."""
        self._unparsable.labels(format).inc()

    def count_restart(self) -> None:
        """Count a worker that died."""
        self._restarts.inc()

    def count_change(self, *, failed: bool) -> None:
        """Count a change of the judge, or one that failed."""
        self._changes.labels("failed" if failed else "done").inc()

    def count_cut(self) -> None:
        """Count a request that was cut off."""
        self._cut.inc()

    def set_version(self, version: str) -> None:
        """Say which judge is served."""
        self._version.clear()
        self._version.labels(version).set(1)

    def render(self) -> bytes:
        """Write all in Prometheus' text format."""
        return generate_latest(self._registry)
