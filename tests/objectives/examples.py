"""Sentence pairs as the objectives see them."""

from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from torch.nn.functional import normalize, pad

from optical.objectives import TokenPairs


def random_pairs(
    pairs: int, n: int, m: int, *, width: int = 24, noise: float = 0.3, seed: int = 0
) -> TokenPairs:
    """Teacher tokens at random; student tokens are noisy copies of them in another order. Nothing is padding."""
    generator = torch.Generator().manual_seed(seed)
    x = normalize(torch.randn(pairs, n, width, generator=generator), dim=-1)
    order = torch.rand(pairs, max(n, m), generator=generator).argsort(1)[:, :m] % n
    y = x.gather(1, order[:, :, None].expand(-1, -1, width))
    y = normalize(y + noise * torch.randn(y.shape, generator=generator) / width**0.5, dim=-1)
    return TokenPairs(
        x=x,
        y=y,
        x_mask=torch.ones(pairs, n, dtype=torch.bool),
        y_mask=torch.ones(pairs, m, dtype=torch.bool),
        x_special=torch.zeros(pairs, n, dtype=torch.bool),
        y_special=torch.zeros(pairs, m, dtype=torch.bool),
    )


def one_pair(x: list[list[float]], y: list[list[float]], x_special: str, y_special: str) -> TokenPairs:
    """A pair of sentences by hand; a letter a token: s(pecial), t(ext) or - (padding)."""

    def flags(letters: str, wanted: str) -> torch.Tensor:
        return torch.tensor([[letter in wanted for letter in letters]])

    return TokenPairs(
        x=torch.tensor([x]),
        y=torch.tensor([y]),
        x_mask=flags(x_special, "st"),
        y_mask=flags(y_special, "st"),
        x_special=flags(x_special, "s-"),
        y_special=flags(y_special, "s-"),
    )


def padded(pairs: TokenPairs, x_more: int, y_more: int) -> TokenPairs:
    """The same pairs with padding behind both sides that would be noticed if anything read it."""
    return TokenPairs(
        x=pad(pairs.x, (0, 0, 0, x_more), value=3.0),
        y=pad(pairs.y, (0, 0, 0, y_more), value=-5.0),
        x_mask=pad(pairs.x_mask, (0, x_more)),
        y_mask=pad(pairs.y_mask, (0, y_more)),
        x_special=pad(pairs.x_special, (0, x_more), value=True),
        y_special=pad(pairs.y_special, (0, y_more), value=True),
    )


def joined(*parts: TokenPairs) -> TokenPairs:
    """One batch of several of equal shape."""
    names = [name for name, value in vars(parts[0]).items() if value is not None]
    return TokenPairs(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def features(
    student: MultiVectorEncoder, foreign: list[str], english_lengths: list[int], *, longest: int = 12
) -> list[dict[str, Any]]:
    """What the trainer hands to a loss: the student's own tokens, and made-up teacher vectors."""
    tokens = student.preprocess(foreign, task="query")
    special = torch.tensor(student.tokenizer.all_special_ids)
    tokens["special_mask"] = torch.isin(tokens["input_ids"], special)
    generator = torch.Generator().manual_seed(5)
    mask = torch.arange(longest) < torch.tensor(english_lengths)[:, None]
    vectors = normalize(
        torch.randn(*mask.shape, student.get_embedding_dimension(), generator=generator), dim=-1
    )
    english = {
        "token_embeddings": vectors * mask[:, :, None],
        "attention_mask": mask,
        "special_mask": torch.zeros_like(mask),
    }
    return [tokens, english]
