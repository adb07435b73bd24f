"""Judged queries: what supervised training learns from, read from the files of a collection."""

import hashlib
import json
import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from optical.collections import Judgements, open_collection, ranked, read_judgements, read_queries, read_run
from optical.errors import OpticalError

logger = logging.getLogger(__name__)

_Ids = dict[str, list[str]]


@dataclass(frozen=True)
class JudgedQueries:
    """Foreign queries and the English passages that answer them; both are numbered from 0.

    Attributes:
        queries: texts.
        passages: contents of those that are judged relevant or given as negatives, no two alike.
        relevant: of each query, relevance (1 and above) by passage.
        negatives: of each query, passages that are not judged relevant, the highest ranked first; may be empty.
        translations: English version of each query; None if not given.
    """

    queries: list[str]
    passages: list[str]
    relevant: list[dict[int, int]]
    negatives: list[list[int]]
    translations: list[str] | None = None

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.queries)

    def positives(self, query: int) -> list[int]:
        """Return the passages of the highest relevance to a query."""
        judged = self.relevant[query]
        highest = max(judged.values())
        return [passage for passage, relevance in judged.items() if relevance == highest]

    def digest(self) -> str:
        """Return 32 hexadecimal digits (BLAKE2b) that name all of this."""
        digest = hashlib.blake2b(digest_size=16)
        relevant = [list(judged.items()) for judged in self.relevant]
        for part in (self.queries, self.passages, relevant, self.negatives, self.translations):
            digest.update(json.dumps(part).encode())
        return digest.hexdigest()

    def split(self, held_back: int, seed: int) -> tuple[list[int], list[int]]:
        """Divide the queries into (training, development), at most a fifth of them into the latter."""
        order = list(range(len(self)))
        random.Random(seed).shuffle(order)
        held_back = min(held_back, len(self) // 5)
        return sorted(order[held_back:]), sorted(order[:held_back])


def read_judged_queries(
    queries: str | Path,
    passages: str | Path,
    judgements: str | Path,
    *,
    negatives: str | Path | None = None,
    translations: str | Path | None = None,
    depth: int = 50,
) -> JudgedQueries:
    """Read the queries that have a relevant passage, and the passages that they need.

    Files and folders are those of :mod:`optical.collections`. Passages of the same content are one passage.

    Args:
        queries: in the foreign language.
        passages: in English; all others are passed over.
        judgements: 1 and above is relevant. The highest level of a query counts as its positives; what has a lower
            one is neither positive nor negative.
        negatives: of hard negatives: a TREC run, of which counts what is not judged relevant, or an ``ir_datasets:`` id
            with triples, of which the worse passages count.
        translations: the queries in English, with the same ids.
        depth: negatives kept of a query, from the top of its ranking.

    Raises:
        OpticalError: a file is missing or malformed, no query has a relevant passage, ids are unknown, no negative is
            left, or a translation is missing.
    """
    texts = read_queries(queries)
    relevant = _relevant(read_judgements(judgements), texts, queries, judgements)
    ranking: _Ids = {}
    if negatives is not None:
        ranking = _negatives(negatives, relevant, texts, queries, depth)
    wanted = {judgements: relevant.values(), negatives: ranking.values()}
    # In an order that is the same in every process, unlike that of a set.
    named = dict.fromkeys(passage for ids in wanted.values() for each in ids for passage in each)
    there = open_collection(passages).contents(set(named))
    contents = {passage: text for passage in named if (text := there.get(passage)) is not None}
    for source, ids in wanted.items():
        missing = [passage for each in ids for passage in each if passage not in contents]
        if missing:
            raise OpticalError(
                f"{passages} lacks {len(set(missing))} of the passages that {source} names; the first is {missing[0]}. "
                "Give all passages, or leave the lines with unknown ones out."
            )
    numbers = {content: number for number, content in enumerate(dict.fromkeys(contents.values()))}
    number = {passage: numbers[content] for passage, content in contents.items()}
    judged = [_highest(number, each) for each in relevant.values()]
    return JudgedQueries(
        queries=[texts[query] for query in relevant],
        passages=list(numbers),
        relevant=judged,
        negatives=[
            [
                place
                for place in dict.fromkeys(number[passage] for passage in ranking.get(query, ()))
                if place not in own
            ]
            for query, own in zip(relevant, judged, strict=True)
        ],
        translations=None if translations is None else _translations(translations, relevant),
    )


def require_enough(training: int, development: int, step: int) -> None:
    """Raise :class:`OpticalError` if there are too few queries to train on or to hold back.

    Args:
        training: queries to train on.
        development: queries held back.
        step: queries that one step takes.
    """
    if development < 2:
        raise OpticalError(
            f"Only {training + development} queries have a relevant passage, too few to hold any back for "
            "development. Give more."
        )
    if training < step:
        raise OpticalError(
            f"Only {training} queries are left to train on, fewer than the {step} of one step. Lower batch_size, or "
            "give more."
        )


def _relevant(
    judgements: Judgements, texts: Mapping[str, str], queries: str | Path, path: str | Path
) -> Judgements:
    relevant = {}
    for query in texts:
        above = {passage: level for passage, level in judgements.get(query, {}).items() if level >= 1}
        if above:
            relevant[query] = above
    if not relevant:
        raise OpticalError(
            f"None of the {len(texts)} queries in {queries} has a relevant passage in {path}. Give files that belong "
            "together."
        )
    unknown = sum(query not in texts for query in judgements)
    if unknown:
        logger.warning(
            "%s judges %d queries that %s does not have. They are left out.", path, unknown, queries
        )
    return relevant


def _negatives(
    path: str | Path, relevant: Judgements, texts: Mapping[str, str], queries: str | Path, depth: int
) -> _Ids:
    if str(path).startswith("ir_datasets:"):
        negatives = _of_triples(str(path), relevant, depth)
    else:
        run = read_run(path)
        unknown = [query for query in run if query not in texts]
        if unknown:
            raise OpticalError(
                f"{path} ranks passages for {len(unknown)} queries that {queries} does not have; the first is "
                f"{unknown[0]}. Give the run of these queries."
            )
        negatives = {
            query: [passage for passage in passages if passage not in relevant[query]][:depth]
            for query, passages in ranked(run)
            if query in relevant
        }
    if not any(negatives.values()):
        raise OpticalError(
            f"{path} has no negative: no passage in it belongs to a judged query without being relevant to it. Give a "
            "run that ranks more passages, or none."
        )
    return negatives


def _of_triples(source: str, relevant: Judgements, depth: int) -> _Ids:
    triples = open_collection(source).triples()
    if triples is None:
        raise OpticalError(
            f"{source} has no triples of query, better and worse passage. Give one that has, or a run."
        )
    negatives: dict[str, dict[str, None]] = {query: {} for query in relevant}
    for query, _, worse in triples:
        found = negatives.get(query)
        if found is not None and len(found) < depth and worse not in relevant[query]:
            found[worse] = None
    return {query: list(found) for query, found in negatives.items()}


def _highest(number: Mapping[str, int], judged: Mapping[str, int]) -> dict[int, int]:
    levels: dict[int, int] = {}
    for passage, level in judged.items():
        levels[number[passage]] = max(level, levels.get(number[passage], 0))
    return levels


def _translations(path: str | Path, queries: Iterable[str]) -> list[str]:
    english = read_queries(path)
    missing = [query for query in queries if query not in english]
    if missing:
        raise OpticalError(
            f"{path} lacks the English version of {len(missing)} judged queries; the first is {missing[0]}. Give all, "
            "with the ids that the queries have."
        )
    return [english[query] for query in queries]
