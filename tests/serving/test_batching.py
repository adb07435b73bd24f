"""Batches: everyone gets the own result, and batches grow while the thread is busy."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical.serving.batching import LARGEST_BATCH, Batching


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), max_size=100))
def test_each_gets_its_own_result_in_batches_of_one_group(asked: list[tuple[str, int]]) -> None:
    batches: list[tuple[str, int]] = []

    def work(group: str, items: Sequence[int]) -> list[tuple[str, int] | Exception]:
        batches.append((group, len(items)))
        return [ValueError(item) if item % 7 == 3 else (group, item) for item in items]

    async def ask() -> list[object]:
        batching: Batching[str, int, tuple[str, int]] = Batching(work)
        answers = await asyncio.gather(*(batching.submit(*each) for each in asked), return_exceptions=True)
        batching.close()
        return answers

    for (group, item), answer in zip(asked, asyncio.run(ask()), strict=True):
        if item % 7 == 3:
            assert isinstance(answer, ValueError)
            assert answer.args == (item,)
        else:
            assert answer == (group, item)
    sizes = {group: [size for each, size in batches if each == group] for group in "abc"}
    for group, found in sizes.items():
        number = sum(each == group for each, _ in asked)
        assert found == [LARGEST_BATCH] * (number // LARGEST_BATCH) + [number % LARGEST_BATCH] * bool(
            number % LARGEST_BATCH
        )


def test_what_arrives_while_the_thread_is_busy_is_the_next_batch() -> None:
    busy, go_on = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def work(group: str, items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        busy.set()
        assert go_on.wait(10)
        return list(items)

    async def ask() -> None:
        batching: Batching[str, int, int] = Batching(work)
        first = asyncio.create_task(batching.submit("a", 0))
        await asyncio.to_thread(busy.wait)
        others = [asyncio.create_task(batching.submit("a", n)) for n in range(1, 9)]
        given_up = asyncio.create_task(batching.submit("a", 99))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
        go_on.set()
        assert await asyncio.gather(first, *others) == list(range(9))
        batching.close()

    asyncio.run(ask())
    assert batches == [[0], [1, 2, 3, 4, 5, 6, 7, 8]]


def test_an_error_of_the_work_is_everyones() -> None:
    def work(group: str, items: Sequence[int]) -> list[int]:
        raise OSError("gone")

    async def ask() -> None:
        batching: Batching[str, int, int] = Batching(work)
        answers = await asyncio.gather(*(batching.submit("a", n) for n in range(3)), return_exceptions=True)
        assert [str(each) for each in answers] == ["gone"] * 3
        with pytest.raises(ZeroDivisionError):
            await batching.alone(lambda: 1 / 0)
        assert await batching.alone(lambda: 5) == 5
        batching.close()

    asyncio.run(ask())


def test_a_panic_ends_its_batch_and_no_other() -> None:
    class PanicException(BaseException):
        """As those of PyO3."""

    def work(group: str, items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise PanicException("index out of bounds")
        return list(items)

    async def ask() -> None:
        batching: Batching[str, int, int] = Batching(work)
        asked = [batching.submit("a", n) for n in (12, 13)]
        for answer in await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5):
            assert isinstance(answer, RuntimeError)
            assert str(answer) == "PanicException: index out of bounds"
        assert await asyncio.wait_for(batching.submit("a", 14), 5) == 14
        batching.close()

    asyncio.run(ask())
