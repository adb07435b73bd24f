"""Which articles of a wiki link to each other, in arrays of integers.

Memory for the English Wikipedia of 2025 (7 million articles, 11 million redirects, about 200 million links between
articles): 20 bytes an article (key, id, number of links) and 12 more once sorted, 7e6 * 32 = 0.22 GB; 16 bytes a
redirect, twice that while they are sorted with their order, 11e6 * 40 = 0.44 GB. Links lie in temporary files: 8 bytes
a link of any article (200e6 * 8 = 1.6 GB of disk) and 8 bytes a link from or to an article of interest (at most as
much again), which are sorted in a memory map that the system may write back at any time. Mutual links take 16 bytes
each way.
"""

import tempfile
from array import array
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from optical.collections.wikiclir.titles import title_key
from optical.errors import OpticalError

Keys = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

_MOST_REDIRECTS = 3
_LINKS_AT_ONCE = 1 << 20


class LinkGraph:
    """Collects the articles, redirects and links of one wiki, then finds mutual links.

    Articles are counted from 0 in the order in which they are added: their indices.

    Args:
        folder: where temporary files may lie; they have no name and vanish with the process.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._links = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (lives as long as the graph)
        self._keys = array("Q")
        self._ids = array("Q")
        self._link_counts = array("I")
        self._redirects = array("Q")
        self._redirect_targets = array("Q")

    def add_article(self, page: int, title: str, linked: set[int]) -> None:
        """Add an article with its page id and the keys of the titles that it links to."""
        self._keys.append(title_key(title))
        self._ids.append(page)
        self._link_counts.append(len(linked))
        array("Q", linked).tofile(self._links)

    def add_redirect(self, title: str, target: str) -> None:
        """Let the title ``title`` stand for the article ``target``."""
        self._redirects.append(title_key(title))
        self._redirect_targets.append(title_key(target))

    def finish(self) -> None:
        """End adding.

        Raises:
            OpticalError: two articles have the same page id.
        """
        self.page_ids: Keys = np.array(self._ids, dtype=np.uint64)
        self.keys: Keys = np.array(self._keys, dtype=np.uint64)
        ordered = np.sort(self.page_ids)
        if (repeated := ordered[1:][ordered[1:] == ordered[:-1]]).size:
            raise OpticalError(
                f"The page id {repeated[0]} occurs twice in the English dump. Give one dump, not several in one file."
            )
        self._order = np.argsort(self.keys).astype(np.int32)
        self._sorted_keys = self.keys[self._order]
        order = np.argsort(np.array(self._redirects, dtype=np.uint64))
        self._sorted_redirects = np.array(self._redirects, dtype=np.uint64)[order]
        self._sorted_targets = np.array(self._redirect_targets, dtype=np.uint64)[order]
        del self._keys, self._ids, self._redirects, self._redirect_targets

    def __len__(self) -> int:
        return len(self._link_counts)

    def resolve(self, keys: Keys) -> Indices:
        """Return the index of the article that each key stands for, through redirects; -1 for none."""
        keys = keys.copy()
        for _ in range(_MOST_REDIRECTS):
            places, found = _find(self._sorted_redirects, keys)
            if not found.any():
                break
            keys[found] = self._sorted_targets[places[found]]
        places, found = _find(self._sorted_keys, keys)
        indices = np.full(len(keys), -1, dtype=np.int64)
        indices[found] = self._order[places[found]]
        return indices

    def mutual_links(self, of: npt.NDArray[np.bool_]) -> "MutualLinks":
        """Return the mutual links of the articles marked in ``of`` (one mark an article).

        Two articles are mutually linked if each links to the other, by its title or a redirect to it. To be called
        once: the links are gone afterwards.
        """
        with self._links, tempfile.TemporaryFile(dir=self._folder) as file:
            self._links.seek(0)
            counts = np.array(self._link_counts, dtype=np.int64)
            blocks = np.cumsum(counts) // _LINKS_AT_ONCE
            starts = np.flatnonzero(np.diff(blocks, prepend=-1))
            for start, end in zip(starts, [*starts[1:], len(counts)], strict=True):
                block = counts[start:end]
                sources = np.repeat(np.arange(start, end), block)
                targets = self.resolve(np.fromfile(self._links, np.uint64, int(block.sum())))
                kept = (targets >= 0) & (targets != sources)
                kept &= of[sources] | of[targets]
                _directed(sources[kept], targets[kept]).tofile(file)
            return MutualLinks(*_both_ways(file), of)


class MutualLinks:
    """For every article of interest, the articles mutually linked with it."""

    def __init__(self, low: Indices, high: Indices, of: npt.NDArray[np.bool_]) -> None:
        articles, neighbours = np.concatenate([low, high]), np.concatenate([high, low])
        kept = of[articles]
        articles, neighbours = articles[kept], neighbours[kept]
        order = np.lexsort((neighbours, articles))
        self._articles: Indices = articles[order]
        self._neighbours: Indices = neighbours[order]

    def neighbours(self, article: int) -> Indices:
        """Return the indices of the articles mutually linked with ``article``, rising."""
        start, end = np.searchsorted(self._articles, [article, article + 1])
        return self._neighbours[start:end]

    def all_neighbours(self) -> Indices:
        """Return the indices of all articles mutually linked with an article of interest, with repetitions."""
        return self._neighbours


def _find(ordered: Keys, keys: Keys) -> tuple[Indices, npt.NDArray[np.bool_]]:
    if len(ordered) == 0:
        return np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
    places = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return places, ordered[places] == keys


def _directed(sources: Indices, targets: Indices) -> Keys:
    """Return links as integers: lower index, higher index, direction, so that the two ways of a pair sort together."""
    low, high = np.minimum(sources, targets), np.maximum(sources, targets)
    return ((low << 32) | (high << 1) | (sources < targets)).astype(np.uint64)


def _both_ways(file: IO[bytes]) -> tuple[Indices, Indices]:
    """Return the lower and higher indices of pairs that are linked in both directions."""
    file.flush()
    if file.tell() == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    links = np.memmap(file, dtype=np.uint64, mode="r+")
    links.sort()
    found = []
    for start in range(0, len(links) - 1, _LINKS_AT_ONCE):
        block = np.array(links[start : start + _LINKS_AT_ONCE + 1])
        backward = block[:-1]
        found.append(backward[(backward & np.uint64(1) == 0) & (block[1:] == backward + np.uint64(1))])
    pairs = np.concatenate(found).astype(np.int64) if found else np.zeros(0, dtype=np.int64)
    return pairs >> 32, (pairs & 0xFFFFFFFF) >> 1
