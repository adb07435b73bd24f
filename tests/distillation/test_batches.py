"""Which pairs stand together in a batch, and what a batch holds."""

import random
from itertools import islice
from pathlib import Path
from statistics import fmean

import pytest
import torch
from accelerate.data_loader import prepare_data_loader, skip_first_batches
from datasets import Dataset
from sentence_transformers import MultiVectorEncoder
from torch.utils.data import DataLoader

from optical.bitext import Bitext
from optical.distillation import BitextCollator
from optical.distillation.batches import LengthBatchSampler
from optical.distillation.teacher_vectors import TeacherVectors
from optical.encoders import Student, make_student

from .toy import make_pairs

ROWS = 1000


def sampler(seed: int = 3, *, drop_last: bool = False, rows: int = ROWS) -> LengthBatchSampler:
    generator = random.Random(5)
    dataset = Dataset.from_dict({"length": [generator.randint(3, 40) for _ in range(rows)]})
    return LengthBatchSampler(dataset, batch_size=16, drop_last=drop_last, seed=seed)


def epochs(made: LengthBatchSampler, batches: int, count: int = 1) -> list[list[list[int]]]:
    """Return the first epochs, of so many batches each."""
    order = iter(made)
    return [list(islice(order, batches)) for _ in range(count)]


def test_every_row_once_an_epoch() -> None:
    made = sampler()
    first, second = epochs(made, 63, 2)
    for batches in (first, second):
        assert sorted(row for batch in batches for row in batch) == list(range(ROWS))
        assert sorted(map(len, batches)) == [8] + [16] * 62
    assert first != second
    assert len(made) % 63 == 0


def test_dropping_the_last_leaves_full_batches_of_different_rows() -> None:
    made = sampler(drop_last=True)
    (batches,) = epochs(made, 62)
    assert {len(batch) for batch in batches} == {16}
    assert len(made) % 62 == 0
    assert len({row for batch in batches for row in batch}) == 62 * 16


def test_an_exact_number_of_batches_loses_nothing() -> None:
    for drop_last in (False, True):
        made = sampler(drop_last=drop_last, rows=160)
        (batches,) = epochs(made, 10)
        assert sorted(row for batch in batches for row in batch) == list(range(160))
        assert len(made) % 10 == 0


def test_similar_lengths_stand_together_but_long_and_short_batches_alternate() -> None:
    made = sampler(rows=16 * 50)
    lengths = made._lengths
    (batches,) = epochs(made, 50)
    spread = fmean(max(lengths[row] for row in b) - min(lengths[row] for row in b) for b in batches)
    # 38 lengths over 50 batches: sorted, a batch spans about one of them; unsorted, nearly all.
    assert spread < 2
    means = [fmean(lengths[row] for row in batch) for batch in batches]
    assert means not in (sorted(means), sorted(means, reverse=True))


def test_order_depends_on_the_seed_only() -> None:
    torch.manual_seed(1)
    first = epochs(sampler(), 63, 3)
    torch.manual_seed(2)
    assert epochs(sampler(), 63, 3) == first
    assert epochs(sampler(seed=4), 63, 3) != first


def test_a_resumed_share_of_a_distributed_run_goes_on_with_the_same_batches() -> None:
    # Two processes, stopped in the second epoch: what accelerate builds to skip what was done.
    def share(process: int) -> DataLoader:
        rows = Dataset.from_dict({"row": list(range(ROWS))})
        loader = DataLoader(rows, batch_sampler=sampler(drop_last=True), collate_fn=lambda items: items)
        return prepare_data_loader(loader, num_processes=2, process_index=process, put_on_device=False)

    for process in (0, 1):
        uninterrupted = list(islice(share(process), 60))
        assert list(islice(skip_first_batches(share(process), 40), 20)) == uninterrupted[40:]


@pytest.fixture
def pairs() -> list[tuple[str, str]]:
    return make_pairs(40)


@pytest.fixture
def student(tiny_teacher: MultiVectorEncoder, pairs: list[tuple[str, str]]) -> Student:
    english, foreign = map(list, zip(*pairs, strict=True))
    return make_student("graft", tiny_teacher, Bitext(english, foreign))


def test_collated_batch(
    tiny_teacher: MultiVectorEncoder, student: Student, pairs: list[tuple[str, str]], tmp_path: Path
) -> None:
    encoder = student.encoder
    vectors = TeacherVectors.cached(tiny_teacher, [english for english, _ in pairs], tmp_path)
    rows = [{"english": english, "foreign": foreign} for english, foreign in pairs[:5]]
    batch = BitextCollator(encoder, vectors)(rows)

    english_lengths = [2 + len(row["english"].split()) for row in rows]
    assert batch["english_token_embeddings"].shape == (5, max(english_lengths), 16)
    for place, row in enumerate(rows):
        n = english_lengths[place]
        expected = tiny_teacher.encode_query(row["english"])
        found = batch["english_token_embeddings"][place]
        assert torch.allclose(found[:n], expected, rtol=0, atol=2**-11)
        assert torch.all(found[n:] == 0)
        real, special = batch["english_attention_mask"][place], batch["english_special_mask"][place]
        assert real.tolist() == [True] * n + [False] * (len(real) - n)
        assert special[:n].tolist() == [True] + [False] * (n - 2) + [True]

        ids = encoder.tokenizer(row["foreign"])["input_ids"]
        m = len(ids)
        assert batch["foreign_input_ids"][place][:m].tolist() == ids
        assert batch["foreign_attention_mask"][place].sum() == m
        special = batch["foreign_special_mask"][place]
        assert special[:m].tolist() == [True] + [False] * (m - 2) + [True]
    # The student's own words, which the teacher's tokenizer would spell in letters.
    longest = max(len(tiny_teacher.tokenizer(row["foreign"])["input_ids"]) for row in rows)
    assert batch["foreign_input_ids"].shape[1] < longest
