"""The word alignment that a translator is given."""

import math

import pytest
import torch

from optical.rivals.guided_alignment import SubwordTranslations

# 0 means 4, 1 means 5, 2 means 6; 3 and 7 occur nowhere.
FOREIGN = [[0, 1], [1, 2], [0, 2], [0], [1], [2]]
ENGLISH = [[5, 4], [5, 6], [6, 4], [4], [5], [6]]


@pytest.fixture
def translations() -> SubwordTranslations:
    return SubwordTranslations(FOREIGN * 5, ENGLISH * 5, 8)


def test_loss_is_least_where_attention_follows_the_alignment(translations: SubwordTranslations) -> None:
    foreign, english = torch.tensor([[0, 1], [2, 3]]), torch.tensor([[5, 4], [6, -100]])
    right = torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.5, 0.5]]])
    assert translations.loss(foreign, english, right).item() < 0.1
    even = torch.full((2, 2, 2), 0.5)
    assert translations.loss(foreign, english, even).item() == pytest.approx(math.log(2), abs=1e-5)
    wrong = torch.tensor([[[0.9, 0.1], [0.1, 0.9]], [[0.1, 0.9], [0.5, 0.5]]])
    assert translations.loss(foreign, english, wrong).item() == pytest.approx(-math.log(0.1), abs=0.1)
    # What is not there, or translates nothing, counts for nothing.
    other = right.clone()
    other[1, 1] = torch.tensor([0.0, 1.0])
    assert translations.loss(foreign, english, other) == translations.loss(foreign, english, right)
    assert translations.loss(foreign, torch.full((2, 2), -100), even).item() == 0


def test_loss_teaches_attention(translations: SubwordTranslations) -> None:
    foreign, english = torch.tensor([[0, 1, 2]]), torch.tensor([[6, 4, 5]])
    scores = torch.zeros(1, 3, 3, requires_grad=True)
    optimiser = torch.optim.Adam([scores], lr=0.1)
    for _ in range(100):
        optimiser.zero_grad()
        translations.loss(foreign, english, scores.softmax(2)).backward()
        optimiser.step()
    assert scores.argmax(2).tolist() == [[2, 0, 1]]


def test_foreign_subwords_begin_at_their_translations(translations: SubwordTranslations) -> None:
    before = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    after = before.clone()
    translations.initialise(after)
    for foreign, english in ((0, 4), (1, 5), (2, 6)):
        assert torch.cosine_similarity(after[foreign], before[english], dim=0) > 0.95
    assert torch.allclose(after[3:], before[3:], atol=1e-6)
    assert torch.allclose(after.norm(dim=1), before.norm(dim=1), atol=1e-5)


def test_what_both_languages_share_goes_half_way() -> None:
    shared = SubwordTranslations([[0], [1]] * 5, [[1], [0]] * 5, 2)
    before = torch.eye(2)
    after = before.clone()
    shared.initialise(after)
    assert torch.allclose(after, torch.full((2, 2), math.sqrt(0.5)), atol=0.05)
