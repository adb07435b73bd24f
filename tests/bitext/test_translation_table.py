"""The table against a dictionary-based Model 1 written from the textbook, and on bitext made from a known lexicon."""

import math
import random
from collections import Counter, defaultdict

import numpy as np
import pytest

from optical.bitext import TranslationTable, estimate_translation_table

Sentences = list[list[int]]


def random_bitext(
    pairs: int, *, words: int = 25, longest: int = 9, seed: int = 0
) -> tuple[Sentences, Sentences]:
    """Token ids without any structure, repetitions and empty sentences included."""
    generator = random.Random(seed)
    return tuple(
        [[generator.randrange(words) for _ in range(generator.randint(0, longest))] for _ in range(pairs)]
        for _ in range(2)
    )  # type: ignore[return-value]


def model_1(given: Sentences, generated: Sentences, iterations: int) -> dict[tuple[int, int], float]:
    """t(generated | given) after Brown et al. 1993, one token pair at a time; -1 is the empty word."""
    t: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    for _ in range(iterations):
        count: Counter[tuple[int, int]] = Counter()
        total: Counter[int] = Counter()
        for g, h in zip(given, generated, strict=True):
            for target in h:
                evidence = math.fsum(t[source, target] for source in [-1, *g])
                for source in [-1, *g]:
                    share = t[source, target] / evidence
                    count[source, target] += share  # type: ignore[assignment]
                    total[source] += share  # type: ignore[assignment]
        t = defaultdict(float, {pair: count[pair] / total[pair[0]] for pair in count})
    return t


def both_directions(foreign: Sentences, english: Sentences, iterations: int) -> dict[tuple[int, int], float]:
    """p(english | foreign), the geometric mean of the two directions scaled to sum to 1, unlikely ones left out."""
    there = model_1(foreign, english, iterations)
    back = model_1(english, foreign, iterations)
    believed = {(f, e): math.sqrt(t * back[e, f]) for (f, e), t in there.items() if f >= 0}
    mass: dict[int, float] = defaultdict(float)
    for (f, _), value in believed.items():
        mass[f] += value
    scaled = {(f, e): value / mass[f] for (f, e), value in believed.items()}
    return {pair: p for pair, p in scaled.items() if p > 1e-3}


def entries(table: TranslationTable) -> dict[tuple[int, int], float]:
    triples = zip(table.foreign.tolist(), table.english.tolist(), table.probability.tolist(), strict=True)
    return {(f, e): p for f, e, p in triples}


