"""Processes on this machine that encode passages for an index."""

import contextlib
import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NoReturn

import torch

from optical.errors import OpticalError
from optical.index.parallel import Arrays, Chunk, Encoded, absolute, encode_texts, in_order

_ATTEMPTS = 2


class LocalWorkers:
    """Processes on this machine, which share the threads that PyTorch has here, and the GPUs if there are any.

    They start when there is work, and end with the build, however it ends. One that dies is replaced.
    """

    def __init__(self, encoder: str | Path, number: int) -> None:
        """Take the encoder by name, as :func:`~optical.encoders.load_encoder` does: each process loads its own.

        Args:
            encoder: the one that the index is built with, or another of the same teacher.
            number: of processes.

        Raises:
            OpticalError: ``number`` is less than 1.
        """
        if number < 1:
            raise OpticalError(f"The number of workers is {number}. Give at least 1.")
        self._encoder = absolute(encoder)
        self._number = number

    def encode(self, chunks: Iterable[Chunk], teacher: str, batch_size: int) -> Encoded:
        """See :meth:`~optical.index.parallel.Workers.encode`."""
        threads = max(1, torch.get_num_threads() // self._number)
        workers = [_Worker(place, threads) for place in range(self._number)]
        idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in workers:
            idle.put(worker)

        def encoded(texts: list[str]) -> Arrays:
            worker = idle.get()
            try:
                return worker.encode(self._encoder, teacher, texts, batch_size)
            finally:
                idle.put(worker)

        pool = ThreadPoolExecutor(self._number)
        try:
            yield from in_order(chunks, lambda texts: pool.submit(encoded, texts).result, self._number)
        finally:
            for worker in workers:
                worker.end()
            pool.shutdown(cancel_futures=True)


class _Worker:
    """A process that encodes; it starts when it is first needed, and another when it died.

    Not a ``multiprocessing`` pool: there a worker killed amid its answer blocks the others, workers outlive a
    caller that is killed, and the caller's script is run again in each. Here each has pipes of its own, and ends
    when the caller's end closes.
    """

    def __init__(self, place: int, threads: int) -> None:
        self._place = place
        self._threads = threads
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._starting = threading.Lock()

    def encode(self, *request: object) -> Arrays:
        """Pass ``request`` to :func:`~optical.index.parallel.encode_texts` there."""
        for _ in range(_ATTEMPTS):
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(pickle.dumps(request))
                process.stdin.flush()
                answer = pickle.load(process.stdout)
            except (OSError, EOFError, pickle.UnpicklingError):
                code = self._kill()
                continue
            if isinstance(answer, Exception):
                raise answer
            return list(answer)
        raise OpticalError(
            f"A worker process died, and so did the one in its place (exit code {code}; -9 often means out of memory). "
            "Give the same command again with fewer workers; it goes on from there."
        )

    def end(self) -> None:
        """Kill the process, whatever it does."""
        with self._starting:
            self._ended = True
        self._kill()

    def _started(self) -> "subprocess.Popen[bytes]":
        with self._starting:
            if self._ended:
                raise OpticalError("The build was stopped.")
            if self._process is None:
                threads = str(self._threads)
                self._process = subprocess.Popen(
                    [sys.executable, "-c", f"from {__name__} import serve; serve({self._place})"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads},
                    # Ctrl-C in the terminal is for the caller, who ends the workers.
                    start_new_session=True,
                )
            return self._process

    def _kill(self) -> int | None:
        process = self._process
        if process is None:
            return None
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._process = None
        return code


def serve(place: int) -> NoReturn:
    """Be worker number ``place`` of :class:`LocalWorkers`, until standard input closes."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What libraries print is no answer.
    warnings.simplefilter("ignore")
    # The caller has said already what there is to say of the encoder.
    logging.getLogger("optical").setLevel(logging.ERROR)
    if torch.cuda.is_available():
        torch.cuda.set_device(place % torch.cuda.device_count())
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            request = pickle.load(sys.stdin.buffer)
            try:
                answer: object = encode_texts(*request)
            except OpticalError as error:
                answer = error
            except Exception:
                answer = RuntimeError(f"A worker failed.\n{traceback.format_exc()}")
            pickle.dump(answer, answers)
            answers.flush()
    # What is left in the buffer has no reader.
    os._exit(0)
