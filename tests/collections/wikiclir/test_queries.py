import pytest
from hypothesis import given
from hypothesis import strategies as st

from optical.bitext import words
from optical.collections.wikiclir.queries import LONGEST_SENTENCE, first_sentences, make_query


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Mwanza ni mji. Uko Tanzania.", "Mwanza ni mji."),
        ("Nini? Hakuna!", "Nini?"),
        ("Alisema \"Ndiyo.\" Kisha akaenda.", 'Alisema "Ndiyo."'),
        ("J. K. Nyerere (b. 13 Apr. Butiama.) ni rais. Sana.", "J. K. Nyerere (b. 13 Apr. Butiama.) ni rais."),
        ("Dr. Salim na St. Paul ni watu. Wawili.", "Dr. Salim na St. Paul ni watu."),
        ("Mwaka 1990 k.m. ulikuwa mzuri. Sana.", "Mwaka 1990 k.m. ulikuwa mzuri."),
        ("Ina 3.5 km. Ni fupi.", "Ina 3.5 km."),
        ("አዲስ አበባ ከተማ ነው። ትልቅ ናት።", "አዲስ አበባ ከተማ ነው።"),
        ("አዲስ አበባ ከተማ ነው፡፡ ትልቅ ናት፡፡", "አዲስ አበባ ከተማ ነው፡፡"),
        ("दिल्ली भारत की राजधानी है। बड़ा शहर।", "दिल्ली भारत की राजधानी है।"),
        ("东京是首都。人口很多。", "东京是首都。"),
        ("لاہور ایک شہر ہے۔ بڑا ہے۔", "لاہور ایک شہر ہے۔"),
        ("Ni mji (mkubwa. Haujafungwa", "Ni mji (mkubwa."),
        ("Bila nukta", "Bila nukta"),
    ],
)  # fmt: skip
def test_first_sentence(text: str, first: str) -> None:
    assert first_sentences([text], 1) == first


def test_several_sentences_run_over_paragraphs() -> None:
    paragraphs = ["Moja. Mbili.", "Tatu", "Nne. Tano."]
    assert [first_sentences(paragraphs, count) for count in (1, 2, 3, 4, 9)] == [
        "Moja.",
        "Moja. Mbili.",
        "Moja. Mbili. Tatu",
        "Moja. Mbili. Tatu Nne.",
        "Moja. Mbili. Tatu Nne. Tano.",
    ]


def test_a_sentence_without_end_is_cut_between_words() -> None:
    sentence = first_sentences(["neno " * 500], 1)
    assert LONGEST_SENTENCE - 5 <= len(sentence) <= LONGEST_SENTENCE
    assert set(sentence.split()) == {"neno"}
    assert first_sentences(["ก" * 1000], 1) == "ก" * LONGEST_SENTENCE


@pytest.mark.parametrize(
    ("text", "title", "query"),
    [
        ("Mwanza ni jiji la Tanzania.", "Mwanza", "ni jiji la Tanzania."),
        ("MWANZA, jiji la mwanza, ni kubwa.", "Mwanza (mji)", "jiji la, ni kubwa."),
        (
            "Dar es Salaam (kwa Kiingereza: Dar es Salaam) ni jiji.",
            "Dar es Salaam",
            "(kwa Kiingereza:) ni jiji.",
        ),
        ("Mwanzaa si Mwanza wala Mwan.", "Mwanza", "Mwanzaa si wala Mwan."),
        ("Ng'ombe – mnyama wa kufugwa sana.", "Ng'ombe", "mnyama wa kufugwa sana."),
        ("አዲስ አበባ የኢትዮጵያ ዋና ከተማ ነው።", "አዲስ አበባ", "የኢትዮጵያ ዋና ከተማ ነው።"),
        ("दिल्ली भारत की राजधानी है।", "दिल्ली", "भारत की राजधानी है।"),
        ("İstanbul Türkiye'nin en büyük şehridir.", "istanbul", "Türkiye'nin en büyük şehridir."),
        ("Cafe\u0301 ni nyumba ya kahawa.", "Café", "ni nyumba ya kahawa."),
        ("กรุงเทพเป็นเมืองหลวงของประเทศไทย", "กรุงเทพ", "เป็นเมืองหลวงของประเทศไทย"),
        ("Mwanza ni mji.", "Mwanza", ""),
        ("Mwanza", "Mwanza", ""),
        ("กรุงเทพคือเมือง", "กรุงเทพ", ""),
    ],
)
def test_query_lacks_the_title(text: str, title: str, query: str) -> None:
    assert make_query([text], title, sentences=1) == query


_TEXTS = st.text("abcéÉ'().,;- ሀለ።ि", max_size=60)


@given(_TEXTS, _TEXTS)
def test_a_query_has_the_words_of_the_text_but_those_of_the_title(text: str, title: str) -> None:
    kept = [word for word in words(first_sentences([text], 3)) if word not in words(title)]
    query = make_query([text], title, sentences=3)
    assert words(query) == (kept if len(kept) >= 3 else [])
