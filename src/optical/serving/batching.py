"""Calls that arrive together, made as one."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

LARGEST_BATCH = 32

Group = TypeVar("Group", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")
Returned = TypeVar("Returned")


class Batching(Generic[Group, Item, Result]):
    """Works on the items of one group together, one batch at a time in a worker thread.

    While the thread is busy, items are collected: batches grow with the load. What finds it idle is worked on at once,
    with what arrives in the same turn of the event loop: to wait for more would delay every item of a lone client, and
    gives no larger batches under load.

    Args:
        work: gets a group and its items, and returns for each item the result, or the exception to raise.
    """

    def __init__(self, work: Callable[[Group, Sequence[Item]], Sequence[Result | Exception]]) -> None:
        self._work = work
        self._waiting: dict[Group, list[tuple[Item, asyncio.Future[Result]]]] = {}
        self._draining: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="optical-search")

    async def submit(self, group: Group, item: Item) -> Result:
        """Return the result for ``item``."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if group in self._waiting:
            self._waiting[group].append((item, future))
        else:
            self._waiting[group] = [(item, future)]
            task = asyncio.create_task(self._drain(group))
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)
        return await future

    async def alone(self, function: Callable[[], Returned]) -> Returned:
        """Return what ``function`` does, called in the worker thread while no batch is at work."""
        async with self._turn:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def close(self) -> None:
        """Wait for the work at hand, and end the thread."""
        self._thread.shutdown()

    async def _drain(self, group: Group) -> None:
        waiting = self._waiting[group]
        try:
            while waiting:
                # Those given up meanwhile need no answer.
                async with self._turn:
                    batch = [each for each in waiting[:LARGEST_BATCH] if not each[1].done()]
                    del waiting[:LARGEST_BATCH]
                    if batch:
                        await self._answer(group, batch)
        finally:
            del self._waiting[group]

    async def _answer(self, group: Group, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        items = [item for item, _ in batch]
        loop = asyncio.get_running_loop()
        results: Sequence[Result | Exception]
        try:
            results = await loop.run_in_executor(self._thread, self._work, group, items)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # A panic of a library in Rust is no Exception, and must not end more than this batch.
            failure = (
                error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}")
            )
            results = [failure] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
