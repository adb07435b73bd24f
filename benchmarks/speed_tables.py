"""Tables of how fast the parts are, and what they take."""

import json
from pathlib import Path

from table_cells import figure, joined

# The batch size that is shown of the transport benchmark.
TRANSPORT_PAIRS = 256


def bitext_cleaning(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    lines = [
        f"**Cleaning bitext** on one core (text: {result['text']}; {result['measured_on']['cpu']}).",
        "",
        "| rules | pairs | pairs a second of processor time |",
        "|---|---|---|",
    ]
    for name, row in result["rules"].items():
        lines.append(f"| {name} | {row['pairs']:,} | {row['pairs_per_second']:,.0f} |")
    lines += ["", f"Median of repeats. Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"


def index_encoding(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    lines = [
        f"**Building an index** ({result['passages']:,} passages, {result['token_vectors']:,} token vectors, "
        f"{result['encoder']}; {result['cpu']}, {result['cores']} cores; the start of workers included).",
        "",
        "| encoded by | seconds | passages a second |",
        "|---|---|---|",
    ]
    for name, row in result["builds"].items():
        lines.append(f"| {name} | {row['seconds']:.0f} | {row['passages_per_s']:.0f} |")
    lines += ["", f"Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"


def query_encoding(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    workload, questions = result["workload"], next(iter(result["rankings"].values()))
    lines = [
        f"**Encoding a query** of {workload['words']} words on one core ({result['cpu']}; milliseconds of processor "
        f"time, median of {workload['repeats']} repeats).",
        "",
        "| encoder | PyTorch | ONNX float32 | ONNX int8 | MB float32 | MB int8 |",
        "|---|---|---|---|---|---|",
    ]
    for name, encoder in result["encoders"].items():
        times = encoder["milliseconds_a_query"]
        cells = [
            *(
                f"{times[f'{how}: encode_query']['median']:.2f}"
                for how in ("PyTorch", "ONNX float32", "ONNX int8")
            ),
            *(f"{encoder['megabytes'][arithmetic]:.1f}" for arithmetic in ("float32", "int8")),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        f"What the arithmetic does to rankings ({questions['passages']} passages and {questions['queries']} questions "
        "of the sample):",
        "",
        "| | float32: of PyTorch's ten best | same first | int8: of PyTorch's ten best | same first "
        "| MRR@10 PyTorch / float32 / int8 |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["rankings"].items():
        cells = [
            f"{row[kind][arithmetic]:.1%}"
            for arithmetic in ("float32", "int8")
            for kind in ("shared_of_the_ten_best", "same_first")
        ]
        quality = joined(f"{measures['MRR@10']:.3f}" for measures in row["measures"].values())
        lines.append(f"| {name} | {' | '.join(cells)} | {quality} |")
    lines += ["", f"Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"


def search(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    workload = result["workload"]
    lines = [
        f"**Search** ({workload['passages']:,} passages, {workload['token_vectors']:,} token vectors of "
        f"{workload['dimension']} dimensions: {workload['vectors']}; {workload['k']} results, "
        f"{workload['candidates']:,} candidates by centroids; {result['cpu']}, {result['cores']} cores, "
        f"{result['torch_threads']} thread(s)). R: share of the exact results.",
        "",
        "| | ms a query, median | 95th percentile | R@10 | R@100 | MRR@10 - exact | bytes a token | build, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["systems"].items():
        cells = [
            *(f"{row[key]:.1f}" for key in ("p50_ms", "p95_ms")),
            *(f"{row[key]:.3f}" for key in ("R@10", "R@100")),
            f"{row['MRR@10_minus_exact']:+.4f}",
            *(f"{row[key]:,.0f}" for key in ("bytes_per_token", "build_s")),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"


def transport(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    settings = result["settings"]
    rows = {
        (row["contender"], row["tokens"], row["eps"]): row
        for row in result["cells"]
        if row["pairs"] == TRANSPORT_PAIRS
    }
    (own, *rivals), tokens, strengths = (list(dict.fromkeys(column)) for column in zip(*rows, strict=True))
    lines = [
        f"**Transport** ({TRANSPORT_PAIRS} pairs of {settings['dimension']} dimensions, lengths "
        f"{settings['lengths']}; {settings['iterations']} iterations where a solver has that setting; "
        f"{result['cpu']}, {result['threads']} thread(s)). Milliseconds a batch of this package, and times as slow "
        f"as it, at eps {joined(strengths)}:",
        "",
        f"| n | {own}, ms | {' | '.join(rivals)} |",
        "|---" * (2 + len(rivals)) + "|",
    ]
    for length in tokens:
        columns = {name: [rows[name, length, eps] for eps in strengths] for name in (own, *rivals)}
        own_time = joined(figure(row["milliseconds"]["median"]) for row in columns.pop(own))
        ratios = [
            joined(figure(row["times_slower_than_optical"]) + "x" for row in each)
            for each in columns.values()
        ]
        lines.append(f"| {length} | {own_time} | {' | '.join(ratios)} |")
    eps, shown = strengths[-1], sorted({row["tokens"] for row in result["peak_memory"]})
    lines += [
        "",
        f"The same at eps {eps} and n = {joined(shown)}: how far the cost is from the exact one and the plan's sums "
        "from the worse met marginal (means), pairs with NaN, and what a call takes of memory at its peak.",
        "",
        "| | off the exact cost | off the marginal | NaN pairs | MB forward | MB forward and backward |",
        "|---|---|---|---|---|---|",
    ]
    for name in (own, *rivals):
        of_name = [rows[name, length, eps] for length in shown]
        marginals = [(row["row_violation_mean"], row["column_violation_mean"]) for row in of_name]
        peaks: dict[str | None, list[str]] = {}
        for row in result["peak_memory"]:
            if row["contender"] == name:
                peaks.setdefault(row["gradient"], []).append(figure(row["megabytes"]))
        cells = [
            joined(figure(row["gap_absolute_mean"]) for row in of_name),
            joined(figure(None if None in both else max(both)) for both in marginals),
            joined(row["nan_pairs"] for row in of_name),
            joined(peaks.pop(None)),
            "; ".join(f"{joined(each)} ({gradient})" for gradient, each in peaks.items()),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def serving(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    on = result["measured_on"]
    lines = [
        f"**Service under load** ({result['passages']:,} passages, optical-tiny-en, {result['seconds']:g} s each; "
        f"{on['cpu']}, {on['cores']} cores for service and clients, {on['torch_threads']} thread(s)).",
        "",
        "| queries encoded | clients | requests/s | ms, median | 95th percentile | 99th percentile |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("batches", "one at a time"):
        for row in result[name]:
            times = " | ".join(f"{row[key]:.0f}" for key in ("p50_ms", "p95_ms", "p99_ms"))
            title = "in batches" if name == "batches" else name
            lines.append(f"| {title} | {row['clients']} | {row['requests_a_second']:.1f} | {times} |")
    lines += ["", f"Made by `{result['command']}`."]
    return "\n".join(lines) + "\n"


def soak(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    memory = joined(f"{each:,.0f}" for each in result["median_megabytes_by_quarter"])
    return (
        f"**Service in the long run**: {result['seconds'] / 60:g} minutes of {result['clients']} clients with "
        "searches, explanations, vectors and bad requests mixed, encoders loaded anew in the middle, and an end by "
        f"SIGTERM under the load. {sum(result['answers'].values()):,} right answers, "
        f"{sum(result['errors'].values())} others or lost; memory by quarter (median) {memory} MB. "
        f"Made by `{result['command']}`.\n"
    )
