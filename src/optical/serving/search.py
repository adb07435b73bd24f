"""Searching in several languages: one index, its encoders, and what keeps them in service."""

import asyncio
import contextlib
import dataclasses
import gc
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.encoders import fingerprint, load_query_encoder
from optical.errors import OpticalError
from optical.explanation import explain
from optical.index import Hit, Index
from optical.index.engine import IndexUnavailableError, RequestRefusedError
from optical.index.filters import Kind, parse_filter
from optical.serving.answers import Answer, Found, RefusedError, UnavailableError, fused
from optical.serving.batching import Batching
from optical.serving.encoding import Vectors, check_searchable, encode_each
from optical.serving.languages import Decision, LanguageRouting
from optical.serving.metrics import Metrics

logger = logging.getLogger(__name__)

AUTOMATIC = "auto"
WATCH_EVERY = 2.0  # seconds
_UNREACHABLE = "The index cannot be reached now. Ask again in a moment."


class _Query(NamedTuple):
    """What is asked: the ``k`` best passages that ``filter`` leaves, or, with 0, the token vectors."""

    text: str
    k: int = 0
    filter: str | None = None


class SearchService:
    """Answers queries in several languages on one index.

    The coroutines are for one event loop. Encoding and searching happen in a worker thread, for queries that arrive
    together at once. An index in a folder is the service's alone until :meth:`close`.

    Args:
        index: folder of the index, or its address on a Qdrant server.
        encoders: folders or Hub ids by language code, ``en`` for the teacher.

    Raises:
        OpticalError: the index or an encoder cannot be loaded, or they belong to different teachers.
    """

    def __init__(self, index: str, encoders: Mapping[str, str]) -> None:
        self.metrics = Metrics()
        self._place = index
        self._sources = dict(encoders)
        self._index = Index.open(index)
        try:
            self._look_up()
            self._encoders, self._routing = self._load()
            if self._count:  # the first search is slow, and may find something wrong
                self._index.search_vectors([torch.eye(1, self._dimension)], 1)
        except BaseException:
            self._index.close()
            raise
        self._ready = True
        self._batching: Batching[MultiVectorEncoder, _Query, Any] = Batching(self._work)

    @property
    def ready(self) -> bool:
        """Whether the index could be reached when it was last tried."""
        return self._ready

    @property
    def languages(self) -> list[str]:
        """The languages of the encoders."""
        return list(self._sources)

    @property
    def routing(self) -> LanguageRouting:
        """What tells languages."""
        return self._routing

    @property
    def passages(self) -> int:
        """How many passages the index has."""
        return self._count

    @property
    def fields(self) -> dict[str, Kind]:
        """The metadata fields that filters may name, and the kind of their values."""
        return self._fields

    async def search(
        self,
        text: str,
        language: str = AUTOMATIC,
        k: int = 10,
        *,
        filter: str | None = None,
        explained: bool = False,
    ) -> Answer:
        """Return the ``k`` best passages, or fewer if the index, or the filter, leaves no more.

        Raises:
            RefusedError: the query is empty or too long for its encoder, the language unknown, the filter wrong, or
                the index refuses what is asked.
            UnavailableError: the index cannot be reached.
        """
        if not self._ready:  # nobody is to wait for a server that is away
            raise UnavailableError(_UNREACHABLE)
        encoders = self._encoders  # the same to the end, whatever is loaded meanwhile
        decision = self._decide(text, language)
        self._check_filter(filter)
        most = min(k, self._count)
        if most == 0:
            return Answer(decision, [])
        query = _Query(text, most, filter)
        first, *others = await asyncio.gather(
            *(self._batching.submit(encoders[each], query) for each in decision.languages),
            return_exceptions=True,
        )
        if others and isinstance(others[0], RefusedError):  # the runner-up may read less than the first
            others, decision = [], dataclasses.replace(decision, languages=decision.languages[:1])
        lists: list[list[Hit]] = []
        for each in (first, *others):
            if isinstance(each, BaseException):
                raise each
            lists.append(each)
        found = fused(dict(zip(decision.languages, lists, strict=True)), most)
        for used in decision.languages:
            self.metrics.searched(used, automatic=language == AUTOMATIC)
        if explained:
            found = [await self._explained(text, hit, encoders[hit.language]) for hit in found]
        return Answer(decision, found)

    async def encode(self, text: str, language: str = AUTOMATIC) -> tuple[Decision, Vectors]:
        """Return the token vectors (tokens, dimension) of a query in its likeliest language.

        Raises:
            RefusedError: the query is empty or too long for its encoder, or the language unknown.
        """
        decision = self._decide(text, language)
        encoder = self._encoders[decision.languages[0]]
        return decision, await self._batching.submit(encoder, _Query(text))

    async def reload(self) -> None:
        """Load all encoders anew and use them from then on; queries that are at work meanwhile get their answers.

        Raises:
            OpticalError: one cannot be loaded, or belongs to another teacher; those before stay in use.
        """
        fresh = await asyncio.to_thread(self._load)
        await self._batching.alone(partial(self._take, fresh))
        # The modules of an encoder refer to each other in circles, which Python would look for much later: with each
        # reload the memory of all encoders would be taken once more.
        await asyncio.to_thread(gc.collect)

    async def watch(self) -> None:
        """Look after the index for ever: notice when it cannot be reached, and open it when it can again."""
        while True:
            await self._batching.alone(self._probe)
            await asyncio.sleep(WATCH_EVERY)

    def close(self) -> None:
        """Wait for the work at hand, and release the index."""
        self._batching.close()
        self._index.close()

    def _look_up(self) -> None:
        facts = self._index.facts
        self._teacher: str = facts["teacher"]
        self._dimension: int = facts["dimension"]
        self._count: int = self._index.count
        self._fields: dict[str, Kind] = self._index.fields

    def _load(self) -> tuple[dict[str, MultiVectorEncoder], LanguageRouting]:
        encoders = {}
        for language, source in self._sources.items():
            encoder = load_query_encoder(source)
            teacher = fingerprint(encoder)
            if teacher != self._teacher:
                raise OpticalError(
                    f"The index {self._place} was built with teacher {self._teacher}, but the encoder for {language}, "
                    f"{source}, belongs to {teacher}. Give one distilled from the teacher that built the index."
                )
            # The first is slow, and may find something wrong.
            check_searchable(encoder.encode_query(["?"], convert_to_numpy=True)[0], self._dimension)
            encoders[language] = encoder
        return encoders, LanguageRouting(encoders)

    def _take(self, fresh: tuple[dict[str, MultiVectorEncoder], LanguageRouting]) -> None:
        self._encoders, self._routing = fresh

    def _decide(self, text: str, language: str) -> Decision:
        if not text.strip():
            raise RefusedError("The query is empty. Give it at least one word.")
        if language == AUTOMATIC:
            return self._routing.decide(text)
        if language not in self._sources:
            raise RefusedError(
                f"There is no encoder for {language!r}. Choose {AUTOMATIC} or one of: {', '.join(self._sources)}."
            )
        return Decision((language,), {language: 1.0})

    def _check_filter(self, filter: str | None) -> None:
        try:
            if filter is not None:
                parse_filter(filter, self._fields)
        except OpticalError as error:
            raise RefusedError(str(error)) from error
        except RecursionError as error:
            raise RefusedError("The filter is nested too deeply. Make it simpler.") from error

    def _work(self, encoder: MultiVectorEncoder, queries: Sequence[_Query]) -> list[Any]:
        """Encode, and search with, what is good of a batch; what is not gets its exception."""
        self.metrics.batch(len(queries))
        results: list[Any] = encode_each(encoder, [query.text for query in queries])
        searched: dict[str | None, list[int]] = {}
        for place, query in enumerate(queries):
            if query.k and not isinstance(results[place], Exception):
                try:
                    check_searchable(results[place], self._dimension)
                except OpticalError as error:
                    results[place] = error
                else:
                    searched.setdefault(query.filter, []).append(place)
        for places in searched.values():
            hits = self._search_each([queries[each] for each in places], [results[each] for each in places])
            for place, each in zip(places, hits, strict=True):
                results[place] = each
        return results

    def _search_each(
        self, queries: Sequence[_Query], vectors: Sequence[Vectors]
    ) -> Sequence[list[Hit] | Exception]:
        """Search with queries of one filter, of which each may be refused for itself."""
        try:
            found = self._search(vectors, max(query.k for query in queries), queries[0].filter)
        except Exception as error:
            if len(queries) == 1 or not isinstance(error, RefusedError):
                return [error] * len(queries)
        else:
            return [hits[: query.k] for query, hits in zip(queries, found, strict=True)]
        alone = (self._search_each([query], [each]) for query, each in zip(queries, vectors, strict=True))
        return [results[0] for results in alone]

    def _search(self, vectors: Sequence[Vectors], k: int, filter: str | None) -> list[list[Hit]]:
        if not self._ready:
            # It was lost since the query came, and waiting for it again would keep all others waiting.
            raise UnavailableError(_UNREACHABLE)
        # It may have been opened again, and be another.
        self._check_filter(filter)
        try:
            return self._best(vectors, min(k, self._count), filter)
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

    def _best(self, vectors: Sequence[Vectors], k: int, filter: str | None) -> list[list[Hit]]:
        if k == 0:
            return [[] for _ in vectors]
        try:
            return self._index.search_vectors(list(map(torch.from_numpy, vectors)), k, filter=filter)
        except IndexUnavailableError:
            raise
        except OpticalError:
            # The search counts the passages itself. Others may have removed some since they were counted here.
            self._count = self._index.count
            if k <= self._count:
                raise
        return self._best(vectors, self._count, filter)

    async def _explained(self, text: str, found: Found, encoder: MultiVectorEncoder) -> Found:
        hit = found.hit
        passage = Passage(hit.id, hit.text, hit.title).content
        try:
            # One by one, so that others get their turns in between.
            explanation = await self._batching.alone(partial(explain, text, passage, encoder))
        except OpticalError as error:
            raise RefusedError(str(error)) from error
        return dataclasses.replace(found, explanation=explanation)

    def _probe(self) -> None:
        try:
            if self._ready:
                # Others may change an index on a server.
                self._count, self._fields = self._index.count, self._index.fields
            else:
                self._open_again()
        except BaseException as error:  # whatever it is, even a panic: nothing is better than to try again
            self._lose(error)

    def _open_again(self) -> None:
        with contextlib.suppress(OpticalError, OSError):
            self._index.close()
        index = Index.open(self._place)
        teacher = index.facts["teacher"]
        if teacher != self._teacher:
            index.close()
            raise OpticalError(f"It is now one of teacher {teacher}, and no longer of {self._teacher}.")
        self._index = index
        self._look_up()
        logger.warning("The index %s can be reached again.", self._place)
        self._ready = True

    def _lose(self, error: BaseException) -> None:
        if self._ready:
            logger.error("The index %s cannot be reached: %s", self._place, error)
        self._ready = False
