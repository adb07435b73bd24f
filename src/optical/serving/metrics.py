"""What Prometheus is told."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from optical.serving.batching import LARGEST_BATCH

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_BATCHES = [2**power for power in range(LARGEST_BATCH.bit_length())]


class Metrics:
    """Counts of one service, in a registry of its own. Nothing in them comes from the text of queries."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "optical_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "optical_request_seconds",
            "Seconds from request to answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._searches = Counter(
            "optical_searches", "Searches by language.", ["language", "choice"], registry=registry
        )
        self._batches = Histogram(
            "optical_batch_queries", "Queries encoded together.", buckets=_BATCHES, registry=registry
        )
        self._ready = Gauge("optical_ready", "1 if the index can be reached.", registry=registry)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def searched(self, language: str, *, automatic: bool) -> None:
        """Count a search in a language that was told by the identifier or by the client."""
        self._searches.labels(language, "automatic" if automatic else "named").inc()

    def batch(self, queries: int) -> None:
        """Count a batch."""
        self._batches.observe(queries)

    def text(self, *, ready: bool) -> bytes:
        """Return all in Prometheus's text format."""
        self._ready.set(ready)
        return generate_latest(self._registry)
