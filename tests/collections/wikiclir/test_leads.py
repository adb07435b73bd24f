import pytest

from optical.collections.wikiclir.dumps import Site
from optical.collections.wikiclir.leads import is_disambiguation, lead_paragraphs, tidy

SITE = Site("swwiki", frozenset({"picha", "jamii", "kigezo", "mtumiaji"}))


@pytest.mark.parametrize(
    ("wikitext", "paragraphs"),
    [
        ("'''Mwanza''' ni ''mji''.", ["Mwanza ni mji."]),
        ("Ni [[Mji|jiji kubwa]] la [[Tanzania]] [[#Historia|hapo]].", ["Ni jiji kubwa la Tanzania hapo."]),
        ("Moja.\n\nMbili.\n== Historia ==\nTatu.", ["Moja.", "Mbili."]),
        ("Moja.<!-- == Si kichwa ==\n-->\nMbili.", ["Moja.", "Mbili."]),
        ("{{Sanduku\n| a = {{convert|3|km}}\n| b = {{{!}}\n| c = }}\nNi mji.", ["Ni mji."]),
        ("{| class=x\n|-\n| a || {{b|c}}\n{|\n|d\n|}\n|}\nNi mji.", ["Ni mji."]),
        ("Ni mji{{cn}} wa pwani.<ref name=a>Kitabu [[x]]</ref><ref name=b />", ["Ni mji wa pwani."]),
        (
            "[[Picha:Ramani.png|thumb|Ramani ya [[Mwanza]]]]Ni mji.\n[[Jamii:Miji]]\n[[en:Mwanza]]",
            ["Ni mji."],
        ),
        ("[[Fichier:Carte.svg|thumb|x]][[File:A|b]]Ni mji wa [[:Jamii:Miji]].", ["Ni mji wa Jamii:Miji."]),
        ("__NOTOC__:''Kwa maana nyingine'' tazama\nNi mji.", ["Kwa maana nyingine tazama", "Ni mji."]),
        (":''Kwa maana nyingine'' tazama\nNi mji.", ["Ni mji."]),
        ("Mwanza ({{lang|en|x}}; {{IPA|y}}) ni mji ( , zamani Z) .", ["Mwanza ni mji (zamani Z)."]),
        ("A &amp; B&nbsp;C &#x41;<br/>D", ["A & B C A D"]),
        ("Tovuti [https://x.org rasmi] na https://y.org [https://z.org].", ["Tovuti rasmi na."]),
        ("* moja\n* mbili", ["moja", "mbili"]),
        ("{{tupu}}\n[[Jamii:Miji]]\n----\n", []),
        ("Ni mji. {{haijafungwa\n|Zaidi.", ["Ni mji."]),
        ("Ni mji }} wa |} pwani.", ["Ni mji }} wa |} pwani."]),
        ("", []),
    ],
)
def test_plain_text(wikitext: str, paragraphs: list[str]) -> None:
    assert lead_paragraphs(wikitext, SITE) == paragraphs


@pytest.mark.parametrize("hostile", ["{{", "{{a}}", "[[", "'''''", "(", "&", "=\n", "[http://x "])
def test_hostile_wikitext_is_cut(hostile: str) -> None:
    # A page has at most 2 MB.
    assert sum(map(len, lead_paragraphs(hostile * (2_000_000 // len(hostile)), SITE))) <= 20_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a ( ) b", "a b"), ("a (; , ) , b .", "a, b."), ("a (, b)", "a (b)"), ("ሀ ( ፣ ለ ) ።", "ሀ (ለ)።")],
)
def test_tidy(text: str, expected: str) -> None:
    assert tidy(text) == expected


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("'''Mercury''' may be:\n{{disambiguation}}", True),
        ("{{Disambiguation page}}", True),
        ("{{disambig|geo}}", True),
        ("{{human name disambiguation\n|x}}", True),
        ("{{ Hndis |Smith, John}}", True),
        ("__DISAMBIG__", True),
        ("He was born in [[Springfield]]{{disambiguation needed|date=May 2024}}.", False),
        ("{{other uses|Mercury (disambiguation)}} A planet.", False),
        ("{{about|the planet|others|Mercury (disambiguation)}}", False),
        ("{{dabs}}", False),
    ],
)
def test_disambiguation(wikitext: str, expected: bool) -> None:
    assert is_disambiguation(wikitext) is expected
