"""``optical demo``: the whole job on the bundled sample."""

import time
from pathlib import Path
from typing import Annotated

import typer

_LANGUAGES = {"sw": "Swahili", "am": "Amharic"}
_STEPS = 150
_EXAMPLES = (("sw", "q03"), ("sw", "q70"), ("am", "q01"))


def demo(
    output: Annotated[
        Path, typer.Option(help="Folder for the encoders, the index and the runs; must not exist.")
    ] = Path("demo"),
) -> None:
    """Distil encoders for Swahili and Amharic, search and evaluate the bundled sample, from start to end."""
    from optical.cli.terminal import quiet, say, show_table
    from optical.collections import read_judgements, read_passages, read_queries, write_run
    from optical.distillation import distill, graft
    from optical.encoders import load_encoder
    from optical.evaluation import evaluate, rank
    from optical.files import create_folder
    from optical.index import Index
    from optical.models import TINY_EN
    from optical.samples import sample

    quiet()
    started = time.monotonic()
    judgements, english = read_judgements(sample("qrels.tsv")), read_queries(sample("queries.en.tsv"))
    with create_folder(output) as folder:
        teacher = load_encoder(TINY_EN)
        say(f"Indexing English passages with the English teacher, {TINY_EN}.")
        rows, students, asked = [], {}, {}
        with Index.create(
            folder / "index", teacher, list(read_passages(sample("passages.tsv"))), progress=True
        ) as index:
            for code, language in _LANGUAGES.items():
                bitext = sample(f"bitext.en-{code}.tsv")
                say(f"Grafting words of {language} onto the teacher (no training).")
                grafted = graft(TINY_EN, bitext, folder / f"{code}-graft")
                say(f"Distilling a query encoder for {language} from the sentence pairs ({_STEPS} steps).")
                students[code] = distill(
                    TINY_EN,
                    bitext,
                    folder / f"{code}-encoder",
                    steps=_STEPS,
                    batch_size=32,
                    held_back=64,
                    evaluations=2,
                    progress=True,
                )
                asked[code] = questions = read_queries(sample(f"queries.{code}.tsv"))
                judged = {query: judgements[query] for query in questions}
                for name, encoder, queries in (
                    ("teacher as it is", teacher, questions),
                    ("graft", grafted, questions),
                    ("distilled", students[code], questions),
                    (
                        "teacher, questions in English",
                        teacher,
                        {query: english[query] for query in questions},
                    ),
                ):
                    run = rank(index, queries, encoder)
                    write_run(
                        folder / f"{code}-{name.replace(',', '').replace(' ', '-')}.run", run, "optical"
                    )
                    figures = evaluate(run, judged)
                    values = [f"{value:.3f}" for value in figures.values()]
                    rows.append([language, name, str(len(questions)), *values])
            show_table(
                f"{index.count} English passages", ["", "", "questions", *figures], rows, text_columns=2
            )
            for code, query in _EXAMPLES:
                say(f"\n{asked[code][query]}  ({english[query]})")
                for hit in index.search(asked[code][query], students[code], k=2):
                    say(f"  {hit.rank}. {hit.score:.2f}  {hit.title}: {hit.text}")
    say(
        f"\nEncoders: {', '.join(str(output / f'{code}-encoder') for code in _LANGUAGES)}   "
        f"index: {output / 'index'}   ({time.monotonic() - started:.0f} s)"
    )
    say(
        f'Go on: optical search {output / "index"} "Nani anatunza mbuzi?" --encoder {output / "sw-encoder"} -k 3'
    )
