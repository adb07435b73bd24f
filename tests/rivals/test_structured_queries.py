import math
import random
from collections import Counter

import pytest

from optical.bitext import Bitext, estimate_translation_table, words
from optical.collections import Passage
from optical.rivals import ProbabilisticStructuredQueries

from ..distillation.toy import DICTIONARY, make_pairs

PAIRS = make_pairs(200)
BITEXT = Bitext([english for english, _ in PAIRS], [foreign for _, foreign in PAIRS])
PASSAGES = [Passage(f"p{place}", english) for place, (english, _) in enumerate(make_pairs(40, seed=5))]


def translations(bitext: Bitext) -> dict[str, dict[str, float]]:
    """Take what reaches 0.97 of the probability, 20 words at the most, from the table."""
    foreign = sorted({term for sentence in bitext.foreign for term in words(sentence)})
    english = sorted({word for sentence in bitext.english for word in words(sentence)})
    table = estimate_translation_table(
        [[foreign.index(term) for term in words(sentence)] for sentence in bitext.foreign],
        [[english.index(word) for word in words(sentence)] for sentence in bitext.english],
    )
    found: dict[str, dict[str, float]] = {}
    for f, e, probability in zip(table.foreign, table.english, table.probability, strict=True):
        kept = found.setdefault(foreign[f], {})
        if sum(kept.values()) < 0.97 and len(kept) < 20:
            kept[english[e]] = probability
    return {f: {e: p / sum(kept.values()) for e, p in kept.items()} for f, kept in found.items()}


def scores(query: str, table: dict[str, dict[str, float]], passages: list[Passage]) -> dict[str, float]:
    """Apply the formula, passage by passage."""
    texts = [Counter(words(f"{passage.title} {passage.text}")) for passage in passages]
    mean = sum(text.total() for text in texts) / len(texts)
    result = {}
    for passage, text in zip(passages, texts, strict=True):
        score = 0.0
        for term in words(query):
            weights = table.get(term, {term: 1.0})
            frequency = sum(p * text[word] for word, p in weights.items())
            documents = sum(p * sum(word in other for other in texts) for word, p in weights.items())
            rarity = math.log(1 + (len(texts) - documents + 0.5) / (documents + 0.5))
            score += rarity * frequency / (frequency + 1.2 * (0.25 + 0.75 * text.total() / mean))
        if score > 0:
            result[passage.id] = score
    return result


def test_scores_are_those_of_the_formula() -> None:
    table, system = translations(BITEXT), ProbabilisticStructuredQueries(BITEXT, PASSAGES)
    for _, query in make_pairs(10, seed=6):
        assert system.rank({"q": query})["q"] == pytest.approx(scores(query, table, PASSAGES))


def test_it_finds_what_the_words_mean() -> None:
    system = ProbabilisticStructuredQueries(BITEXT, PASSAGES)
    queries = {
        passage.id: " ".join(DICTIONARY[word] for word in passage.text.split()) for passage in PASSAGES
    }
    run = system.rank(queries, 1)
    assert sum(list(run[query]) == [query] for query in queries) >= 36


def test_a_term_that_the_bitext_lacks_translates_itself() -> None:
    system = ProbabilisticStructuredQueries(BITEXT, [*PASSAGES, Passage("x", "1990", "FORD-Kenya")])
    assert list(system.rank({"q": "ford"})["q"]) == ["x"]
    assert list(system.rank({"q": "1990?"})["q"]) == ["x"]
    assert system.rank({"q": "zzz", "r": ""}) == {"q": {}, "r": {}}


def test_depth_keeps_the_best() -> None:
    system = ProbabilisticStructuredQueries(BITEXT, PASSAGES)
    query = PAIRS[3][1]
    whole = system.rank({"q": query})["q"]
    assert list(system.rank({"q": query}, 3)["q"].items()) == list(whole.items())[:3]


def thai(seed: int) -> tuple[str, str]:
    """Return English words and made-up Thai ones for them, written without spaces."""
    generator = random.Random(seed)
    chosen = generator.sample(list(THAI), 4)
    return " ".join(chosen), "".join(THAI[word] for word in chosen)


THAI = dict(
    zip("river house school market rain cow".split(), "แม่น้ำ บ้าน โรงเรียน ตลาด ฝน วัว".split(), strict=True)
)


def test_text_without_spaces_is_taken_apart() -> None:
    english, foreign = zip(*(thai(seed) for seed in range(300)), strict=True)
    passages = [Passage(word, word) for word in THAI]
    systems = [
        ProbabilisticStructuredQueries(Bitext(list(english), list(foreign)), passages) for _ in range(2)
    ]
    runs = [system.rank(THAI, 1) for system in systems]
    assert sum(list(runs[0][word]) == [word] for word in THAI) >= 5
    assert runs[0] == runs[1]


def test_numbers_and_names_in_text_without_spaces_stay_whole() -> None:
    english, foreign = zip(*(thai(seed) for seed in range(300)), strict=True)
    # Digits and letters that the bitext has in other combinations, from which pieces could be learned.
    english = (*english, *["in 2011 at noon", "in 1955 fox dog"] * 30)
    foreign = (*foreign, *["ฝน2011noon", "วัว1955fox dog"] * 30)
    passages = [Passage("number", "2015"), Passage("name", "Ford"), Passage("other", "2011 20 15 1955 fox")]
    system = ProbabilisticStructuredQueries(Bitext(list(english), list(foreign)), passages)
    run = system.rank({"number": "ตลาด2015", "name": "บ้านFordฝน"}, 1)
    assert {query: list(found) for query, found in run.items()} == {"number": ["number"], "name": ["name"]}


@pytest.mark.parametrize("query", ["river market", "cow cow house", "rain unseen"])
def test_with_words_that_translate_themselves_it_is_bm25(query: str) -> None:
    vocabulary = "river house school market rain cow".split()
    system = ProbabilisticStructuredQueries(Bitext(vocabulary, vocabulary), PASSAGES)
    assert system.rank({"q": query})["q"] == pytest.approx(scores(query, {}, PASSAGES))


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
def test_ties_at_the_depth_go_by_passage(order: str) -> None:
    system = ProbabilisticStructuredQueries(BITEXT, [Passage(name, "1990 ford") for name in order])
    assert list(system.rank({"q": "1990"}, 2)["q"]) == ["a", "b"]
