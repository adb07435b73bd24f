"""What a service allows its clients."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Limits, and what is written down.

    Attributes:
        rate: requests a second that one key, or one address where there are no keys, may make in the long run; twice
            as many at once.
        concurrency: requests at work or waiting; what comes on top is turned away.
        timeout: seconds until a request that waits for its answer is given up.
        largest_body: bytes.
        origins: web pages that browsers may let call the service (CORS), such as ``https://example.org``.
        log_queries: write the text of queries into the log.
    """

    rate: float = 100.0
    concurrency: int = 256
    timeout: float = 30.0
    largest_body: int = 65_536
    origins: tuple[str, ...] = ()
    log_queries: bool = False
