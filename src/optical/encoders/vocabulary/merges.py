"""Byte-pair encoding, gone on with from the tokens that an old vocabulary splits a new language into."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise

Pair = tuple[str, str]


def continue_merges(
    words: Mapping[tuple[str, ...], int], ranks: Mapping[Pair, int], least: int
) -> list[Pair]:
    """Learn the merges that make single tokens of the words seen at least ``least`` times.

    The most frequent pair of adjacent tokens is merged, again and again, until no pair occurs ``least`` times
    (Sennrich, Haddow and Birch 2016). Of equally frequent pairs the first in alphabetical order is merged.

    Args:
        words: distinct words as their old tokens, and how often they occur.
        ranks: merges that the old tokenizer has, by rank. It carries them out whenever it can, and so does this.
        least: least number of occurrences of a pair.

    Returns:
        The new merges in the order in which a tokenizer is to carry them out, behind all old ones.
    """
    spelled, counts = [list(word) for word in words], list(words.values())
    occurrences: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for place, (tokens, count) in enumerate(zip(spelled, counts, strict=True)):
        for pair in pairwise(tokens):
            occurrences[pair] += count
            places[pair].add(place)
    rank, learned = dict(ranks), []

    def queued(pair: Pair) -> tuple[int, int, Pair]:
        return (0, rank[pair], pair) if pair in rank else (1, -occurrences[pair], pair)

    queue = [queued(pair) for pair in occurrences]
    heapq.heapify(queue)
    while queue:
        entry = heapq.heappop(queue)
        pair = entry[2]
        if entry != queued(pair):
            heapq.heappush(queue, queued(pair))  # it was queued before other merges took some of its places
            continue
        if pair not in rank:
            if occurrences[pair] < least:
                break
            rank[pair] = len(rank)
            learned.append(pair)
        changed: set[Pair] = set()
        for place in places.pop(pair, set()):
            old = spelled[place]
            spelled[place] = new = _merge(old, pair)
            for sign, tokens in ((-1, old), (1, new)):
                for each in pairwise(tokens):
                    occurrences[each] += sign * counts[place]
                    if sign > 0:
                        places[each].add(place)
                        changed.add(each)
        for each in changed:
            heapq.heappush(queue, queued(each))
    return learned


def _merge(tokens: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    position = 0
    while position < len(tokens):
        if tuple(tokens[position : position + 2]) == pair:
            merged.append("".join(pair))
            position += 2
        else:
            merged.append(tokens[position])
            position += 1
    return merged
