"""Tables of what students and teachers find."""

import json
from pathlib import Path
from typing import Any

from table_cells import joined

_HELD_BACK_QUERIES = (
    "Languages: parts of held-back sentences find the whole among 3,000. Questions: AfriQA's train and dev splits, "
    "5,362 passages."
)


def graft_constants(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    lines = [
        f"**Constants of the untrained graft**, one changed at a time, on {result['questions']} held-back training "
        "questions; right is what the teacher ranks first for the English question.",
        "",
        "| | MRR@10 | R@10 | R@100 |",
        "|---|---|---|---|",
    ]
    for name, figures in result["figures"].items():
        lines.append(
            f"| {name} | " + " | ".join(f"{figures[m]:.3f}" for m in ("MRR@10", "R@10", "R@100")) + " |"
        )
    return "\n".join(lines) + "\n"


def english_teachers(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    lines = [
        "**English teachers**, MRR@10 (in brackets: share of all-MiniLM-L6-v2's; p of the difference to "
        "optical-tiny-en, paired randomisation with Holm's correction); all-MiniLM-L6-v2 with all its 384 dimensions.",
        "",
        "| | questions | passages | optical-tiny-en | all-MiniLM-L6-v2 | BM25 |",
        "|---|---|---|---|---|---|",
    ]
    for name, bed in result["beds"].items():
        (_, tiny), *others = ((each, figures["MRR@10"]) for each, figures in bed["figures"].items())
        cells = [f"{tiny:.3f} ({bed['share_of_larger']:.1%})"]
        cells += [f"{value:.3f} (p {bed['tests'][each]['p_holm']:.2g})" for each, value in others]
        lines.append(f"| {name} | {bed['questions']:,} | {bed['passages']:,} | {' | '.join(cells)} |")
    lines += ["", f"Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"


def ranking(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    beds = result["beds"]
    compared = sum("p_holm" in row for bed in beds.values() for row in bed["encoders"].values())
    lines = [
        f"**optical-tiny-en after training for ranking**, {result['settings']['steps']} steps on SQuAD's questions "
        "with mined hard negatives; MRR@10 on questions that are not used for that (in brackets: p of the difference "
        f"to the encoder as it is, paired randomisation with Holm's correction for all {compared}).",
        "",
        "| | " + " | ".join(f"{bed}, {rows['questions']} questions" for bed, rows in beds.items()) + " |",
        "|---|" + "---|" * len(beds),
    ]
    for name in next(iter(beds.values()))["encoders"]:
        rows = [bed["encoders"][name] for bed in beds.values()]
        cells = [
            f"{row['MRR@10']:.3f}" + (f" (p {row['p_holm']:.2g})" if "p_holm" in row else "") for row in rows
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"


def tiny_students(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    lines = [
        f"**Students of optical-tiny-en**, `{result['objective']}`, {result['steps']} steps, `--unweighted`, one seed, "
        "bitext whose licence lets weights be passed on, near copies of test questions removed. Translation MRR: rank "
        "of the English side of held-back pairs, before and after training. Test, MRR@10: AfriQA (5,362 passages) or "
        "XQuAD (240).",
        "",
        "| | pairs | translation MRR | test | teacher as it is | graft | distilled | ceiling | MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for language, row in result["languages"].items():
        test = row.get("test")
        cells = ["-"] * 5
        if test is not None:
            cells = [test["collection"], *(f"{each['MRR@10']:.3f}" for each in test["figures"].values())]
        mrr = row["translation_mrr"]
        lines.append(
            f"| {language} | {row['pairs']:,} | {mrr['graft']:.3f} / {mrr['distilled']:.3f} | {' | '.join(cells)} "
            f"| {row['megabytes_in_half_precision']:.1f} |"
        )
    made_by = f"Made by `{result['command']}`"
    present = json.loads(file.with_name("english-teachers.json").read_text(encoding="utf-8"))["tiny"]
    if result["teacher"] != present:
        made_by += ", with earlier weights of the teacher than those measured above"
    lines += ["", f"{made_by}."]
    return "\n".join(lines) + "\n"


def grafting(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    pools = {row["language"]: row["pool"] for row in result["encoders"]}
    sizes = "; ".join(
        f"{name}: {each['training']:,} pairs, {each['held_back']} sentences to be translated among {pools[name]:,}"
        for name, each in result["bitext"].items()
    )
    lines = [
        f"**Graft, transplant and plain checkpoint without training**, on two scripts ({sizes}). Translation MRR: "
        "rank of the English side of a held-back pair. Test: AfriQA's Swahili questions.",
        "",
        "| encoder | student | Swahili: translation MRR | Amharic: translation MRR | test MRR@10 | test R@100 |",
        "|---|---|---|---|---|---|",
    ]
    rows = {(row["encoder"], row["student"], row["language"]): row for row in result["encoders"]}
    for encoder, student in dict.fromkeys((name, student) for name, student, _ in rows):
        swahili, amharic = (rows[encoder, student, language] for language in ("sw", "am"))
        test = [f"{swahili['afriqa'][m]:.3f}" if swahili["afriqa"] else "-" for m in ("MRR@10", "R@100")]
        figures = [f"{row['translation_mrr']:.3f}" for row in (swahili, amharic)] + test
        lines.append(f"| {encoder} | {student} | {' | '.join(figures)} |")
    lines += [
        "",
        "What the graft does to tokenizers (held-back sentences, before and after; English: sentences of Wikipedia "
        "that are split as before):",
        "",
        "| tokenizer | language | added | tokens a word | unknown words | English unchanged |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["tokenizers"]:
        both = [row["before"], row["after"]]
        spelled = joined(f"{each['tokens_per_word']:.2f}" for each in both)
        unknown = joined(f"{each['unknown']:.1%}" for each in both)
        lines.append(
            f"| {row['tokenizer']} | {row['language']} | {row['added']:,} | {spelled} | {unknown} "
            f"| {row['english_unchanged']:.1%} |"
        )
    lines += ["", f"Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"


def accents(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    return _by_rows(
        result,
        f"**The graft with and without accents**, without training, from {result['pairs']:,} sentence pairs. MRR of "
        f"the English side of held-back pairs among {result['pool']:,} sentences. Confused: words of the bitext that "
        "differ from a more frequent one by accents alone. p: paired randomisation with Holm's correction.",
        {
            "language": "{language}",
            "held back": "{held_back}",
            "confused": "{confused:.1%}",
            "graft": "{graft:.3f}",
            "accented-graft": "{accented-graft:.3f}",
            "p": "{p:.2g}",
        },
    )


def term_weights(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    return _by_rows(
        result,
        f"**What the weights of query tokens bring** to the graft, without training, from {result['pairs']:,} sentence "
        f"pairs; MRR@10. {_HELD_BACK_QUERIES} The formula was chosen by such figures. p of both to none: paired "
        "randomisation with Holm's correction.",
        {
            "language": "{queries of}",
            "queries": "{queries}",
            "none": "{none:.3f}",
            "rarity": "{rarity:.3f}",
            "certainty": "{certainty:.3f}",
            "both": "{both:.3f}",
            "p": "{p:.2g}",
        },
    )


def teacher_answers(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    return _by_rows(
        result,
        f"**Weights of query tokens, by whose answers count**: the graft, without training, from {result['pairs']:,} "
        "sentence pairs; MRR@10. Questions of AfriQA's train and dev splits, 5,362 passages; where nothing answers, "
        "these without those that people judged to. p: paired randomisation with Holm's correction.",
        {
            "answers": "{answers}",
            "queries": "{queries}",
            "unweighted": "{unweighted:.3f}",
            "weighted": "{weighted:.3f}",
            "p": "{p:.2g}",
        },
    )


def learned_pieces(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    rows = result["rows"]
    counts = [column for column in rows[0] if column.endswith(" times")]
    means = joined(f"{sum(row[count] for row in rows) / len(rows):.3f}" for count in counts)
    return _by_rows(
        result,
        f"**How often a piece is to be seen** for the graft to add it (shipped: {result['shipped']} times), without "
        f"training, from {result['pairs']:,} sentence pairs; MRR@10. {_HELD_BACK_QUERIES} The constant was chosen by "
        f"such figures. Means: {means}. p of {result['shipped']} times to {counts[0]}: paired randomisation with "
        "Holm's correction.",
        {
            "language": "{queries of}",
            "queries": "{queries}",
            **{count: f"{{{count}:.3f}}" for count in counts},
            "p": "{p:.2g}",
        },
    )


def student_selection(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    figures = ("translation MRR", "teacher overlap", "queries")
    return _by_rows(
        result,
        f"**What says whether training helped**: for held-back pairs the rank of the translation, or the overlap with "
        f"the teacher's ranking; before / after {result['steps']} steps of training with {result['pairs']:,} sentence "
        f"pairs, in brackets the change in standard errors. Queries: MRR@10. {_HELD_BACK_QUERIES} p of the queries: "
        "paired randomisation with Holm's correction.",
        {
            "training": "{training}",
            **{
                figure: f"{{{figure}[0]:.3f}} / {{{figure}[1]:.3f}} ({{{figure}, change in standard errors:+.1f}})"
                for figure in figures
            },
            "p": "{p:.2g}",
        },
    )


def _by_rows(result: dict[str, Any], said: str, columns: dict[str, str]) -> str:
    """Return what a table says and the table: head of each column, and how it is written from a row."""
    lines = [said, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(columns.values())} |".format(**row) for row in result["rows"]]
    lines += ["", f"Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"


def cleaned_bitext(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    lines = [
        f"**Somali students on bitext as it is, damaged, and cleaned.** MRR of the English of {result['questions']} "
        f"held-back Somali questions among all of them; {result['steps']} steps, mean over {len(result['seeds'])} "
        f"seed(s). Damage: {result['damaged_share']:.0%} of the lines shifted by one, as many pairs with wrong "
        "partners.",
        "",
        "| bitext | pairs | graft | distilled |",
        "|---|---|---|---|",
    ]
    for name, row in result["rows"].items():
        mean = sum(row["distilled"]) / len(row["distilled"])
        lines.append(f"| {name} | {row['pairs']:,} | {row['graft']:.3f} | {mean:.3f} |")
    lines += ["", "| distilled | difference | p | p (Holm) |", "|---|---|---|---|"]
    for name, test in result["tests"].items():
        p_values = f"{test['p_value']:.2g} | {test['adjusted_p_value']:.2g}"
        lines.append(f"| {name} | {test['difference']:+.3f} | {p_values} |")
    lines += ["", f"Paired randomisation over questions. Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"
