import gzip
import json
import random
from pathlib import Path

import pytest

from optical.bitext import Bitext, QueryTranslations, query_translations
from optical.errors import OpticalError

from ..distillation.toy import DICTIONARY, make_pairs

PAIRS = make_pairs(300)
SPACED = Bitext([english for english, _ in PAIRS], [foreign for _, foreign in PAIRS])
THAI = dict(
    zip("river house school market rain cow".split(), "แม่น้ำ บ้าน โรงเรียน ตลาด ฝน วัว".split(), strict=True)
)


def thai() -> Bitext:
    generator = random.Random(4)
    chosen = [generator.sample(list(THAI), 4) for _ in range(300)]
    return Bitext(
        [" ".join(each) for each in chosen], ["".join(THAI[word] for word in each) for each in chosen]
    )


def test_a_query_becomes_the_words_it_means() -> None:
    translations = QueryTranslations.estimate(SPACED)
    right = 0
    for english, foreign in DICTIONARY.items():
        [meanings] = translations.terms(foreign)
        assert sum(meanings.values()) == pytest.approx(1)
        assert len(meanings) <= 20
        right += max(meanings, key=meanings.__getitem__) == english
    assert right > 0.9 * len(DICTIONARY)
    assert translations.terms("Zuri 1990?") == [{"zuri": 1.0}, {"1990": 1.0}]
    assert translations.terms("?!") == []


@pytest.mark.parametrize("bitext", [SPACED, thai()], ids=["spaced", "unspaced"])
def test_what_is_saved_is_read_again(bitext: Bitext, tmp_path: Path) -> None:
    translations = QueryTranslations.estimate(bitext)
    translations.save(tmp_path / "one")
    loaded = QueryTranslations.load(tmp_path / "one")
    for query in [*bitext.foreign[:50], "zuri 2015", "ตลาด2015", "บ้านFordฝน"]:
        before, after = translations.terms(query), loaded.terms(query)
        assert len(before) == len(after) > 0
        for one, other in zip(before, after, strict=True):
            assert other == pytest.approx(one, rel=1e-3)
    loaded.save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_same_bitext_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        QueryTranslations.estimate(SPACED).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_damage_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "table.json.gz"
    with pytest.raises(OpticalError, match="does not exist"):
        QueryTranslations.load(path)
    QueryTranslations.estimate(SPACED).save(path)
    whole = path.read_bytes()
    stored = json.loads(gzip.decompress(whole))
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    for content in (
        b"",
        whole[:-20],
        bytes(changed),
        b"nothing of the kind",
        gzip.compress(b'{"format": 1}'),
        gzip.compress(b"[]"),
        gzip.compress(json.dumps({**stored, "pieces": "no tokenizer"}).encode()),
        gzip.compress(json.dumps({**stored, "terms": {"a": [[10**6], [1.0]]}}).encode()),
        gzip.compress(json.dumps({**stored, "terms": {"a": [[-1], [1.0]]}}).encode()),
        gzip.compress(json.dumps({**stored, "terms": {"a": [[0], [float("nan")]]}}).encode()),
        gzip.compress(json.dumps({**stored, "terms": {"a": [[0], [float("inf")]]}}).encode()),
        gzip.compress(json.dumps({**stored, "english": [5], "terms": {"a": [[0], [1.0]]}}).encode()),
    ):
        path.write_bytes(content)
        with pytest.raises(
            OpticalError, match=r"is damaged, or of another version \(.*make the encoder again"
        ):
            QueryTranslations.load(path)
    path.write_bytes(gzip.compress(json.dumps({**stored, "format": 2}).encode()))
    with pytest.raises(OpticalError, match="format 2; this version of optical reads 1"):
        QueryTranslations.load(path)


def test_a_file_that_unfolds_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.json.gz"
    QueryTranslations.estimate(Bitext(["river"], ["mto"])).save(path)
    QueryTranslations.load(path)
    monkeypatch.setattr(query_translations, "_LARGEST", 50)
    with pytest.raises(OpticalError, match=r"is damaged, or of another version \(too large\)"):
        QueryTranslations.load(path)
