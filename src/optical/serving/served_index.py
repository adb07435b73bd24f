"""The index of a service: searched while it can be reached, and opened again when it can be."""

import contextlib
import logging
from collections.abc import Mapping, Sequence

import torch

from optical.errors import OpticalError
from optical.index import Hit, Index
from optical.index.engine import IndexUnavailableError, RequestRefusedError
from optical.index.filters import Kind, parse_filter
from optical.index.manifest import lexical_of
from optical.serving.answers import RefusedError, UnavailableError
from optical.serving.encoding import Vectors

logger = logging.getLogger(__name__)

_UNREACHABLE = "The index cannot be reached now. Ask again in a moment."


class ServedIndex:
    """An index that may go away, come back, and be changed by others.

    An index in a folder is its own alone until :meth:`close`. Methods that search or open it are to be called from one
    thread at a time.

    Args:
        place: folder, or address on a Qdrant server.

    Attributes:
        place: as it was given.
        ready: whether it could be reached when it was last tried.
        teacher: fingerprint of what built it.
        dimension: of its token vectors.
        lexical: whether it has the words of its passages.
        passages: how many it had when they were last counted.
        fields: the metadata fields that filters may name, and the kind of their values.

    Raises:
        OpticalError: it cannot be opened.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.ready = True
        self.passages = 0
        self.fields: dict[str, Kind] = {}
        self._index = Index.open(place)
        try:
            self._look_up()
            if self.passages:  # the first search is slow, and may find something wrong
                self._index.search_vectors([torch.eye(1, self.dimension)], 1)
        except BaseException:
            self._index.close()
            raise

    def require_ready(self) -> None:
        """Raise :class:`UnavailableError` if it is known that the index cannot be reached."""
        if not self.ready:
            raise UnavailableError(_UNREACHABLE)

    def check_filter(self, filter: str | None) -> None:
        """Raise :class:`RefusedError` if the filter is wrong."""
        try:
            if filter is not None:
                parse_filter(filter, self.fields)
        except OpticalError as error:
            raise RefusedError(str(error)) from error

    def search(
        self,
        vectors: Sequence[Vectors],
        k: int,
        filter: str | None,
        terms: Sequence[Sequence[Mapping[str, float]]] | None,
    ) -> list[list[Hit]]:
        """See :meth:`optical.index.Index.search_vectors`.

        Raises:
            RefusedError: the index refuses what is asked.
            UnavailableError: it cannot be reached.
        """
        # It was lost since the query came, and waiting for it again would keep all others waiting.
        self.require_ready()
        # It may have been opened again, and be another.
        self.check_filter(filter)
        try:
            return self._index.search_vectors(
                list(map(torch.from_numpy, vectors)), k, filter=filter, terms=terms
            )
        except IndexUnavailableError as error:
            self._lose(error)
            raise UnavailableError(_UNREACHABLE) from error
        except RequestRefusedError as error:
            # The reason names the server, which is no business of clients.
            logger.warning("A search was refused: %s", error)
            raise RefusedError(
                "The index refuses this. Ask for fewer passages, or with a simpler filter."
            ) from error
        except OpticalError as error:
            raise RefusedError(str(error)) from error

    def probe(self) -> None:
        """Notice when the index cannot be reached, and open it when it can again."""
        try:
            if self.ready:
                # Others may change an index on a server.
                self.passages, self.fields = self._index.count, self._index.fields
            else:
                self._open_again()
        except BaseException as error:  # whatever it is, even a panic: nothing is better than to try again
            self._lose(error)

    def close(self) -> None:
        """Release the index."""
        self._index.close()

    def _look_up(self) -> None:
        facts = self._index.facts
        self.teacher: str = facts["teacher"]
        self.dimension: int = facts["dimension"]
        self.lexical = lexical_of(facts) is not None
        self.passages, self.fields = self._index.count, self._index.fields

    def _open_again(self) -> None:
        with contextlib.suppress(OpticalError, OSError):
            self._index.close()
        index = Index.open(self.place)
        teacher = index.facts["teacher"]
        if teacher != self.teacher:
            index.close()
            raise OpticalError(f"It is now one of teacher {teacher}, and no longer of {self.teacher}.")
        self._index = index
        self._look_up()
        logger.warning("The index %s can be reached again.", self.place)
        self.ready = True

    def _lose(self, error: BaseException) -> None:
        if self.ready:
            logger.error("The index %s cannot be reached: %s", self.place, error)
        self.ready = False
