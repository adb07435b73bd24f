"""The place of an index in a collection.

The facts of the manifest are the collection's metadata: the server makes both at once, keeps them alike on all nodes,
and puts both into a snapshot. The centroids, which can be many megabytes, are points of the collection that have no
vectors; no search finds those. The metadata names the centroids in use, so that one sees the old ones, none, or the
new, and another process learns of new ones.
"""

import base64
import threading
from hashlib import blake2b
from typing import Any
from uuid import UUID, uuid4

import torch
from qdrant_client import QdrantClient, models

from optical.errors import OpticalError
from optical.index.centroids import Centroids
from optical.index.cluster.address import Address
from optical.index.cluster.collection import Collection
from optical.index.cluster.connection import ConflictError, MissingError
from optical.index.cluster.engine import ClusterEngine
from optical.index.cluster.schema import NO_PASSAGES, sparse_vectors_of, vectors_of
from optical.index.engine import Engine
from optical.index.manifest import check_facts, damaged_manifest, lexical_of, unfinished

_FACTS, _STATE, _CENTROIDS = "optical", "optical_state", "optical_centroids"
_CREATION = "optical_creation"
_UNFINISHED, _FINISHED = "unfinished", "finished"
_NO_CENTROIDS = {"generation": "", "parts": 0, "passages": 0, "dimension": 0}
# A part of the centroids: 4 MB, and a third more as it is sent.
_PART = 4 * 2**20


