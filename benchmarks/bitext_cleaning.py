"""Time the cleaning of bitext on one core, by sets of rules.

    python benchmarks/bitext_cleaning.py [--data FOLDER --language sw] [--pairs 1000000] [--repeats 3]

FOLDER has SET/en-LANGUAGE.tsv.gz; without it the text is made up of invented words. Where there are fewer pairs than
asked for, they come again with another word in each, so that they are no repetitions. Time is the processor's for this
process (user and system), which other work on the machine changes less than the time on the clock.
"""

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path
from typing import Any

from machine import measured_on
from optical.bitext import Malformed, read_pairs
from optical.bitext.hygiene import check
from optical.bitext.hygiene.language import WrongLanguage
from optical.files import replace_file

RESULT = Path(__file__).parent / "results" / "bitext-cleaning.json"
LETTERS = "abdegiklmnostuwyz"
QUERIES = 1_000
LANGUAGE_PAIRS = 20_000  # of identifying languages, which takes many times as long as all other rules


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--language", default="sw")
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rules: dict[str, tuple[int, Callable[[], dict[str, Any]]]] = {
        "all but language and leakage": (arguments.pairs, dict),
        f"with leakage of {QUERIES:,} queries": (
            arguments.pairs,
            lambda: {"queries": [english for english, _ in islice(invented(1), QUERIES)]},
        ),
    }
    if find_spec("py3langid") is not None:
        rules["with language identification"] = (
            min(LANGUAGE_PAIRS, arguments.pairs),
            lambda: {"wrong_language": WrongLanguage(arguments.language)},
        )
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (pairs, options) in rules.items():
            bitext = Path(folder) / f"{pairs}.en-{arguments.language}.tsv"
            if not bitext.exists():
                write(bitext, arguments.data, arguments.language, pairs)
            runs = []
            for _ in range(arguments.repeats):
                chosen = options()
                started, clock = processor_seconds(), time.perf_counter()
                report = check([bitext], Path(folder) / "clean.tsv", **chosen)
                runs.append((processor_seconds() - started, time.perf_counter() - clock))
            seconds, on_the_clock = zip(*runs, strict=True)
            rows[name] = {
                "pairs": report.pairs,
                "kept": report.kept,
                "megabytes": bitext.stat().st_size / 1e6,
                "processor_seconds": seconds,
                "clock_seconds": on_the_clock,
                "pairs_per_second": report.pairs / statistics.median(seconds),
            }
            print(name, rows[name], flush=True)
    data = f" --data DATA --language {arguments.language}" if arguments.data else ""
    result = {
        "command": f"python benchmarks/bitext_cleaning.py{data} --pairs {arguments.pairs} "
        f"--repeats {arguments.repeats}",
        "text": f"{arguments.language}, real" if arguments.data else "invented",
        "rules": rows,
        "measured_on": measured_on("optical", "numpy"),
    }
    with replace_file(RESULT) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def write(bitext: Path, data: Path | None, language: str, pairs: int) -> None:
    source = invented(0) if data is None else repeated(data, language)
    with bitext.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{english}\t{foreign}\n" for english, foreign in islice(source, pairs))


def repeated(data: Path, language: str) -> Iterator[tuple[str, str]]:
    files = sorted(data.glob(f"*/en-{language}.tsv.gz"))
    pairs = [pair[:2] for file in files for pair in read_pairs(file) if not isinstance(pair, Malformed)]
    yield from pairs
    draw = random.Random(0)
    while True:
        for pair in pairs:
            added = word(draw)
            english, foreign = (side.split(" ") for side in pair)
            for side in (english, foreign):
                side.insert(draw.randrange(len(side) + 1), added)
            yield " ".join(english), " ".join(foreign)


def invented(seed: int) -> Iterator[tuple[str, str]]:
    """Pairs of sentences that are translated word by word, the rarer words of a vocabulary less often."""
    draw = random.Random(seed)
    vocabulary = [(word(draw), word(draw)) for _ in range(20_000)]
    weights = [1 / rank for rank in range(1, len(vocabulary) + 1)]
    for number in count():
        chosen = draw.choices(vocabulary, weights, k=draw.randint(4, 30))
        english, foreign = (" ".join(side).capitalize() for side in zip(*chosen, strict=True))
        ending = f" ({number})." if number % 8 == 0 else "."
        yield english + ending, foreign + ending


def word(draw: random.Random) -> str:
    return "".join(draw.choices(LETTERS, k=draw.randint(2, 9)))


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
