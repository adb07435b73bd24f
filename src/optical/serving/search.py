"""Searching in several languages: one index, its encoders, and what keeps them in service."""

import asyncio
import dataclasses
import gc
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from sentence_transformers import MultiVectorEncoder

from optical.collections import Passage
from optical.errors import OpticalError
from optical.explanation import explain
from optical.index import Hit
from optical.index.filters import Kind
from optical.serving.answers import Answer, Found, RefusedError, UnreadableError, fused
from optical.serving.batching import Batching
from optical.serving.encoding import Vectors, check_known, check_searchable, encode_each
from optical.serving.languages import Decision, LanguageRouting
from optical.serving.loading import Loaded, load
from optical.serving.metrics import Metrics
from optical.serving.served_index import ServedIndex

AUTOMATIC = "auto"
WATCH_EVERY = 2.0  # seconds


class _Query(NamedTuple):
    """What is asked: the ``k`` best passages that ``filter`` leaves, or, with 0, the token vectors.

    ``terms`` are those that a hybrid search looks for, too, each by its English words.
    """

    text: str
    k: int = 0
    filter: str | None = None
    terms: Sequence[Mapping[str, float]] | None = None


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
        self._sources = dict(encoders)
        self._index = ServedIndex(index)
        try:
            self._loaded = load(self._sources, self._index)
        except BaseException:
            self._index.close()
            raise
        self._batching: Batching[MultiVectorEncoder, _Query, Any] = Batching(self._work)

    @property
    def ready(self) -> bool:
        """Whether the index could be reached when it was last tried."""
        return self._index.ready

    @property
    def languages(self) -> list[str]:
        """The languages of the encoders."""
        return list(self._sources)

    @property
    def hybrid_languages(self) -> list[str]:
        """The languages that can be searched by words, too; none if the index has no words."""
        return list(self._loaded.terms) if self._index.lexical else []

    @property
    def routing(self) -> LanguageRouting:
        """What tells languages."""
        return self._loaded.routing

    @property
    def passages(self) -> int:
        """How many passages the index has."""
        return self._index.passages

    @property
    def fields(self) -> dict[str, Kind]:
        """The metadata fields that filters may name, and the kind of their values."""
        return self._index.fields

    async def search(
        self,
        text: str,
        language: str = AUTOMATIC,
        k: int = 10,
        *,
        filter: str | None = None,
        explained: bool = False,
        hybrid: bool = False,
    ) -> Answer:
        """Return the ``k`` best passages, or fewer if the index, or the filter, leaves no more.

        A hybrid search in a language that is told by the service searches by words where it can.

        Raises:
            RefusedError: the query is empty, too long for its encoder or without a word that this knows, the language
                unknown, the filter wrong, or the index refuses what is asked; or the index, the encoder of the
                language that is named, or all encoders cannot search by words.
            UnavailableError: the index cannot be reached.
        """
        self._index.require_ready()  # nobody is to wait for a server that is away
        loaded = self._loaded  # the same to the end, whatever is loaded meanwhile
        decision = self._decide(text, language, loaded)
        self._index.check_filter(filter)
        terms = self._terms(text, language, decision, loaded) if hybrid else {}
        most = min(k, self.passages)
        if most == 0:
            return Answer(decision, [])
        results = await asyncio.gather(
            *(
                self._batching.submit(loaded.encoders[each], _Query(text, most, filter, terms.get(each)))
                for each in decision.languages
            ),
            return_exceptions=True,
        )
        lists: dict[str, list[Hit]] = {}
        for each, result in zip(decision.languages, results, strict=True):
            if not isinstance(result, BaseException):
                lists[each] = result
            elif not isinstance(result, UnreadableError):  # of two encoders one may read less than the other
                raise result
        if not lists:
            raise results[0]
        decision = dataclasses.replace(decision, languages=tuple(lists))
        found = fused(lists, most)
        for used in decision.languages:
            self.metrics.searched(used, automatic=language == AUTOMATIC)
        if explained:
            found = [await self._explained(text, hit, loaded.encoders[hit.language]) for hit in found]
        return Answer(decision, found, tuple(each for each in decision.languages if each in terms))

    async def encode(self, text: str, language: str = AUTOMATIC) -> tuple[Decision, Vectors]:
        """Return the token vectors (tokens, dimension) of a query in its likeliest language.

        Raises:
            RefusedError: the query is empty or too long for its encoder, or the language unknown.
        """
        loaded = self._loaded
        decision = self._decide(text, language, loaded)
        encoder = loaded.encoders[decision.languages[0]]
        return decision, await self._batching.submit(encoder, _Query(text))

    async def reload(self) -> None:
        """Load all encoders anew and use them from then on; queries that are at work meanwhile get their answers.

        Raises:
            OpticalError: one cannot be loaded, or belongs to another teacher; those before stay in use.
        """
        fresh = await asyncio.to_thread(load, self._sources, self._index)
        await self._batching.alone(partial(self._take, fresh))
        # The modules of an encoder refer to each other in circles, which Python would look for much later: with each
        # reload the memory of all encoders would be taken once more.
        await asyncio.to_thread(gc.collect)

    async def watch(self) -> None:
        """Look after the index for ever: notice when it cannot be reached, and open it when it can again."""
        while True:
            await self._batching.alone(self._index.probe)
            await asyncio.sleep(WATCH_EVERY)

    def close(self) -> None:
        """Wait for the work at hand, and release the index."""
        self._batching.close()
        self._index.close()

    def _take(self, fresh: Loaded) -> None:
        self._loaded = fresh

    def _decide(self, text: str, language: str, loaded: Loaded) -> Decision:
        if not text.strip():
            raise RefusedError("The query is empty. Give it at least one word.")
        if language == AUTOMATIC:
            return loaded.routing.decide(text)
        if language not in self._sources:
            raise RefusedError(
                f"There is no encoder for {language!r}. Choose {AUTOMATIC} or one of: {', '.join(self._sources)}."
            )
        return Decision((language,), {language: 1.0})

    def _terms(
        self, text: str, language: str, decision: Decision, loaded: Loaded
    ) -> dict[str, Sequence[Mapping[str, float]]]:
        """Return the terms of a query by their English words, in those languages where they are known."""
        if not self._index.lexical:
            raise RefusedError(
                "The index has no words, which hybrid search needs. Build it again with `optical index --lexical`, or "
                "search without hybrid."
            )
        able = loaded.terms
        if not able:
            raise RefusedError(
                "No encoder has usable query translations, which hybrid search needs. Search without hybrid, or make "
                "an encoder with `optical graft` or `distill`."
            )
        if language != AUTOMATIC and language not in able:
            raise RefusedError(
                f"The encoder for {language} has no usable query translations, which hybrid search needs. Choose "
                f"{AUTOMATIC} or one of: {', '.join(able)}, or search without hybrid, or make an encoder with `optical "
                "graft` or `distill`."
            )
        return {each: able[each](text) for each in decision.languages if each in able}

    def _work(self, encoder: MultiVectorEncoder, queries: Sequence[_Query]) -> list[Any]:
        """Encode, and search with, what is good of a batch; what is not gets its exception."""
        self.metrics.batch(len(queries))
        results: list[Any] = encode_each(encoder, [query.text for query in queries])
        searched: dict[tuple[str | None, int | None], list[int]] = {}
        for place, query in enumerate(queries):
            if query.k and not isinstance(results[place], Exception):
                try:
                    if query.terms is None:  # a hybrid search finds words that the encoder does not know
                        check_known(query.text, encoder)
                    check_searchable(results[place], self._index.dimension)
                except OpticalError as error:
                    results[place] = error
                else:
                    # How deep rankings are fused depends on how much of them is wanted.
                    depth = None if query.terms is None else query.k
                    searched.setdefault((query.filter, depth), []).append(place)
        for places in searched.values():
            hits = self._search_each([queries[each] for each in places], [results[each] for each in places])
            for place, each in zip(places, hits, strict=True):
                results[place] = each
        return results

    def _search_each(
        self, queries: Sequence[_Query], vectors: Sequence[Vectors]
    ) -> Sequence[list[Hit] | Exception]:
        """Search with queries of one filter, all hybrid or none, of which each may be refused for itself."""
        k = max(query.k for query in queries)
        terms = [query.terms for query in queries if query.terms is not None]
        try:
            found = self._index.search(vectors, k, queries[0].filter, terms or None)
        except Exception as error:
            if len(queries) == 1 or not isinstance(error, RefusedError):
                return [error] * len(queries)
        else:
            return [hits[: query.k] for query, hits in zip(queries, found, strict=True)]
        alone = (self._search_each([query], [each]) for query, each in zip(queries, vectors, strict=True))
        return [results[0] for results in alone]

    async def _explained(self, text: str, found: Found, encoder: MultiVectorEncoder) -> Found:
        hit = found.hit
        passage = Passage(hit.id, hit.text, hit.title).content
        try:
            # One by one, so that others get their turns in between.
            explanation = await self._batching.alone(partial(explain, text, passage, encoder))
        except OpticalError as error:
            raise RefusedError(str(error)) from error
        return dataclasses.replace(found, explanation=explanation)
