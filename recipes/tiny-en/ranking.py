"""Does training for ranking make optical-tiny-en better? Measured on questions that are not used for that.

    python recipes/tiny-en/ranking.py --data DATA --texts tiny-en-data --output ranking

DATA is the folder that `prepare.py` reads, and tiny-en-data what it wrote. The encoder in the package is trained on
SQuAD's questions at two pairs of learning rates, with hard negatives that it ranks high itself. Each is compared with
it on the questions of the held-back articles, and on the English translations of AfriQA's training and development
questions, which are no test's; most of them are among the texts that the encoder learned tokens from. What is in OUTPUT
already is not made again. The result goes to `benchmarks/results/tiny-en-ranking.json`.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from optical.collections import Judgements, Passage, Run, read_judgements, read_passages, read_queries
from optical.encoders import fingerprint, load_encoder, versions
from optical.evaluation import evaluate, holm, paired_randomisation, per_query, rank
from optical.files import create_folder, replace_file
from optical.index import Index
from optical.models import TINY_EN
from optical.teaching import teach_ranking
from optical.teaching.hard_negatives import mine

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "tiny-en-ranking.json"
RATES = ((5e-4, 2e-4), (2e-5, 1e-5))
SETTINGS: dict[str, Any] = {"steps": 300, "batch_size": 32, "evaluations": 3, "depth": 30}
AFRIQA = (("ha", "dev"), ("ha", "train"), ("yo", "train"))
MEASURE = "MRR@10"


class Bed(NamedTuple):
    """Questions, the passages that they are asked of, and which of these answer them."""

    passages: list[Passage]
    queries: dict[str, str]
    judgements: Judgements

    def search(self, encoder: str | Path, index: Path) -> Run:
        """Rank the passages with the encoder at ``encoder``; its index is kept at ``index``."""
        loaded = load_encoder(encoder)
        opened = Index.open(index) if Index.exists(index) else Index.create(index, loaded, self.passages)
        with opened:
            return rank(opened, self.queries, loaded)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    texts, output = arguments.texts, arguments.output
    training = (texts / "queries.train.tsv", texts / "passages.tsv", texts / "qrels.train.tsv")
    negatives = output / "mined" / "negatives.run"
    if not negatives.exists():
        with create_folder(negatives.parent) as folder:
            mine(load_encoder(TINY_EN), *training, folder / negatives.name, SETTINGS["depth"], progress=True)
    encoders: dict[str, str | Path] = {"as it is": TINY_EN}
    for embedding_rate, rate in RATES:
        made = output / f"rates-{embedding_rate:g}-{rate:g}"
        if not made.exists():
            teach_ranking(
                TINY_EN,
                *training,
                made,
                negatives=negatives,
                progress=True,
                embedding_learning_rate=embedding_rate,
                learning_rate=rate,
                **SETTINGS,
            )
        encoders[f"learning rates {embedding_rate:g} and {rate:g}"] = made
    measured = {
        name: compared(bed, encoders, output / f"searched-{number}")
        for number, (name, bed) in enumerate(beds(arguments.data, texts).items())
    }
    adjusted = holm(
        {
            f"{bed} {name}": row["p"]
            for bed, rows in measured.items()
            for name, row in rows["encoders"].items()
            if "p" in row
        }
    )
    for bed, rows in measured.items():
        for name, row in rows["encoders"].items():
            if "p" in row:
                row["p_holm"] = round(adjusted[f"{bed} {name}"], 5)
    result = {
        "command": "python recipes/tiny-en/ranking.py --data DATA --texts tiny-en-data --output ranking",
        "encoder": fingerprint(load_encoder(TINY_EN)),
        "settings": SETTINGS,
        "beds": measured,
        "versions": versions(),
    }
    with replace_file(RESULT) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["beds"], indent=1))


def beds(data: Path, texts: Path) -> dict[str, Bed]:
    afriqa = data / "clir" / "afriqa"
    queries: dict[str, str] = {}
    judgements: dict[str, Any] = {}
    for language, split in AFRIQA:
        part = f"{language}-{split}"
        asked = read_queries(afriqa / f"queries_en.{language}.{split}.tsv.gz")
        queries |= {f"{part}-{query}": text for query, text in asked.items()}
        judged = read_judgements(afriqa / f"qrels.{language}.{split}.tsv.gz")
        judgements |= {f"{part}-{query}": levels for query, levels in judged.items()}
    return {
        "SQuAD, held-back articles": Bed(
            list(read_passages(texts / "passages.tsv")),
            read_queries(texts / "queries.held-back.tsv"),
            read_judgements(texts / "qrels.held-back.tsv"),
        ),
        "AfriQA, training and development": Bed(
            list(read_passages(afriqa / "passages.en.tsv.gz")), queries, judgements
        ),
    }


def compared(bed: Bed, encoders: Mapping[str, str | Path], indexes: Path) -> dict[str, Any]:
    """Return each encoder's figures, and how it differs from the first one."""
    rows: dict[str, dict[str, float]] = {}
    first: list[float] = []
    for number, (name, encoder) in enumerate(encoders.items()):
        run = bed.search(encoder, indexes / str(number))
        values = list(per_query(run, bed.judgements)[MEASURE].values())
        rows[name] = {measure: round(value, 4) for measure, value in evaluate(run, bed.judgements).items()}
        if first:
            rows[name]["difference"] = round((sum(values) - sum(first)) / len(values), 4)
            rows[name]["p"] = round(paired_randomisation(values, first), 5)
        first = first or values
    return {"passages": len(bed.passages), "questions": len(bed.queries), "encoders": rows}


if __name__ == "__main__":
    main()
