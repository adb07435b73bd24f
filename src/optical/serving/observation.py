"""What is written down of each request: counts, and a line in the log."""

import json
import logging
import time
from datetime import datetime, timezone

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from optical.serving.metrics import Metrics

logger = logging.getLogger(__name__)

_LEFT = 499  # as nginx has it: the client did not wait for its answer
_METHODS = {"GET", "HEAD", "POST", "OPTIONS"}


class Observation:
    """Middleware that counts and logs requests.

    What the parts further in know of a request (``client``, ``languages``, ``query`` if queries are to be logged) they
    put into ``scope["facts"]``.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts = scope["facts"] = {}
        status = _LEFT
        started = time.perf_counter()

        async def remember(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, remember)
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.perf_counter() - started
            # Labels that clients could invent would fill the memory.
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.answered(route, method, status, seconds)
            facts = {
                "method": method,
                "route": route,
                "status": status,
                "ms": round(1000 * seconds, 1),
            } | facts
            logger.info("%s %s", method, route, extra={"facts": facts})


class JsonLines(logging.Formatter):
    """Writes each record as an object on a line: time, level, logger, message, and the facts of a request."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)
