"""XQuAD-R and MLQA-R (LAReQA): SQuAD files with the sentences of each paragraph; sentences are passages.

Source: https://github.com/google-research-datasets/lareqa, its README and ``xquad-r/en.json``: each paragraph
has ``sentences`` and ``sentence_breaks``, pairs of first character and the one after the last.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from optical.collections.collection import Description
from optical.collections.formats.squad import Squad
from optical.collections.json_values import JsonValue
from optical.collections.texts import Passage
from optical.errors import OpticalError


class XquadR(Squad):
    """The id of a sentence is ``paragraph.sentence``, both counted from 0.

    A question's passages are the sentences in which its answers begin. Languages divide a paragraph into
    different sentences, so judgements hold for the passages of the same file only.
    """

    description = Description(
        name="xquad-r",
        content="XQuAD-R json (SQuAD with sentence_breaks)",
        direction="both sides in the language of the file; queries of one language are judged by the file of another",
        licence="CC BY-SA 4.0 (XQuAD-R), CC BY-NC 4.0 (MLQA-R)",
        citation="Roy et al. 2020, arXiv 2004.05484",
        origin="https://github.com/google-research-datasets/lareqa",
    )

    @classmethod
    def recognises(cls, path: Path, start: str) -> bool:
        """A SQuAD file with ``sentence_breaks`` near its start."""
        return Squad.recognises(path, start) and '"sentence_breaks"' in start

    def read_passages(self) -> Iterator[tuple[str, Passage]]:
        """Yield the sentences."""
        for number, title, paragraph in self._paragraphs():
            for position, sentence in enumerate(paragraph["sentences"].items()):
                yield sentence.where, Passage(f"{number}.{position}", sentence.text(), title)

    def read_judgements(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield each question with the sentences in which its answers begin."""
        for number, _, paragraph in self._paragraphs():
            starts = _starts(paragraph)
            for question in paragraph["qas"].items():
                sentences = set()
                for answer in question["answers"].items():
                    start = answer["answer_start"]
                    if start.integer() < starts[0]:
                        raise OpticalError(
                            f"{start.where} is before the first sentence. Fetch the file again."
                        )
                    sentences.add(bisect_right(starts, start.integer()) - 1)
                for sentence in sorted(sentences):
                    yield question.where, question["id"].identifier(), f"{number}.{sentence}", 1


def _starts(paragraph: JsonValue) -> list[int]:
    """Return the first character of each sentence."""
    breaks = paragraph["sentence_breaks"]
    starts = [value.integer() for pair in breaks.items() for value in islice(pair.items(), 1)]
    if not starts or len(starts) != len(list(paragraph["sentences"].items())):
        raise OpticalError(f"{breaks.where} does not fit the sentences beside it. Fetch the file again.")
    return starts
