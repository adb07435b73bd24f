"""A Ray cluster that encodes passages for an index."""

import logging
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from optical.errors import OpticalError
from optical.index.parallel import Arrays, Chunk, Encoded, absolute, encode_texts, in_order
from optical.packages import require_package

_SECONDS_TO_CONNECT = 10


class RayWorkers:
    """Tasks on a Ray cluster that runs already: one for each GPU, or for each core of a cluster without GPUs.

    Every node needs this version of optical and the encoder: a folder at the same place, or one that can be
    downloaded. Ray does the tasks of a worker or node that died again.
    """

    def __init__(self, encoder: str | Path, address: str) -> None:
        """Take the encoder by name, as :func:`~optical.encoders.load_encoder` does.

        Args:
            encoder: the one that the index is built with, or another of the same teacher.
            address: ``host:6379`` on a machine of the cluster, ``ray://host:10001`` on any other.

        Raises:
            OpticalError: the package ray is not installed.
        """
        require_package("ray", "ray")
        self._encoder = absolute(encoder)
        self._address = address

    def encode(self, chunks: Iterable[Chunk], teacher: str, batch_size: int) -> Encoded:
        """See :meth:`~optical.index.parallel.Workers.encode`."""
        import ray

        self._connect()
        try:
            there = ray.cluster_resources()
            number = int(there.get("GPU", 0) or there.get("CPU", 0))
            if number == 0:
                raise OpticalError(
                    f"The Ray cluster at {self._address} has no cores. Start its workers, or use --workers."
                )
            task = ray.remote(encode_texts).options(num_gpus=int("GPU" in there))

            def submit(texts: list[str]) -> Callable[[], Arrays]:
                reference = task.remote(self._encoder, teacher, texts, batch_size)
                return lambda: self._result(reference)

            yield from in_order(chunks, submit, number)
        finally:
            ray.shutdown()

    def _connect(self) -> None:
        import ray

        place = urlsplit(self._address if "://" in self._address else f"//{self._address}")
        try:
            # Ray itself would try for minutes.
            port = place.port or (10001 if place.scheme else 6379)
            socket.create_connection((place.hostname or "", port), _SECONDS_TO_CONNECT).close()
            ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as error:
            raise OpticalError(
                f"There is no Ray cluster to be reached at {self._address} ({error}). Start one with "
                "`ray start --head`, or check the address and the firewall."
            ) from error

    def _result(self, reference: Any) -> Arrays:
        import ray

        try:
            # Copied, because what Ray returns stays in its store as long as it is used.
            return [np.array(each) for each in ray.get(reference)]
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, OpticalError):
                raise error.cause from error
            raise
        except ray.exceptions.RayError as error:
            reason = str(error).strip().partition("\n")[0]
            raise OpticalError(
                f"Workers of the Ray cluster at {self._address} failed again and again ({reason}). Check "
                "their memory, and give the same command again; it goes on from there."
            ) from error
