"""The bodies of requests and answers, as the OpenAPI document describes them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from optical.explanation import Word
from optical.serving.answers import Answer, Found
from optical.serving.languages import Decision
from optical.serving.search import AUTOMATIC

LONGEST_QUERY = 1000  # characters
LARGEST_K = 100
LARGEST_K_EXPLAINED = 20  # each explanation encodes a passage
_LONGEST_FILTER = 500

Text = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_QUERY, description="The query.", examples=["Nani alijenga reli?"]),
]
Language = Annotated[
    str,
    Field(
        max_length=35,
        description=f"Code of a loaded language, or {AUTOMATIC!r} to have it told.",
        examples=[AUTOMATIC, "sw"],
    ),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SearchRequest(_Request):
    """A search."""

    text: Text
    lang: Language = AUTOMATIC
    k: Annotated[int, Field(ge=1, le=LARGEST_K, strict=True, description="How many passages.")] = 10
    filter: Annotated[
        str | None,
        Field(
            max_length=_LONGEST_FILTER,
            description="Condition on the metadata of passages: comparisons with =, !=, <, <=, >, >=, in, joined by "
            "and, or, not and parentheses. GET /index tells the fields.",
            examples=['source = "who" and year >= 2020', None],
        ),
    ] = None
    explain: Annotated[
        bool,
        Field(
            strict=True,
            description="Tell which words answer which words of the query; for k up to "
            f"{LARGEST_K_EXPLAINED}, and slower.",
        ),
    ] = False
    hybrid: Annotated[
        bool,
        Field(
            strict=True,
            description="Search by words, too: those of the query's translations, or in English its own. GET "
            f"/languages tells in which languages that is possible; with {AUTOMATIC!r} it is done where it is.",
        ),
    ] = False


class EncodeRequest(_Request):
    """A query to be encoded."""

    text: Text
    lang: Language = AUTOMATIC


class LanguageAnswer(BaseModel):
    """How the language was chosen."""

    languages: Annotated[
        list[str],
        Field(
            description="Searched in; two where the first is not sure enough, and then their results are fused."
        ),
    ]
    confidence: Annotated[float, Field(description="Probability of the first of them; 1 if it was named.")]
    probabilities: Annotated[dict[str, float], Field(description="Of all loaded languages.")]


class Span(BaseModel):
    """A word, and its characters (Unicode code points): from ``start`` to before ``end``."""

    word: str
    start: int
    end: int


class PassageSpan(Span):
    """A word in the title or the text of a passage."""

    part: Annotated[str, Field(pattern="^(title|text)$")]


class WordMatch(BaseModel):
    """A word of the query, the word of the passage that answers it, and what that adds to their MaxSim."""

    query: Span
    passage: PassageSpan
    score: float


class ExplanationAnswer(BaseModel):
    """How the MaxSim of query and passage comes about: the matches, and ``rest`` from tokens that are no words.

    Together they sum to it. They do not sum to the score of the hit where that is fused: of two languages, or of a
    search by words, too.
    """

    matches: list[WordMatch]
    rest: float


class HitAnswer(BaseModel):
    """A passage that was found."""

    id: str
    rank: Annotated[int, Field(description="From 1.")]
    score: Annotated[
        float,
        Field(
            description="MaxSim; the reciprocal rank fusion where two languages, or words, too, were searched."
        ),
    ]
    language: Annotated[str, Field(description="In which it was found, or ranked best.")]
    title: str
    text: str
    metadata: dict[str, str | int | float | bool | list[str]]
    explanation: ExplanationAnswer | None = None


class SearchAnswer(BaseModel):
    """What was found, best first."""

    language: LanguageAnswer
    hybrid: Annotated[list[str], Field(description="The languages that were searched by words, too.")]
    hits: list[HitAnswer]


class EncodeAnswer(BaseModel):
    """The token vectors of a query, (tokens, dimension), to be compared by dot product.

    Their lengths are the weights of the tokens, 1 where the encoder has none.
    """

    language: LanguageAnswer
    vectors: list[list[float]]


class LanguagesAnswer(BaseModel):
    """The loaded languages."""

    languages: list[str]
    hybrid: Annotated[
        list[str],
        Field(description="Those that can be searched by words, too: none if the index has no words."),
    ]
    identifier: Annotated[
        str, Field(description="What tells them: py3langid, or the vocabularies of the encoders.")
    ]


class IndexAnswer(BaseModel):
    """What is searched."""

    passages: int
    fields: Annotated[
        dict[str, str],
        Field(description="Metadata fields, and what their values are: string, number, boolean."),
    ]


class ExamplesAnswer(BaseModel):
    """Questions that can be answered."""

    examples: Annotated[dict[str, list[str]], Field(description="By language.")]


class Status(BaseModel):
    """How the service is."""

    status: str


class Problem(BaseModel):
    """Why there is no answer."""

    error: str


def language_answer(decision: Decision) -> LanguageAnswer:
    """Return ``decision`` as it is sent."""
    return LanguageAnswer(
        languages=list(decision.languages),
        confidence=decision.confidence,
        probabilities=decision.probabilities,
    )


def search_answer(answer: Answer) -> SearchAnswer:
    """Return ``answer`` as it is sent."""
    return SearchAnswer(
        language=language_answer(answer.decision),
        hybrid=list(answer.hybrid),
        hits=[_hit(each) for each in answer.found],
    )


def _hit(found: Found) -> HitAnswer:
    hit = found.hit
    explanation = None
    if found.explanation is not None:
        matches = [
            WordMatch(
                query=Span(word=match.query.text, start=match.query.start, end=match.query.end),
                passage=_passage_span(hit.title, hit.text, match.passage),
                score=match.score,
            )
            for match in found.explanation.matches
        ]
        explanation = ExplanationAnswer(matches=matches, rest=found.explanation.rest)
    return HitAnswer(
        id=hit.id,
        rank=hit.rank,
        score=hit.score,
        language=found.language,
        title=hit.title,
        text=hit.text,
        metadata={
            name: list(value) if isinstance(value, tuple) else value for name, value in hit.metadata.items()
        },
        explanation=explanation,
    )


def _passage_span(title: str, text: str, word: Word) -> PassageSpan:
    """Return where a word of :attr:`optical.collections.Passage.content` is in the title or the text."""
    together = f"{title} {text}"
    start = word.start + len(together) - len(together.lstrip())
    part, begin = ("title", 0) if start < len(title) else ("text", len(title) + 1)
    return PassageSpan(
        part=part, word=word.text, start=start - begin, end=start - begin + word.end - word.start
    )
