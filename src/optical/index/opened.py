"""An engine at a place, from when they are opened until they are closed."""

import threading
from typing import Any

from optical.index.engine import Engine, IndexUnavailableError, Place


class Opened:
    """What an open index holds.

    Attributes:
        place: of the index.
        facts: of its manifest.
        changing: to be held while anything changes.
    """

    def __init__(self, place: Place, facts: dict[str, Any], engine: Engine) -> None:
        self.place = place
        self.facts = facts
        self.changing = threading.RLock()
        self._engine = engine
        self._closed = False

    @property
    def engine(self) -> Engine:
        """The engine.

        Raises:
            IndexUnavailableError: it is closed.
        """
        if self._closed:
            raise IndexUnavailableError(f"The index {self.place} is closed. Open it again with Index.open.")
        return self._engine

    def flush(self) -> None:
        """Make all changes survive a power failure."""
        with self.changing:
            engine = self.engine
            engine.flush()
            self.place.end_change(engine)

    def close(self) -> None:
        """Flush and release the files; closing twice does nothing."""
        with self.changing:
            if self._closed:
                return
            try:
                self.flush()
            finally:
                self._closed = True
                self._engine.close()
                self.place.close()