@pytest.mark.parametrize("iterations", [1, 2, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_numbers_are_those_of_the_textbook_algorithm(iterations: int, seed: int) -> None:
    foreign, english = random_bitext(60, seed=seed)
    found = entries(estimate_translation_table(foreign, english, iterations=iterations))
    expected = both_directions(foreign, english, iterations)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_known_lexicon_is_recovered_from_sentences_in_free_word_order() -> None:
    generator = random.Random(4)
    translation = list(range(100))
    generator.shuffle(translation)
    # Zipf's law: the word of rank r turns up 1 / r as often as the first, and so pairs up with everything.
    frequency = [1 / rank for rank in range(1, 101)]
    foreign = [generator.choices(range(100), frequency, k=generator.randint(3, 12)) for _ in range(2000)]
    english = []
    for sentence in foreign:
        words = [translation[word] for word in sentence] + ([200] if generator.random() < 0.7 else [])
        english.append(generator.sample(words, len(words)))
    table = estimate_translation_table(foreign, english)
    assert [table.translations(word, 1)[0].tolist() for word in range(100)] == [
        [word] for word in translation
    ]
    # 200 is an article: it stands in most sentences and translates nothing.
    assert 200 not in {int(table.translations(word, 1)[0][0]) for word in range(100)}


def test_repeated_iterations_make_the_right_translation_surer() -> None:
    foreign, english = [[0, 1], [0, 2], [1, 2]] * 5, [[10, 11], [12, 10], [12, 11]] * 5
    sure = [
        estimate_translation_table(foreign, english, iterations=rounds).translations(0, 1)[1][0]
        for rounds in (1, 3, 10)
    ]
    assert sure == sorted(sure)
    assert sure[0] < 0.7 < 0.95 < sure[-1]


def test_entries_are_sorted_and_sum_to_one_less_what_was_pruned() -> None:
    foreign, english = random_bitext(150, words=40)
    table = estimate_translation_table(foreign, english)
    assert (table.foreign.dtype, table.english.dtype, table.probability.dtype) == (
        np.int64,
        np.int64,
        np.float64,
    )
    keys = list(zip(table.foreign, -table.probability, table.english, strict=True))
    assert keys == sorted(keys)
    assert table.probability.min() > 1e-3
    assert table.probability.max() <= 1
    for word in range(40):
        kept = table.probability[table.foreign == word]
        possible = {e for f, e in zip(foreign, english, strict=True) if word in f for e in e}
        pruned = len(possible) - len(kept)
        assert 1 - 1e-3 * pruned - 1e-9 <= kept.sum() <= 1 + 1e-9


def test_translations_are_the_first_entries_of_their_token() -> None:
    table = TranslationTable(np.array([2, 2, 2, 5]), np.array([7, 3, 9, 1]), np.array([0.6, 0.3, 0.1, 1.0]))
    english, probability = table.translations(2, 2)
    assert (english.tolist(), probability.tolist()) == ([7, 3], [0.6, 0.3])
    assert table.translations(2, 10)[0].tolist() == [7, 3, 9]
    assert [len(table.translations(missing, 4)[0]) for missing in (0, 3, 6)] == [0, 0, 0]


def test_token_zero_is_a_token_like_all_others() -> None:
    table = estimate_translation_table([[0], [0, 1], [1]], [[0], [0, 3], [3]])
    assert table.translations(0, 1)[0].tolist() == [0]
    assert table.translations(1, 1)[0].tolist() == [3]


def test_a_single_pair_is_certain() -> None:
    assert entries(estimate_translation_table([[6]], [[8]])) == {(6, 8): pytest.approx(1)}


@pytest.mark.parametrize(
    ("foreign", "english"),
    [([], []), ([[]], [[]]), ([[], [1, 2]], [[3], []]), ([[1]], [[]]), ([[]], [[1]])],
)
def test_without_a_token_pair_the_table_is_empty(foreign: Sentences, english: Sentences) -> None:
    table = estimate_translation_table(foreign, english)
    assert len(table.foreign) == len(table.english) == len(table.probability) == 0
    assert len(table.translations(0, 4)[0]) == 0


def test_empty_sentences_change_nothing() -> None:
    foreign, english = random_bitext(40, seed=3)
    longer = estimate_translation_table([[], *foreign, []], [[], *english, []])
    assert entries(longer) == pytest.approx(entries(estimate_translation_table(foreign, english)), abs=1e-12)


def test_a_bound_on_token_pairs_leaves_out_sentences_from_anywhere() -> None:
    # Every sentence pair has words of its own and, with the empty word on either side, 2 * 2 token pairs.
    foreign, english = [[word] for word in range(100)], [[word + 500] for word in range(100)]
    everything = estimate_translation_table(foreign, english, most_token_pairs=400)
    assert everything.foreign.tolist() == list(range(100))
    half = estimate_translation_table(foreign, english, most_token_pairs=200)
    assert len(half.foreign) == 50
    assert half.foreign.min() < 25
    assert half.foreign.max() >= 75
    assert len(estimate_translation_table(foreign, english, most_token_pairs=3).foreign) == 0


def test_order_of_sentences_and_of_words_does_not_matter() -> None:
    foreign, english = random_bitext(40, seed=5)
    shuffled = random.Random(0).sample(list(zip(foreign, english, strict=True)), 40)
    table = estimate_translation_table([f[::-1] for f, _ in shuffled], [sorted(e) for _, e in shuffled])
    assert entries(table) == pytest.approx(entries(estimate_translation_table(foreign, english)), abs=1e-12)


def test_sides_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 foreign sentences, but 1 English ones"):
        estimate_translation_table([[1], [2]], [[1]])
