import math

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optical.bitext import Postings, length_norm, structured_scores

WORDS = "river fish cow market rain".split()
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), min_size=2, max_size=8)
TERMS = st.lists(
    st.dictionaries(st.sampled_from([*WORDS, "snow"]), st.floats(0.01, 0.25), min_size=1, max_size=4),
    max_size=3,
)


def postings(texts: list[list[str]]) -> dict[str, Postings]:
    found = {}
    for word in {word for text in texts for word in text}:
        places = [place for place, text in enumerate(texts) if word in text]
        counts = [texts[place].count(word) for place in places]
        found[word] = Postings(np.array(places), np.array(counts), len(places))
    return found


def norms(texts: list[list[str]]) -> np.ndarray:
    lengths = np.array([len(text) for text in texts], dtype=float)
    return length_norm(lengths, lengths.mean())


def test_translations_are_added_before_they_are_saturated_and_are_as_rare_as_all_of_them() -> None:
    texts = [["river", "stream", "fish"], ["river", "cow", "cow"], ["cow", "rain", "rain"]]
    # Frequencies 1 and 0.75; the first stands in 2 passages, the second in 1; all are of mean length.
    expected = [rarity(1.75) * tf / (tf + 1.2) for tf in (1.0, 0.75, 0.0)]
    found = structured_scores([{"river": 0.75, "stream": 0.25}], postings(texts), norms(texts), 3)
    assert found == pytest.approx(expected)
    assert length_norm(30.0, 10.0) == pytest.approx(1.2 * 2.5)


def rarity(documents: float) -> float:
    return math.log(1 + (3 - documents + 0.5) / (documents + 0.5))


@settings(deadline=None)
@given(TEXTS, st.lists(st.sampled_from(WORDS), max_size=3))
def test_of_terms_with_one_meaning_it_is_bm25(texts: list[list[str]], query: list[str]) -> None:
    rival = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    rival.index(texts, show_progress=False)
    known = [word for word in query if word in rival.vocab_dict]
    expected = rival.get_scores(known) if known else np.zeros(len(texts))
    found = structured_scores([{word: 1.0} for word in query], postings(texts), norms(texts), len(texts))
    assert found == pytest.approx(expected, rel=1e-4)


@settings(deadline=None)
@given(TEXTS, TERMS)
def test_some_passages_score_as_among_all_and_frequencies_may_be_relative(
    texts: list[list[str]], terms: list[dict[str, float]]
) -> None:
    whole = postings(texts)
    scores = structured_scores(terms, whole, norms(texts), len(texts))
    for place, norm in enumerate(norms(texts)):
        alone = {
            word: Postings(np.array([0]), np.array([texts[place].count(word) / norm]), each.documents)
            for word, each in whole.items()
        }
        assert structured_scores(terms, alone, np.ones(1), len(texts)) == pytest.approx([scores[place]])