class ClusterPlace:
    """The place of an index in a collection; see :class:`optical.index.engine.Place`.

    Raises:
        OpticalError: the address is malformed.
    """

    def __init__(self, address: str) -> None:
        self._address = Address.parse(address)
        self._collection = Collection(self._address)
        self._loading = threading.Lock()
        self._loaded: tuple[dict[str, Any], Centroids | None] = (_NO_CENTROIDS, None)

    def __str__(self) -> str:
        return str(self._address)

    @property
    def is_unfinished(self) -> bool:
        """Whether there is an unfinished index."""
        return self._state() == _UNFINISHED

    @property
    def is_finished(self) -> bool:
        """Whether there is a finished index."""
        return self._state() == _FINISHED

    def require_new(self) -> None:
        """Raise :class:`OpticalError` if there is a collection that is no unfinished index."""
        if self._state() not in (None, _UNFINISHED):
            raise OpticalError(f"{self} exists already. Remove it, or choose another output.")

    def create(self, facts: dict[str, Any]) -> None:
        """Make an unfinished, empty index with these facts, all or nothing."""
        replicas = self._address.replicas
        metadata = {
            _FACTS: {fact: value for fact, value in facts.items() if value is not None},
            _STATE: _UNFINISHED,
            _CENTROIDS: _NO_CENTROIDS,
            _CREATION: uuid4().hex,  # tells it from one that another makes at the same time
        }
        try:
            self._collection.write(
                QdrantClient.create_collection,
                vectors_config=vectors_of(facts["dimension"], facts["compact"]),
                sparse_vectors_config=sparse_vectors_of(lexical_of(facts) is not None),
                shard_number=self._address.shards,
                replication_factor=replicas,
                write_consistency_factor=replicas // 2 + 1,
                metadata=metadata,
            )
        except ConflictError:
            # It may have been made by a request whose answer was lost.
            if self._collection.metadata() != metadata:
                raise
        if not self._collection.metadata():
            self.remove()
            raise OpticalError(
                f"The server of {self} does not keep the metadata of a collection. Use Qdrant 1.16 or newer."
            )

    def open(self, *, finished: bool) -> tuple[dict[str, Any], ClusterEngine]:
        """Return facts and engine of the index.

        Raises:
            OpticalError: there is none, it is unfinished (or finished), or of another version.
        """
        metadata = self._collection.metadata()
        state = metadata.get(_STATE)
        if state not in (_FINISHED, _UNFINISHED):
            raise OpticalError(f"The collection {self} is not an index of optical. Name another.")
        if finished and state == _UNFINISHED:
            raise unfinished(self)
        facts = metadata.get(_FACTS)
        if not isinstance(facts, dict):
            raise damaged_manifest(f"The metadata of {self}", f"{_FACTS} is {facts!r}")
        check_facts(facts, self, source=f"The metadata of {self}")
        return facts, ClusterEngine(self._collection, facts["dimension"], lexical_of(facts))

    def finish(self) -> None:
        """Make an index of the unfinished one."""
        self._collection.note({_STATE: _FINISHED})

    def remove(self) -> None:
        """Remove the collection."""
        self._collection.write(QdrantClient.delete_collection)

    def temporary_copy(self) -> "ClusterPlace":
        """Refuse: nobody needs one.

        Raises:
            OpticalError: always.
        """
        raise OpticalError(
            f"{self} needs no snapshot: any number of processes can open it. Open it with Index.open."
        )

    def close(self) -> None:
        """Close the connections."""
        self._collection.close()

    def begin_change(self) -> None:
        """Nothing: the server looks after what it stores."""

    def end_change(self, engine: Engine) -> None:
        """Nothing: the server looks after what it stores."""

    @property
    def centroids(self) -> Centroids | None:
        """Those that the passages are marked by now, whoever made them, if they are."""
        used = self._collection.metadata().get(_CENTROIDS, _NO_CENTROIDS)
        with self._loading:
            if self._loaded[0] != used:
                loaded = self._load(used) if used["parts"] else None
                if used["parts"] and loaded is None:
                    return None  # they have just been replaced; a search by none is right, if slow
                self._loaded = (used, loaded)
            return self._loaded[1]

    def put_centroids(self, centroids: Centroids | None) -> None:
        """Replace the centroids, or remove them."""
        used: dict[str, Any] = _NO_CENTROIDS
        kept: list[str] = []
        if centroids is not None:
            numbers = centroids.vectors.float().contiguous().numpy().astype("<f4").tobytes()
            generation = blake2b(numbers, digest_size=16).hexdigest()
            parts = [numbers[start : start + _PART] for start in range(0, len(numbers), _PART)]
            used = {
                "generation": generation,
                "parts": len(parts),
                "passages": centroids.passages,
                "dimension": centroids.vectors.shape[1],
            }
            kept = _part_ids(used)
            for id_, part in zip(kept, parts, strict=True):
                payload = {"centroids": base64.b64encode(part).decode("ascii")}
                point = models.PointStruct(id=id_, vector={}, payload=payload)
                self._collection.write(QdrantClient.upsert, [point], wait=True)
        self._collection.note({_CENTROIDS: used})
        others = models.Filter(must=[NO_PASSAGES], must_not=[models.HasIdCondition(has_id=list(kept))])
        self._collection.write(QdrantClient.delete, models.FilterSelector(filter=others), wait=True)

    @property
    def bytes(self) -> None:
        """Not known."""
        return None

    def _state(self) -> str | None:
        """Return the state of the index, "" for a collection that is not one, None without a collection."""
        try:
            return str(self._collection.metadata().get(_STATE, ""))
        except MissingError:
            return None

    def _load(self, used: dict[str, Any]) -> Centroids | None:
        """Return these centroids, or None if not all of them are there."""
        records = self._collection.read(
            QdrantClient.retrieve,
            _part_ids(used),
            with_payload=True,
        )
        parts = {str(record.id): record.payload["centroids"] for record in records if record.payload}
        numbers = b"".join(base64.b64decode(parts.get(id_, "")) for id_ in _part_ids(used))
        if blake2b(numbers, digest_size=16).hexdigest() != used["generation"]:
            return None
        vectors = torch.frombuffer(bytearray(numbers), dtype=torch.float32)
        return Centroids(vectors.reshape(-1, used["dimension"]), used["passages"])


def _part_ids(used: dict[str, Any]) -> list[str]:
    """Return the ids of the points that hold these centroids, part by part."""
    return [
        str(UUID(bytes=blake2b(f"{used['generation']} {part}".encode(), digest_size=16).digest()))
        for part in range(used["parts"])
    ]
