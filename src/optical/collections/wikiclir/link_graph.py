"""Which articles of a wiki link to each other, in arrays of integers.

Memory, for the English Wikipedia of 2025 (7 million articles, 11 million redirects, about 200 million links between
articles): 32 bytes an article (id, key, key and index in sorted order, number of links) and 16 a redirect stay,
7e6 * 32 + 11e6 * 16 = 0.40 GB; while redirects are sorted they take 40, which makes the peak, 0.66 GB. The links lie
in temporary files: 8 bytes for each link of any article (200e6 * 8 = 1.6 GB of disk) and 8 for each from or to an
article of interest (at most as much again), which are sorted in a memory map that the system may write back at any
time. A mutual link of an article of interest takes 8 bytes, three times that while they are sorted.
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
_LOW_HALF = (1 << 32) - 1


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
        # Views, not copies.
        self.page_ids: Keys = np.asarray(self._ids)
        self.keys: Keys = np.asarray(self._keys)
        ordered = np.sort(self.page_ids)
        if (repeated := ordered[1:][ordered[1:] == ordered[:-1]]).size:
            raise OpticalError(
                f"The page id {repeated[0]} occurs twice in the English dump. Give one dump, not several in one file."
            )
        self._order = np.argsort(self.keys).astype(np.int32)
        self._sorted_keys = self.keys[self._order]
        redirects, targets = np.asarray(self._redirects), np.asarray(self._redirect_targets)
        order = np.argsort(redirects)
        self._sorted_redirects: Keys = redirects[order]
        self._sorted_targets: Keys = targets[order]
        del self._redirects, self._redirect_targets

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
            return MutualLinks(_both_ways(file), of)


class MutualLinks:
    """For every article of interest, the articles mutually linked with it.

    Args:
        pairs: integers, each of two indices: ``one << 32 | other``.
        of: the articles of interest.
    """

    def __init__(self, pairs: Indices, of: npt.NDArray[np.bool_]) -> None:
        both = np.concatenate([pairs, (pairs & _LOW_HALF) << 32 | pairs >> 32])
        both = both[of[both >> 32]]
        both.sort()
        self._pairs: Indices = both

    def neighbours(self, article: int) -> Indices:
        """Return the indices of the articles mutually linked with ``article``, rising."""
        start, end = np.searchsorted(self._pairs, [article << 32, (article + 1) << 32])
        return np.bitwise_and(self._pairs[start:end], _LOW_HALF)

    def all_neighbours(self) -> Indices:
        """Return the indices of all articles mutually linked with an article of interest, with repetitions."""
        return np.bitwise_and(self._pairs, _LOW_HALF)


def _find(ordered: Keys, keys: Keys) -> tuple[Indices, npt.NDArray[np.bool_]]:
    if len(ordered) == 0:
        return np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=bool)
    places = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return places, ordered[places] == keys


def _directed(sources: Indices, targets: Indices) -> Indices:
    """Return links as integers: lower index, higher index, direction, so that the two ways of a pair sort together."""
    low, high = np.minimum(sources, targets), np.maximum(sources, targets)
    directed: Indices = low << 32 | high << 1 | (sources < targets)
    return directed


def _both_ways(file: IO[bytes]) -> Indices:
    """Return the pairs that are linked in both directions, as integers ``lower index << 32 | higher index``."""
    file.flush()
    found = [np.zeros(0, dtype=np.int64)]
    if file.tell():
        links = np.memmap(file, dtype=np.int64, mode="r+")
        links.sort()
        for start in range(0, len(links) - 1, _LINKS_AT_ONCE):
            block = np.array(links[start : start + _LINKS_AT_ONCE + 1])
            backward = block[:-1]
            found.append(backward[(backward & 1 == 0) & (block[1:] == backward + 1)])
    both = np.concatenate(found)
    return (both >> 32) << 32 | (both & _LOW_HALF) >> 1
