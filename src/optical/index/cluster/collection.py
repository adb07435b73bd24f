"""One collection: requests to it, and the metadata that the server keeps with it."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from qdrant_client import QdrantClient

from optical.errors import OpticalError
from optical.index.cluster.address import Address
from optical.index.cluster.connection import Connection, MissingError

Answer = TypeVar("Answer")

_NAMED = 10


class Collection:
    """A collection, whether it exists or not, and a connection of its own to its server."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.name = address.collection
        self._connection = Connection(address)

    def __str__(self) -> str:
        return str(self.address)

    def read(self, method: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """:meth:`Connection.read` of this collection."""
        return self._connection.read(method, self.name, *args, **kwargs)

    def write(self, method: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """:meth:`Connection.write` to this collection."""
        return self._connection.write(method, self.name, *args, **kwargs)

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the collection.

        Raises:
            OpticalError: there is no such collection; the message names those there.
        """
        try:
            return self.read(QdrantClient.get_collection).config.metadata or {}
        except MissingError as error:
            raise self._missing(error) from error

    def note(self, metadata: Mapping[str, Any]) -> None:
        """Add to the metadata, or replace, key by key."""
        self.write(QdrantClient.update_collection, metadata=dict(metadata))

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()

    def _missing(self, error: MissingError) -> OpticalError:
        try:
            found = self._connection.read(QdrantClient.get_collections).collections
        except OpticalError:  # a key may be for some collections only
            return error
        names = sorted(each.name for each in found)
        shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        return MissingError(
            f"There is no collection {self.name} at {self.address.server} (there are: {shown or 'none'}). Name one "
            "of those, or build an index there."
        )
